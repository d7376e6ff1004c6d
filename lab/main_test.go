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
		{"run 07 -fro 3s", "go run ./lab run -h lists the flags"},
		{"break 07 -only luck", `there is no experiment "luck": there are`},
		{"break 07 -rate -5", "a rate is 0 to"},
		{"break 07 -svg x.svg", "choose it with -only"},
		{"score 99", `there is no step "99": the steps are`},
		{"score 01", "takes no orders: there is nothing to score"},
		{"score 07 -fast", "go run ./lab score -h lists the flags"},
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

func TestVerdict(t *testing.T) {
	t.Parallel()
	status := func(open, duplicated int) bench.Status {
		return bench.Status{Summary: ledger.Summary{Open: open, Duplicated: duplicated}}
	}
	s := screen.New(nil)
	cases := []struct {
		st   bench.Status
		left bool
		want string
	}{
		{status(0, 0), false, "Nothing was lost, nothing happened twice."},
		{status(0, 2), false, "2 effects happened again"},
		{status(3, 0), false, "3 accepted orders were lost"},
		{status(3, 0), true, "3 accepted orders were still in flight"},
	}
	for _, c := range cases {
		if got := verdict(s, c.st, c.left); !strings.Contains(got, c.want) {
			t.Errorf("got %q, want %q", got, c.want)
		}
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
