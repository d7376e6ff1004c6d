package main

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"course.example/lab/internal/bench"
	"course.example/lab/internal/home"
	"course.example/lab/internal/ledger"
	"course.example/lab/internal/manifest"
	"course.example/lab/internal/screen"
)

// What a student mistypes is answered in one line that says what to do, before
// anything is compiled or started.
func TestMistakes(t *testing.T) {
	cases := []struct {
		args, want string
	}{
		{"dance", `there is no command "dance"`},
		{"run", "which step?"},
		{"run 07 08", "one step at a time"},
		{"run 99", `there is no step "99": the steps are`},
		{"run 07 -variant lucky", `there is no variant "lucky": there are auto-ack`},
		{"run 07 -rate -1", "a rate is 0 to"},
		{"run 07 -rate Inf", "a rate is 0 to"},
		{"run 07 -for 0s", "more than no time"},
		{"run 07 -for soon", "soon"},
		{"run 07 -work -1s", "no less than no time"},
		{"run 01 -dev", "-dev is for a step that goes on"},
		{"run 07 -fro 3s", "go run ./lab run -h lists the flags"},
		{"break 07 -only luck", `there is no experiment "luck": there are`},
		{"break 07 -rate -5", "a rate is 0 to"},
		{"break 07 -svg x.svg", "choose it with -only"},
		{"score 07 -quick", "a program of its own: go run ./score"},
		{"test 99", `there is no module "99"`},
		{"test -repeat 0", "-repeat is at least 1, not 0"},
		{"test -at-once -2", "-at-once is at least 1, not -2"},
		{"test -repeat many", "go run ./lab test -h lists the flags"},
		{"up beer", `unknown service "beer"`},
		{"down now", `down takes no arguments such as "now"`},
		{"status 07", `status takes no arguments such as "07"`},
		{"doctor 07", `doctor takes no arguments such as "07"`},
		{"-x", "go run ./lab -h lists the flags"},
		{"run 7 -x", "go run ./lab run -h lists the flags"},
		{"do", "what is to be done?"},
		{"do kil consumer-1", "did you mean kill?"},
		{"do dance", "is no act: there are burst"},
		{"do kill consumer-1", "no run is going on"},
		{"do -run x burst 1", `no run "x" is going on`},
	}
	for _, c := range cases {
		t.Run(c.args, func(t *testing.T) {
			if strings.HasPrefix(c.args, "do ") {
				t.Setenv(home.EnvDir, t.TempDir()) // where no run is going on
			}
			args := append([]string{"lab"}, strings.Fields(c.args)...)
			err := command().Run(context.Background(), args)
			if err == nil || errors.Is(err, errQuiet) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("want an error with %q, got: %v", c.want, err)
			}
		})
	}
}

// Whoever has typed half of a command asks for its help where the cursor is.
func TestHelpBehindArguments(t *testing.T) {
	for _, cmd := range command().Commands {
		if cmd.Name == "score" {
			continue // it has moved out, and says where to
		}
		for _, words := range []string{"-h", "--help", "07 -h", "-h 07", "07 consumer --help"} {
			out := new(bytes.Buffer)
			lab := command()
			lab.Writer = out
			args := append([]string{"lab", cmd.Name}, strings.Fields(words)...)
			err := lab.Run(t.Context(), args)
			if err != nil || !strings.Contains(out.String(), "lab "+cmd.Name+" - "+cmd.Usage) {
				t.Errorf("%q: %v\n%s", args, err, out)
			}
		}
	}
}

// The keys that help are what a narrow terminal loses last.
func TestFooter(t *testing.T) {
	t.Parallel()
	const procs, keys, end = "producer ×1 · consumer ×3", "b burst  k kill", "? help  q quit"
	cases := []struct {
		width int
		want  string
	}{
		{80, "producer ×1 · consumer ×3    b burst  k kill  ? help  q quit"},
		{60, "producer ×1 · consumer ×3    b burst  k kill  ? help  q quit"},
		{40, "producer ×1 · consumer …  ? help  q quit"},
		{20, "pro…  ? help  q quit"},
		{17, "…  ? help  q quit"},
		{16, "? help  q quit"},
		{10, "? help  q…"},
	}
	for _, c := range cases {
		got := footer(procs+"    "+keys, end, c.width)
		if got != c.want || utf8.RuneCountInString(got) > c.width {
			t.Errorf("%d columns: %q, want %q", c.width, got, c.want)
		}
	}
}

// A run ends with what it came to, and with an error where that is nothing that anybody
// can have meant.
func TestVerdict(t *testing.T) {
	t.Parallel()
	s := screen.New(nil)
	cases := []struct {
		sum   ledger.Summary
		left  bool
		want  string
		wrong bool
	}{
		{ledger.Summary{Accepted: 9}, false, "Nothing was lost, nothing happened twice.", false},
		{
			ledger.Summary{Accepted: 9, Duplicated: 2}, false,
			"Nothing was lost; 2 effects happened again.", false,
		},
		{ledger.Summary{}, false, "No order was accepted: there is nothing to judge.", false},
		{ledger.Summary{Accepted: 9, Open: 3}, false, "3 accepted orders were lost.", true},
		{ledger.Summary{Accepted: 9, Open: 1}, false, "1 accepted order was lost.", true},
		{
			ledger.Summary{Accepted: 9, Open: 3}, true,
			"3 accepted orders were still in flight.", true,
		},
		{ledger.Summary{Ghosts: 10}, false, "10 orders were done that nobody was promised.", true},
		{
			ledger.Summary{Accepted: 9, Contradictions: 1}, false,
			"1 order was given up and done all the same.", true,
		},
		{
			ledger.Summary{Accepted: 1, Reused: 99}, false,
			"99 customers were given another one's order.", true,
		},
		{
			ledger.Summary{Accepted: 9, Ghosts: 2, Open: 1, Duplicated: 1}, false,
			"1 accepted order was lost; 2 orders were done that nobody was promised; " +
				"1 effect happened again.", true,
		},
	}
	for _, c := range cases {
		st := bench.Status{Summary: c.sum}
		if got := verdict(s, st, c.left); got != c.want {
			t.Errorf("%+v: got %q, want %q", c.sum, got, c.want)
		}
		if wrong := errors.Is(ending(nil, st, c.left), errQuiet); wrong != c.wrong {
			t.Errorf("%v: the run ends with an error: %t", c.sum, wrong)
		}
		broken := errors.New("broken")
		if err := ending(broken, st, c.left); !errors.Is(err, broken) {
			t.Errorf("%v: why the run ended is forgotten: %v", c.sum, err)
		}
	}
}

// The account names what ought never to be only where it is, and what an order calls
// itself cannot act on the terminal.
func TestLedgerText(t *testing.T) {
	t.Parallel()
	s := screen.New(nil)
	never := []string{"ghosts", "both", "reused"}
	calm := ledgerText(s, bench.Status{Summary: ledger.Summary{Accepted: 1}}, nil, false)
	bad := ledgerText(s, bench.Status{Summary: ledger.Summary{
		Open: 2, Ghosts: 6, Contradictions: 7, Reused: 8,
	}}, []string{"\x1b[2Ja", "b\u202e"}, false)
	for _, name := range never {
		if strings.Contains(calm, name) || !strings.Contains(bad, "\n  "+name) {
			t.Errorf("%s: in a calm run\n%s\nand in a bad one\n%s", name, calm, bad)
		}
	}
	if !strings.HasSuffix(bad, "\n  for example ·[2Ja, b·") {
		t.Errorf("the lost orders are named so: %q", bad)
	}
}

// The keys act on those who do the work, wherever they stand in the manifest.
func TestWorker(t *testing.T) {
	t.Parallel()
	front := manifest.Process{Name: "web", Orders: true}
	silo := manifest.Process{Name: "silo"}
	cases := []struct {
		processes []manifest.Process
		want      string
	}{
		{[]manifest.Process{front, silo}, "silo"},
		{[]manifest.Process{silo, front}, "silo"},
		{[]manifest.Process{front}, "web"},
	}
	for _, c := range cases {
		s := show{step: &manifest.Step{Processes: c.processes}}
		if got := s.worker(); got != c.want {
			t.Errorf("%v: %s, want %s", c.processes, got, c.want)
		}
	}
}

// Whoever asks for help with an act is told of that act, and no run is needed for it.
func TestHelpWithAnAct(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"do kill -h": "kill WHO", "do help kill": "kill WHO", "do kill --help": "SIGKILL",
		"do scale consumer -h": "scale KIND N", "do help": "burst N", "do -h": "burst N",
		"do cut -h": "run -proxy", "do help slow": "for example",
	} {
		var out strings.Builder
		lab := command()
		lab.Writer = &out
		err := lab.Run(context.Background(), append([]string{"lab"}, strings.Fields(args)...))
		if err != nil || !strings.Contains(strings.ToLower(out.String()), strings.ToLower(want)) {
			t.Errorf("%s: want %q, got %v\n%s", args, want, err, &out)
		}
		if one := strings.Contains(args, "kill"); one && strings.Contains(out.String(), "burst") {
			t.Errorf("%s tells of the other acts, too:\n%s", args, &out)
		}
	}
}

// A number that begins with - is one, and no flag.
func TestAnActWithLessThanNothing(t *testing.T) {
	t.Setenv(home.EnvDir, t.TempDir())
	err := command().Run(context.Background(),
		[]string{"lab", "do", "scale", "consumer", "-1"})
	if err == nil || !strings.Contains(err.Error(), "no run is going on") {
		t.Errorf("scale consumer -1: %v", err)
	}
}

// The keys are those of the acts, for the processes that this step has.
func TestKeysLine(t *testing.T) {
	t.Parallel()
	s := show{step: &manifest.Step{Processes: []manifest.Process{{Name: "consumer"}}}}
	if got := s.keysLine(); got != "b burst  k kill  +  - consumer" {
		t.Errorf("keys: %s", got)
	}
	s.owned = []string{"rabbitmq"}
	if got := s.keysLine(); !strings.Contains(got, "r restart rabbitmq") {
		t.Errorf("keys: %s", got)
	}
}

// A run that was given up, and one whose log and book differ, say so.
func TestVerdictSaysHowSureItIs(t *testing.T) {
	t.Parallel()
	s := screen.New(nil)
	st := bench.Status{
		Summary: ledger.Summary{Accepted: 9}, Waits: "2 in the queue",
		Differs: "the log says 1 lost; the book says 0 lost",
	}
	got := verdict(s, st, false)
	for _, want := range []string{
		"nothing has happened twice so far", "there still waits 2 in the queue.",
		"the step's own book: the log says 1 lost; the book says 0 lost.",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%q lacks %q", got, want)
		}
	}
	if got := verdict(s, st, true); strings.Contains(got, "2 in the queue") {
		t.Errorf("somebody who does not wait is told what waits: %q", got)
	}
}
