package deployment

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"course.example/shop"
)

func two(version string) Desired {
	return Desired{Version: version, Replicas: map[string]int{"consumer": 1, "producer": 2}}
}

func TestPlan(t *testing.T) {
	t.Parallel()
	v1 := []Running{{"consumer", "v1", "", "a"}, {"producer", "v1", "", "b"}, {"producer", "v1", "", "c"}}
	for name, c := range map[string]struct {
		want Desired
		have []Running
		plan string
	}{
		"nothing runs":     {two("v1"), nil, "[start consumer v1 start producer v1 start producer v1]"},
		"as desired":       {two("v1"), v1, "[]"},
		"one was lost":     {two("v1"), v1[:2], "[start producer v1]"},
		"one too many":     {two("v1"), append(v1, Running{"producer", "v1", "", "d"}), "[end d]"},
		"a stranger":       {two("v1"), append(v1, Running{"producer", "v2", "", "d"}), "[end d]"},
		"killed half-way":  {two("v2"), append(v1[:2:2], Running{"producer", "v2", "", "d"}), "[start consumer v2 start producer v2 end a end b]"},
		"another version":  {two("v2"), v1, "[start consumer v2 start producer v2 start producer v2 end a end b end c]"},
		"unknown programs": {two("v1"), append(v1, Running{"gateway", "v1", "", "e"}), "[end e]"},
	} {
		if got := fmt.Sprint(Plan(c.want, State{Replicas: c.have})); got != c.plan {
			t.Errorf("%s: %s, want %s", name, got, c.plan)
		}
	}
}

// A plan may be carried out to any point, and be forgotten: what is planned then leads to the same
// end, after which there is nothing to do.
func TestPlanAfterACrash(t *testing.T) {
	t.Parallel()
	start := []Running{{"consumer", "v1", "", "a"}, {"producer", "v1", "", "b"}}
	plan := func(have []Running) []Change { return Plan(two("v2"), State{Replicas: have}) }
	for steps := range 6 {
		have := append([]Running(nil), start...)
		have = carryOut(have, plan(have), steps)
		have = carryOut(have, plan(have), 99)
		if rest := plan(have); len(rest) > 0 {
			t.Errorf("after a crash at step %d there is still to do: %v", steps, rest)
		}
	}
}

func carryOut(have []Running, plan []Change, steps int) []Running {
	for i, c := range plan[:min(steps, len(plan))] {
		if c.Start {
			c.Name = fmt.Sprintf("%s-%d-%d", c.Program, len(have), i)
			have = append(have, c.Running)
			continue
		}
		for j, r := range have {
			if r == c.Running {
				have = append(have[:j:j], have[j+1:]...)
				break
			}
		}
	}
	return have
}

// A flag that is not as desired is switched, and one that is desired and already on is left.
func TestPlanSwitchesFlags(t *testing.T) {
	t.Parallel()
	on, off := map[string]bool{Discount: true}, map[string]bool{Discount: false}
	for name, c := range map[string]struct {
		want, have map[string]bool
		plan       string
	}{
		"to be switched on": {on, off, "[switch discount on]"},
		"by hand":           {nil, on, "[switch discount off]"},
		"as desired":        {on, on, "[]"},
		"never named":       {nil, nil, "[]"},
		"named and off":     {off, nil, "[]"},
	} {
		plan := Plan(Desired{Version: "v1", Flags: c.want}, State{Flags: c.have})
		if got := fmt.Sprint(plan); got != c.plan {
			t.Errorf("%s: %s, want %s", name, got, c.plan)
		}
	}
}

// Who edits one field leaves the rest as a person has written it.
func TestEdit(t *testing.T) {
	t.Parallel()
	const text = "# ours\nversion: v1 # the old one\nreplicas:\n  consumer: 1\n  # for the sale\n  producer: 2\n" +
		"flags: {discount: false}\n"
	for _, c := range []struct{ field, value, says string }{
		{"version", "v2", "version: v2"},
		{"replicas.producer", "3", "producer: 3"},
		{"flags.discount", "true", "{discount: true}"},
	} {
		got, err := Edit(text, c.field, c.value)
		if err != nil || !strings.Contains(got, c.says) || !strings.Contains(got, "# ours") ||
			!strings.Contains(got, "# for the sale") {
			t.Errorf("%s: %v\n%s", c.field, err, got)
		}
		if _, err := parseDesired("desired.yaml", []byte(got)); err != nil {
			t.Errorf("%s cannot be read afterwards: %v", c.field, err)
		}
	}
	for name, c := range map[string]struct{ text, field, says string }{
		"no such field": {text, "replicas.gateway", "no field replicas.gateway"},
		"no field":      {text, "version[", "is no field"},
		"broken":        {text + "replicas: {\n", "version", "mend the file first"},
		"empty":         {"", "version", "empty"},
		"a comment":     {"# nothing yet\n", "version", "version"},
	} {
		if got, err := Edit(c.text, c.field, "v2"); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want an error that says %q; got\n%s", name, err, c.says, got)
		}
	}
}

// A file is read again when its text has changed, and what is wrong with a text is said once. What
// somebody has written meanwhile is not overwritten.
func TestWatched(t *testing.T) {
	t.Parallel()
	w := &watched{path: filepath.Join(t.TempDir(), "desired.yaml")}
	if _, edited, err := w.look(); edited || err == nil {
		t.Errorf("no file: edited %v, %v", edited, err)
	}
	const good = "version: v1\nreplicas: {consumer: 1, producer: 2}\n"
	for _, c := range []struct {
		text   string
		edited bool
		says   string
	}{
		{good, true, ""}, {good, false, ""},
		{good + "\nflags: {discount\n", false, "desired.yaml:4"}, {good + "\nflags: {discount\n", false, ""},
		{good, true, ""}, {good + "# a word\n", true, ""},
	} {
		if err := os.WriteFile(w.path, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		want, edited, err := w.look()
		if edited != c.edited || (err != nil) != (c.says != "") ||
			err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%q: edited %v, %v; want %v, %q", c.text, edited, err, c.edited, c.says)
		}
		if edited && !want.equal(two("v1")) {
			t.Errorf("%q: read %+v", c.text, want)
		}
	}
	if err := w.setVersion("v2"); err != nil {
		t.Fatal(err)
	}
	if _, edited, err := w.look(); edited || err != nil {
		t.Errorf("its own hand is no edit: %v, %v", edited, err)
	}
	theirs := strings.Replace(good, "v1", "v2-slow", 1)
	if err := os.WriteFile(w.path, []byte(theirs), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := w.setVersion("v1"); !errors.Is(err, errEdited) {
		t.Errorf("somebody else's text was overwritten: %v", err)
	}
}

// A setting belongs to the whole life of a replica: where it changes, another replica takes over. No
// secret may stand among them.
func TestSettingsOfReplicas(t *testing.T) {
	t.Parallel()
	want := two("v1")
	want.Settings = map[string]string{"WORKERS": "8", "CHECK": "1s"}
	const env = "CHECK=1s WORKERS=8"
	have := []Running{{"consumer", "v1", env, "a"}, {"producer", "v1", env, "b"}, {"producer", "v1", "", "c"}}
	const plan = "[start producer v1 end c]"
	if got := fmt.Sprint(Plan(want, State{Replicas: have})); got != plan {
		t.Errorf("%s, want %s", got, plan)
	}
	for name, known := range map[string]bool{"WORKERS": true, "DATABASE_URL": false, "ADDR": false} {
		want.Settings = map[string]string{name: "1"}
		if err := want.validate(); (err == nil) != known {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestDesiredIsKeptInAFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "desired.yaml")
	if got, err := readDesired(path, two("v1")); err != nil || got.Version != "v1" {
		t.Errorf("no file yet: %+v, %v", got, err)
	}
	for _, version := range []string{"v2", "v1"} {
		if err := writeDesired(path, two(version)); err != nil {
			t.Fatal(err)
		}
		got, err := readDesired(path, Desired{})
		if err != nil || !got.equal(two(version)) {
			t.Errorf("read %+v, %v", got, err)
		}
	}
	if left, err := filepath.Glob(filepath.Join(filepath.Dir(path), ".*")); len(left) > 0 || err != nil {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestBadDesired(t *testing.T) {
	t.Parallel()
	for text, says := range map[string]string{
		"":                           "no version",
		"version: v9":                "no version \"v9\"; there are: v1",
		"version: v1":                "replicas of consumer must be 1 to 64, is 0",
		"version: v1\nreplica:":      ":2: ",
		"version: v1\nreplicas: [1]": ":2: ",
		"version: v1\nreplicas: {consumer: 1, producer: 1}\nflags: {sale: true}": "no flag \"sale\"",
		"version: v1\nreplicas: {consumer: 1, producer: 65}":                     "is 65",
		"version: v1\nreplicas: {consumer: 1, producer: 1, gateway: 1}":          "no program \"gateway\"",
	} {
		path := filepath.Join(t.TempDir(), "desired.yaml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := readDesired(path, Desired{})
		usage := new(shop.UsageError)
		if !errors.As(err, &usage) || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: error %v, want one that says %q", text, err, says)
		}
	}
}
