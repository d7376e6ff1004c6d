package bench_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"course.example/lab/internal/act"
	"course.example/lab/internal/bench"
	"course.example/lab/internal/history"
	"course.example/lab/internal/home"
	"course.example/lab/internal/manifest"
)

var toy struct {
	once sync.Once
	step *manifest.Step
	bin  string
	err  error
}

// theToy builds the toy step once for all tests.
func theToy(t *testing.T) (*manifest.Step, string) {
	t.Helper()
	toy.once.Do(func() {
		dir, err := filepath.Abs("testdata/99-toy")
		if err != nil {
			toy.err = err
			return
		}
		if toy.step, toy.err = manifest.Read(dir); toy.err != nil {
			return
		}
		out := filepath.Join(toyDir, "toy")
		toy.bin, toy.err = bench.Build(context.Background(), toy.step, []string{manifest.Right}, out, false, nil)
	})
	if toy.err != nil {
		t.Fatal(toy.err)
	}
	return toy.step, toy.bin
}

type recorder struct {
	mu    sync.Mutex
	lines []history.Line
}

func (r *recorder) show(l history.Line) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lines = append(r.lines, l)
}

func (r *recorder) has(process, text string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, l := range r.lines {
		if l.Process == process && strings.Contains(l.Text, text) {
			return true
		}
	}
	return false
}

func start(t *testing.T, variant string, change func(*bench.Config)) (*bench.Bench, *recorder) {
	t.Helper()
	b, r, err := tryStart(t, variant, change)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	return b, r
}

func tryStart(
	t *testing.T, variant string, change func(*bench.Config),
) (*bench.Bench, *recorder, error) {
	t.Helper()
	step, bin := theToy(t)
	run, err := home.Open("test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := run.Close(); err != nil {
			t.Error(err)
		}
	})
	r := &recorder{}
	cfg := bench.Config{
		Step: step, Variant: variant, Run: run, Bin: bin,
		Keep: true, Show: r.show,
	}
	if change != nil {
		change(&cfg)
	}
	b, err := bench.Start(t.Context(), cfg)
	return b, r, err
}

// settle drains and closes, after which the ledger is final.
func settle(t *testing.T, b *bench.Bench) bench.Status {
	t.Helper()
	err := b.Drain(t.Context(), bench.Settle{Quiet: time.Second, Limit: 10 * time.Second})
	if err := errors.Join(err, b.Close(t.Context())); err != nil {
		t.Fatal(err)
	}
	return b.Status()
}

func await(t *testing.T, what string, holds func() bool) {
	t.Helper()
	limit := time.After(20 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("waited 20 s for %s", what)
		}
	}
}

// Each variant of the toy breaks the shop's contract in one way; the ledger
// must find it.
func TestLedgerOfARun(t *testing.T) {
	t.Parallel()
	cases := []struct {
		variant                             string
		processed, failed, open, duplicated int
	}{
		{"", 10, 0, 0, 0},
		{"loses", 5, 0, 5, 0},
		{"twice", 10, 0, 0, 10},
		{"fails", 0, 10, 0, 0},
	}
	for _, c := range cases {
		t.Run("variant "+c.variant, func(t *testing.T) {
			t.Parallel()
			b, _ := start(t, c.variant, nil)
			if n, err := b.Place(t.Context(), 10); n != 10 || err != nil {
				t.Fatalf("placed %d: %v", n, err)
			}
			s := settle(t, b)
			if s.Accepted != 10 || s.Processed != c.processed || s.Failed != c.failed ||
				s.Open != c.open || s.Duplicated != c.duplicated {
				t.Errorf("got %+v", s)
			}
			if len(b.Open(100)) != c.open {
				t.Errorf("lists %d open orders", len(b.Open(100)))
			}
		})
	}
}

// One customer's orders are so many requests, and what the shop refuses is in
// the ledger and no mistake of the act's.
func TestOrdersOfOneCustomer(t *testing.T) {
	t.Parallel()
	b, _ := start(t, "", nil)
	if err := b.Do(t.Context(), "order 5 ada@example.com"); err != nil {
		t.Fatal(err)
	}
	if err := b.Do(t.Context(), "order 2 refused@example.com"); err != nil {
		t.Fatal(err)
	}
	if s := settle(t, b); s.Accepted != 5 || s.Processed != 5 || s.Refused != 2 {
		t.Errorf("got %+v", s)
	}
}

// A shop that answers 202 and writes nothing down is found out, because the
// customer's word counts too.
func TestAnswerCountsAsAccepted(t *testing.T) {
	t.Parallel()
	b, _ := start(t, "silent", nil)
	if _, err := b.Place(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	if s := settle(t, b); s.Accepted != 1 || s.Open != 1 {
		t.Errorf("got %+v", s)
	}
}

func TestHighestValueOfAnAttribute(t *testing.T) {
	t.Parallel()
	b, _ := start(t, "", func(c *bench.Config) { c.Gauges = []string{"n", "order"} })
	if _, err := b.Place(t.Context(), 10); err != nil {
		t.Fatal(err)
	}
	settle(t, b)
	if got := b.Highest(); !maps.Equal(got, map[string]float64{"n": 10}) {
		t.Errorf("the highest are %v; order is no number", got)
	}
}

// A customer who gets no answer is not one who was told to come back later.
func TestPatienceEnds(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("it has no SIGSTOP")
	}
	b, _ := start(t, "", func(c *bench.Config) { c.Patience = 100 * time.Millisecond })
	if err := b.Do(t.Context(), "pause shop"); err != nil {
		t.Fatal(err)
	}
	// The signal takes a moment to stop every thread: who comes before that is served.
	await(t, "a customer without an answer", func() bool {
		_, err := b.Place(t.Context(), 1)
		return errors.Is(err, context.DeadlineExceeded)
	})
	if err := b.Do(t.Context(), "resume shop"); err != nil {
		t.Fatal(err)
	}
	if s := settle(t, b); s.Refused != 1 || s.Unanswered != 1 {
		t.Errorf("refused %d, unanswered %d of them", s.Refused, s.Unanswered)
	}
}

func TestProcessThatDiesIsStartedAgain(t *testing.T) {
	t.Parallel()
	b, r := start(t, "crashes", nil)
	if n, err := b.Place(t.Context(), 3); err == nil {
		t.Fatalf("the shop crashed and yet accepted %d", n)
	}
	await(t, "somebody to say that the shop died", func() bool {
		return r.has(history.Lab, "shop died unasked (exit status 3): starting it again")
	})
	await(t, "the shop to be back", func() bool { return b.Status().Up["shop"] == 1 })
	if _, err := b.Place(t.Context(), 1); err != nil {
		t.Errorf("the shop is back and takes no order: %v", err)
	}
	if s := settle(t, b); s.Refused != 1 {
		t.Errorf("refused: got %d, want the 1 request without an answer", s.Refused)
	}
	if lives := b.History().Lives; len(lives) != 2 || lives[0].End != "exit status 3" {
		t.Errorf("lives: %+v", lives)
	}
}

func TestProcessThatCannotBeKeptUp(t *testing.T) {
	t.Parallel()
	_, _, err := tryStart(t, "dies", nil)
	if err == nil || !strings.Contains(err.Error(), "it dies, as it was told") {
		t.Errorf("want an error with the program's last words, got: %v", err)
	}
}

func TestKillIsNotUndone(t *testing.T) {
	t.Parallel()
	b, _ := start(t, "", nil)
	if err := b.Do(t.Context(), "kill shop"); err != nil {
		t.Fatal(err)
	}
	if n := b.Running("shop"); n != 0 {
		t.Errorf("%d are running after the only one was killed", n)
	}
	if n, err := b.Place(t.Context(), 1); n != 0 || err == nil {
		t.Errorf("placed %d with nobody there: %v", n, err)
	}
	if err := b.Do(t.Context(), "start shop"); err != nil {
		t.Fatal(err)
	}
	await(t, "the shop to be up", func() bool { return b.Status().Up["shop"] == 1 })
	marks := b.History().Marks
	if len(marks) != 2 || !marks[0].Fault || marks[0].InFlight != 3 || marks[1].Fault {
		t.Errorf("marks: %+v", marks)
	}
}

func TestScale(t *testing.T) {
	t.Parallel()
	b, _ := start(t, "", nil)
	for _, step := range []struct {
		to   string
		want int
	}{{"3", 3}, {"1", 1}, {"-1", 0}, {"-1", 0}, {"+2", 2}, {"-1", 1}} {
		if err := b.Do(t.Context(), "scale shop "+step.to); err != nil {
			t.Fatal(err)
		}
		await(t, fmt.Sprint(step.want, " shops"), func() bool {
			return b.Status().Up["shop"] == b.Running("shop") && b.Running("shop") == step.want
		})
	}
	seen := map[string]bool{}
	for _, l := range b.History().Lives {
		seen[l.Process] = true
	}
	if len(seen) != 3 {
		t.Errorf("the second scale-up must reuse names, has %v", seen)
	}
}

func TestPauseAndResume(t *testing.T) {
	t.Parallel()
	b, _ := start(t, "", nil)
	err := b.Do(t.Context(), "pause shop")
	if runtime.GOOS == "windows" {
		if !errors.Is(err, act.ErrCannot) {
			t.Errorf("want ErrCannot, got %v", err)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	// The signal takes a moment to stop every thread.
	await(t, "the shop to freeze", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		_, err := b.Place(ctx, 1)
		return err != nil
	})
	if err := b.Do(t.Context(), "resume shop"); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Place(t.Context(), 1); err != nil {
		t.Errorf("a thawed shop: %v", err)
	}
}

// What was accepted counts as lost only once everything works again.
func TestMend(t *testing.T) {
	t.Parallel()
	b, _ := start(t, "", nil)
	if err := b.Do(t.Context(), "kill shop"); err != nil {
		t.Fatal(err)
	}
	if err := b.Mend(t.Context()); err != nil {
		t.Fatal(err)
	}
	await(t, "the shop to be up", func() bool { return b.Status().Up["shop"] == 1 })
	if err := b.Mend(t.Context()); err != nil {
		t.Errorf("mending what is whole: %v", err)
	}
}

// What a student mistypes is answered with what there is.
func TestActsThatCannotBeDone(t *testing.T) {
	t.Parallel()
	b, _ := start(t, "", nil)
	cases := []struct{ act, want string }{
		{"", "what is to be done"},
		{"dance", "is no act: there are burst"},
		{"kil shop", "did you mean kill?"},
		{"kill", "whom?"},
		{"kill nobody", `no process and no service "nobody"`},
		{"burst", "how many?"},
		{"kill shop-9", `there is no "shop-9" here: shop`},
		{"burst many", "no whole number"},
		{"burst 0", "no whole number"},
		{"order 3", "how many, and whose?"},
		{"order some ada@example.com", "no whole number"},
		{"burst 1000000000", "no whole number"},
		{"scale shop", "which kind, and how many"},
		{"scale shop 1000", "no whole number"},
		{"scale shop +0", "no whole number"},
		{"scale clerk 2", "no kind of process"},
		{"start shop", "already running"},
		{"cut shop", "ARGS=-proxy"},
		{"slow shop soon", "no latency"},
		{"duplicate 3", "no inject: duplicate"},
		{"poison 8", `called with ["-kind" "poison" "-count" "8"]`},
	}
	for _, c := range cases {
		err := b.Do(t.Context(), c.act)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: want an error with %q, got: %v", c.act, c.want, err)
		}
	}
	if err := b.Do(t.Context(), "poison 7"); err != nil {
		t.Errorf("poison 7: %v", err)
	}
}

func TestTrickleKeepsItsRate(t *testing.T) {
	t.Parallel()
	b, _ := start(t, "", nil)
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	b.Trickle(ctx, 100)
	if s := settle(t, b); s.Accepted < 25 || s.Accepted > 51 || s.Open != 0 {
		t.Errorf("half a second at 100 a second: %+v", s)
	}
}

func TestUnknownVariant(t *testing.T) {
	t.Parallel()
	_, _, err := tryStart(t, "lost", nil)
	if err == nil || !strings.Contains(err.Error(), "did you mean loses?") {
		t.Errorf("got %v", err)
	}
}

func TestOutputIsShown(t *testing.T) {
	t.Parallel()
	b, r := start(t, "", nil)
	if _, err := b.Place(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	settle(t, b)
	if !r.has("shop", "this line is no log record") || !r.has("shop", "order processed") {
		t.Errorf("lines: %+v", r.lines)
	}
}

// Only a process whose manifest says so is told how to act on the run.
func TestControlIsForThoseWhoDeclareIt(t *testing.T) {
	t.Parallel()
	const said = "it may act on the run at http://lab"
	for _, declared := range []bool{true, false} {
		b, r := start(t, "", func(cfg *bench.Config) {
			step := *cfg.Step
			step.Processes = slices.Clone(step.Processes)
			step.Processes[0].Control = declared
			cfg.Step, cfg.Control = &step, map[string]string{"LAB_CONTROL": "http://lab"}
		})
		settle(t, b)
		if r.has("shop", said) != declared {
			t.Errorf("declared %v: it was told %v", declared, !declared)
		}
	}
}
