package experiment

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"course.example/lab/internal/bench"
	"course.example/lab/internal/figure"
	"course.example/lab/internal/home"
	"course.example/lab/internal/ledger"
	"course.example/lab/internal/manifest"
)

// The verdict on a step that is known to be good, and on steps that are known to
// be bad in one way each.
func TestVerdicts(t *testing.T) {
	t.Parallel()
	dir, err := filepath.Abs("../bench/testdata/99-toy")
	if err != nil {
		t.Fatal(err)
	}
	step, err := manifest.Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	bin, err := bench.Build(t.Context(), step, []string{manifest.Right}, t.TempDir(), false, nil)
	if err != nil {
		t.Fatal(err)
	}
	run, err := home.Open("test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := run.Close(); err != nil {
			t.Error(err)
		}
	})
	cases := []struct {
		name, verdict, complaint string
		held                     bool
	}{
		{"calm", "held", "", true},
		{"crowd-comes", "held", "", true},
		{"crowd-leaves", "held", "", true},
		{"broken-promise", "BROKEN", "promised lost 0", false},
		{"nobody-logs", "UNKNOWN", "unknown: no process has logged luck", false},
		{"gives-up", "BROKEN", "promised failed 0, but it was 5", false},
		{"loses", "fails, as it should", "", true},
		{"harmless", "DOES NOT FAIL", "the wrong variant twice must show lost > 0", false},
		{"cannot", "not run", "ARGS=-proxy", false},
		{"crashes", "ERROR", "ends as often as it is started", false},
	}
	var results []Result
	for _, c := range cases {
		e, err := step.Experiment(c.name)
		if err != nil {
			t.Fatal(err)
		}
		r, err := Run(t.Context(), bench.Config{Step: step, Run: run, Bin: bin, Seed: 4}, e)
		if err != nil {
			t.Fatal(err)
		}
		results = append(results, r)
		if r.Verdict() != c.verdict || r.Held() != c.held {
			t.Errorf("%s: %s (held: %v), want %s", c.name, r.Verdict(), r.Held(), c.verdict)
		}
		complaints := strings.Join(r.Complaints(), "\n")
		if c.complaint == "" && complaints != "" || !strings.Contains(complaints, c.complaint) {
			t.Errorf("%s: complaints are %q, want %q", c.name, complaints, c.complaint)
		}
		if err := r.CheckPicture(); err != nil {
			t.Error(err)
		}
	}
	table := Table(results, false)
	for _, c := range cases {
		if !strings.Contains(table, c.name) || !strings.Contains(table, c.verdict) {
			t.Errorf("the table says nothing of %s:\n%s", c.name, table)
		}
	}
}

// A bound says little of a figure that has no column: its value stands beside it.
func TestPromiseShowsWhatNoColumnShows(t *testing.T) {
	t.Parallel()
	r := Result{Facts: figure.Facts{InFlight: 12, Refused: 31}}
	for _, c := range []struct {
		figure, text string
		value        float64
	}{
		{"refused", "> 0", 41}, {"unanswered", "0", 0}, {"lost", "<= in-flight", 7},
		{"highest depth", "<= 64", 63}, {"ghosts", "<= refused", 26},
	} {
		condition, err := manifest.ParseCondition(c.figure, c.text)
		if err != nil {
			t.Fatal(err)
		}
		r.Checks = append(r.Checks, Check{Condition: condition, Value: c.value, Held: true})
	}
	const want = "refused > 0 (41), unanswered 0, lost ≤ 12 in flight, highest depth ≤ 64 (63), " +
		"ghosts ≤ 31 refused (26)"
	if got := strings.ReplaceAll(r.promise(), "\n", " "); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func ms(n int) time.Time { return time.UnixMilli(1_000_000 + int64(n)) }

// events are those of an order each.
func events(kind ledger.Kind, from, to, step int) []ledger.Event {
	var all []ledger.Event
	for at := from; at < to; at += step {
		all = append(all, ledger.Event{Kind: kind, Time: ms(at), Order: fmt.Sprint(at)})
	}
	return all
}
