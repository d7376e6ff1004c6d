package experiment

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"course.example/lab/internal/figure"
	"course.example/lab/internal/home"
	"course.example/lab/internal/ledger"
	"course.example/lab/internal/manifest"
)

// A limit on time is stretched by how slow the machine was; everything else is not. What is missed
// on a machine that is far too slow is unknown, and unknown has not held.
func TestTimeIsJudgedAgainstTheMachine(t *testing.T) {
	t.Parallel()
	cases := []struct {
		figure, text string
		recovery     time.Duration
		refused      int
		slow         float64
		want         string
	}{
		{"recovers", "within 1s", 900 * time.Millisecond, 0, 1, "held"},
		{"recovers", "within 1s", 1100 * time.Millisecond, 0, 1, "BROKEN"},
		{"recovers", "within 1s", 1900 * time.Millisecond, 0, 2, "held"},
		{"recovers", "within 1s", 2100 * time.Millisecond, 0, 2, "BROKEN"},
		{"recovers", "within 1s", 7 * time.Second, 0, 8, "held"},
		{"recovers", "within 1s", 9 * time.Second, 0, 8, "UNKNOWN"},
		{"recovers", "within 1s", -1, 0, 1, "BROKEN"},
		{"recovers", "within 1s", -1, 0, 8, "UNKNOWN"},
		{"refused", "0", 0, 3, 2, "BROKEN"},
		{"refused", "0", 0, 3, 8, "UNKNOWN"},
		{"lost", "0", 0, 0, 8, "held"},
		{"lost", "> 0", 0, 0, 8, "BROKEN"}, // a loss is a loss on every machine
	}
	for _, c := range cases {
		condition, err := manifest.ParseCondition(c.figure, c.text)
		if err != nil {
			t.Fatal(err)
		}
		r := Result{
			Facts: figure.Facts{
				Refused: c.refused, Ledger: ledger.Summary{Accepted: 5},
				History: silentFor(c.recovery),
			},
			Slow:       c.slow,
			Experiment: manifest.Experiment{Promises: manifest.Conditions{condition}},
		}
		r.check()
		if got := r.Verdict(); got != c.want || r.Held() != (c.want == "held") {
			t.Errorf("%s %s, recovery %v, refused %d, machine ×%g: %s (held: %t), want %s",
				c.figure, c.text, c.recovery, c.refused, c.slow, got, r.Held(), c.want)
		}
		complaints := strings.Join(r.Complaints(), "\n")
		if (c.want == "held") != (complaints == "") ||
			c.want == "UNKNOWN" && !strings.Contains(complaints, "too slow to tell") {
			t.Errorf("%s: complaints %q", c.want, complaints)
		}
	}
}

func TestSlowness(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		measured float64
		start    time.Duration
		want     float64
	}{
		{1, 20 * time.Millisecond, 1}, {0, 0, 1}, {2.5, time.Second / 2, 2.5},
		{1, 2 * time.Second, 4}, // it needs two seconds to start a process
	} {
		if got := slowness(c.measured, c.start); got != c.want {
			t.Errorf("×%g and a start of %v: ×%g, want ×%g", c.measured, c.start, got, c.want)
		}
	}
}

// What nobody has told is no number, and must not look like one.
func TestFigureThatNobodyHasTold(t *testing.T) {
	t.Parallel()
	condition, err := manifest.ParseCondition("untraced", "0")
	if err != nil {
		t.Fatal(err)
	}
	r := Result{Experiment: manifest.Experiment{Promises: manifest.Conditions{condition}}}
	r.check()
	if r.Verdict() != "UNKNOWN" || r.Held() {
		t.Errorf("%s, held: %t", r.Verdict(), r.Held())
	}
}

// An experiment that went wrong can be understood afterwards.
func TestKeep(t *testing.T) {
	t.Setenv(home.EnvDir, t.TempDir())
	r := Result{Name: "kill", Error: errors.New("no luck").Error()}
	r.History.Started, r.History.Ended = ms(0), ms(1000)
	r.History.Step = "07-rabbitmq"
	r.History.Events = events("accepted", 0, 1000, 100)
	dir, err := Keep(r, &manifest.Step{Name: "12-actors/mailbox"}, []string{"one line", "another"})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasSuffix(dir, filepath.Join("red", "12-actors", "mailbox", "kill")) {
		t.Errorf("kept in %s", dir)
	}
	for name, want := range map[string]string{
		"processes.log": "one line\nanother\n", "history.json": "no luck", "picture.svg": "<svg",
	} {
		raw, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil || !strings.Contains(string(raw), want) {
			t.Errorf("%s has no %q (%v)", name, want, err)
		}
	}
}
