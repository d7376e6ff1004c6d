package act

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func TestParseScale(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		word     string
		n        int
		relative bool
		ok       bool
	}{
		{"4", 4, false, true}, {"0", 0, false, true}, {"64", 64, false, true},
		{"+1", 1, true, true}, {"-1", -1, true, true}, {"-64", -64, true, true},
		{"65", 0, false, false}, {"+65", 0, true, false}, {"+0", 0, true, false},
		{"-0", 0, true, false}, {"", 0, false, false}, {"+", 0, true, false},
		{"many", 0, false, false}, {"--1", 0, true, false}, {"1.5", 0, false, false},
	} {
		n, relative, err := parseScale([]string{"consumer", c.word})
		if (err == nil) != c.ok || c.ok && (n != c.n || relative != c.relative) {
			t.Errorf("%q: %d, relative %v, %v", c.word, n, relative, err)
		}
	}
}

func TestParseNumber(t *testing.T) {
	t.Parallel()
	for words, want := range map[string]int{
		"2": 2, "9": 9, "1": 0, "10": 0, "x": 0, "": 0, "3 4": 0, "-3": 0,
	} {
		n, err := parseNumber(strings.Fields(words), 2, 9)
		if (err == nil) != (want > 0) || err == nil && n != want {
			t.Errorf("%q from 2 to 9: %d, %v", words, n, err)
		}
	}
	if n, email, err := parseOrder([]string{"20", "a@b.test"}); n != 20 || email != "a@b.test" ||
		err != nil {
		t.Errorf("order: %d, %q, %v", n, email, err)
	}
	for _, words := range []string{"", "20", "0 a@b.test", "1001 a@b.test", "2 a@b.test c@d.test"} {
		if n, email, err := parseOrder(strings.Fields(words)); err == nil {
			t.Errorf("%q is %d orders of %q", words, n, email)
		}
	}
}

func TestParseSlow(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		words string
		who   []string
		how   Slow
	}{
		{"consumer-1 100ms", []string{"consumer-1"}, Slow{Latency: 100 * time.Millisecond}},
		{"every consumer 1s", []string{"every", "consumer"}, Slow{Latency: time.Second}},
		{"db 1ms 50KB/s", []string{"db"}, Slow{time.Millisecond, 50}},
		{"db 1ms 1KB/s", []string{"db"}, Slow{time.Millisecond, 1}},
	} {
		who, how, err := parseSlow(strings.Fields(c.words))
		if err != nil || !slices.Equal(who, c.who) || how != c.how {
			t.Errorf("%q: %q, %+v, %v", c.words, who, how, err)
		}
	}
	for _, words := range []string{
		"", "db", "100ms", "50KB/s", "db 50KB/s", "db soon", "db 0ms", "db -1ms", "db 1ms 0KB/s",
		"db 1ms -5KB/s", "db 1ms xKB/s", "db 1ms 50",
	} {
		if who, how, err := parseSlow(strings.Fields(words)); err == nil {
			t.Errorf("%q makes %q %+v slow", words, who, how)
		}
	}
}

// toy is a step of which an act can be checked.
type toy struct{}

func (toy) Kinds() []string    { return []string{"consumer", "old-consumer", "tier-2"} }
func (toy) Services() []string { return []string{"postgres", "redis"} }
func (toy) Tool(act string) []string {
	return map[string][]string{"poison": {"./inject"}, "hand": {"./operator"}}[act]
}

func (toy) Deployer() string { return "tier-2" }

// plain is a step that cannot do what needs a process of its own.
type plain struct{ toy }

func (plain) Deployer() string     { return "" }
func (plain) Tool(string) []string { return nil }

func check(s Step, text string) error {
	a, words, err := Parse(text)
	if err != nil {
		return err
	}
	return a.Check(s, words)
}

// What an act means is checked before anything is started, whoever is meant.
func TestCheckAct(t *testing.T) {
	t.Parallel()
	step := toy{}
	for _, act := range []string{
		"burst 1", "burst 100000", "order 3 a@b.test", "poison 10000", "kill consumer",
		"kill consumer-2", "stop old-consumer", "start old-consumer-1", "pause tier-2",
		"resume every consumer", "restart postgres", "kill redis", "kill redis-3", "cut redis-5",
		"heal every old-consumer", "scale consumer 4", "scale old-consumer +1", "scale consumer -1",
		"slow consumer-1 100ms 50KB/s", "slow every consumer 1s", "restart tier-2-1",
		"deploy v2", "hand kill producer",
	} {
		if err := check(step, act); err != nil {
			t.Errorf("%s: %v", act, err)
		}
	}
	for act, want := range map[string]string{
		"":                      "what is to be done",
		"dance":                 "is no act",
		"burst":                 "how many?",
		"burst 1 2":             "how many?",
		"poison":                "how many?",
		"poison 10001":          "no whole number",
		"duplicate 1":           "has no inject",
		"kill":                  "whom?",
		"kill consumer-x":       "no process and no service",
		"kill consumer-1-2":     "no process and no service",
		"kill mysql":            "no process and no service",
		"kill consumer mailer":  "whom?",
		"kill every":            "no process and no service",
		"kill every consumer 2": "whom?",
		"scale consumer":        "which kind, and how many?",
		"scale consumer 4 5":    "which kind, and how many?",
		"scale consumer many":   "no whole number",
		"scale consumer 65":     "no whole number",
		"scale mysql 2":         "there is no kind of process",
		"scale postgres 2":      "there is no kind of process",
		"kil consumer":          "did you mean kill?",
		"kill consumr-2":        "did you mean consumer?",
		"scale tier2 2":         "did you mean tier-2?",
		"slow mysql 1ms":        "no process and no service",
		"slow consumer":         "how slow?",
		"deploy":                "which version?",
		"deploy v1 v2":          "which version?",
		"hand":                  "what is to be done",
	} {
		if err := check(step, act); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: want an error with %q, got: %v", act, want, err)
		}
	}
	if err := check(plain{}, "deploy v2"); err == nil || !strings.Contains(err.Error(), "deploys: true") {
		t.Errorf("deploy without a deployer: %v", err)
	}
	if err := check(plain{}, "hand edit"); err == nil || !strings.Contains(err.Error(), "inject: hand:") {
		t.Errorf("by hand without a tool: %v", err)
	}
}

// Every act says all that the help, the manifest and the bench read of it.
func TestActsAreWhole(t *testing.T) {
	t.Parallel()
	for _, a := range All() {
		if a.Name == "" || a.Help == "" || a.Check == nil || a.Do == nil {
			t.Errorf("%q lacks something: %+v", a.Name, a)
		}
		if found, _, err := Parse(a.Like); err != nil || found.Name != a.Name {
			t.Errorf("%s: its example is %q: %v", a.Name, a.Like, err)
		}
		for _, text := range []string{Help(), a.Manual()} {
			if !strings.Contains(text, a.Name) || !strings.Contains(text, a.Help) {
				t.Errorf("%s is missing in\n%s", a.Name, text)
			}
		}
	}
	if names := Names(); !slices.IsSorted(names) || len(slices.Compact(names)) != len(All()) {
		t.Errorf("names: %v", Names())
	}
}

// A key says what an act of the table says, and no key stands for two.
func TestKeys(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, k := range Keys("consumer", "rabbitmq") {
		if _, _, err := Parse(k.Act); err != nil {
			t.Errorf("%v: %v", k.Keys, err)
		}
		for _, name := range k.Keys {
			if seen[name] {
				t.Errorf("%s is a key twice", name)
			}
			seen[name] = true
		}
	}
	for _, k := range Keys("consumer", "") {
		if strings.Contains(k.Act, "restart") || strings.Contains(k.Act+k.Help, "SERVER") {
			t.Errorf("without a server: %+v", k)
		}
	}
	if len(seen) < 7 {
		t.Errorf("keys: %v", seen)
	}
}

// victim is a process in some state.
type victim struct {
	Target
	runs, hangs, impaired bool
}

func (v victim) Running() bool  { return v.runs }
func (v victim) Hangs() bool    { return v.hangs }
func (v victim) Impaired() bool { return v.impaired }

// Chance chooses a process for which the act has something to do.
func TestWhomAnActSuits(t *testing.T) {
	t.Parallel()
	for name, v := range map[string]victim{
		"cut isolate kill pause restart slow stop": {runs: true}, "start": {},
		"resume": {runs: true, hangs: true}, "heal cut isolate kill pause restart slow stop": {
			runs: true, impaired: true,
		},
	} {
		var suit []string
		for _, a := range All() {
			if a.Suits != nil && a.Suits(v) {
				suit = append(suit, a.Name)
			}
		}
		want := strings.Fields(name)
		slices.Sort(want)
		if !slices.Equal(suit, want) {
			t.Errorf("%+v: %v suit, want %v", v, suit, want)
		}
	}
}
