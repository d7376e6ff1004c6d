package score

import (
	"context"
	"errors"
	"maps"
	"path/filepath"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"course.example/lab/internal/history"
	"course.example/lab/internal/ledger"
	"course.example/lab/internal/manifest"
	"course.example/lab/internal/stage"
)

// A shop that answers at once for a second and then hangs for a second has kept half
// of its customers waiting, most of them for long. A generator that waits for each
// answer would have seen one slow answer in a thousand.
func TestCoordinatedOmission(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		shop := func(context.Context, time.Time) error {
			if since := time.Since(start); since > time.Second {
				time.Sleep(2*time.Second - since)
			}
			return nil
		}
		a := Fire(t.Context(), 1000, 2*time.Second, shop)
		if a.Sent != 2000 || a.Refused != 0 {
			t.Errorf("sent %d, refused %d", a.Sent, a.Refused)
		}
		if p75 := milliseconds(a.Answers, 75); p75 < 490 || p75 > 510 {
			t.Errorf("p75 is %v ms, want 500: every wait counts", p75)
		}
		if late := milliseconds(a.Late, 100); late > 1 {
			t.Errorf("the open loop was %v ms late: it waited for an answer", late)
		}
	})
}

// Beyond maxOpen the generator waits, too; the time still counts from when a request
// was due.
func TestTimeCountsFromWhenItWasDue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		hangs := func(context.Context, time.Time) error {
			time.Sleep(time.Until(start.Add(10 * time.Second)))
			return nil
		}
		a := Fire(t.Context(), maxOpen, 2*time.Second, hangs)
		if p99 := milliseconds(a.Answers, 99); p99 < 9_900 {
			t.Errorf("p99 is %v ms, want almost 10 s", p99)
		}
		if p50 := milliseconds(a.Answers, 50); p50 < 8_900 || p50 > 9_100 {
			t.Errorf("p50 is %v ms, want 9 s: half were due within the first second", p50)
		}
	})
}

func TestFireCountsRefusalsAndEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var n atomic.Int64
		a := Fire(ctx, 10, time.Hour, func(context.Context, time.Time) error {
			if n.Add(1)%2 == 0 {
				return errors.New("not now")
			}
			return nil
		})
		if a.Sent < 9 || a.Sent > 11 || a.Refused != a.Sent/2 {
			t.Errorf("sent %d, refused %d", a.Sent, a.Refused)
		}
		if a.Answers.TotalCount() != int64(a.Sent-a.Refused) {
			t.Errorf("%d answers: a refusal is none", a.Answers.TotalCount())
		}
	})
}

func TestWindow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		w := NewWindow(4)
		var open, most, done atomic.Int64
		refused := w.Run(ctx, func(context.Context) error {
			most.Store(max(most.Load(), open.Add(1)))
			time.Sleep(10 * time.Millisecond)
			open.Add(-1)
			done.Add(1)
			w.Done()
			return nil
		})
		if most.Load() != 4 || refused != 0 {
			t.Errorf("%d open at most, %d refused; want 4 and 0", most.Load(), refused)
		}
		if n := done.Load(); n < 390 || n > 410 {
			t.Errorf("%d done in a second, want 400", n)
		}
	})
}

// Customers who come beside those of the window take nobody's place: as many are open as
// there were.
func TestWindowOwes(t *testing.T) {
	t.Parallel()
	w := NewWindow(2)
	<-w.free
	<-w.free
	w.Owe()
	w.Done() // the other's
	if n := len(w.free); n != 0 {
		t.Errorf("%d may be placed, want none", n)
	}
	w.Done()
	if n := len(w.free); n != 1 {
		t.Errorf("%d may be placed, want one", n)
	}
}

// A shop that answers when it has done the work has nothing open once the last customer
// has his answer. The backlog was at the door all the same.
func TestGrowthIsSeenWhileCustomersCome(t *testing.T) {
	t.Parallel()
	for rate, want := range map[float64]int{500: 0, 1000: 0, 2000: 500} {
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			var ended atomic.Int64
			shop := func(ctx context.Context, due time.Time) error { // does 1000 a second
				n := float64(due.Sub(start)) / float64(time.Second) * rate
				time.Sleep(time.Until(start.Add(time.Duration(n * float64(time.Millisecond)))))
				ended.Add(1)
				return nil
			}
			growing := make(chan int, 1)
			go func() {
				growing <- growth(t.Context(), rate, time.Second,
					func() int { return int(ended.Load()) })
			}()
			a := Fire(t.Context(), rate, time.Second, shop)
			if open := a.Sent - int(ended.Load()); open != 0 {
				t.Errorf("at %v a second %d are open after the last answer", rate, open)
			}
			if got := <-growing; got < want-5 || got > want+5 {
				t.Errorf("at %v a second the backlog grew by %d, want %d", rate, got, want)
			}
		})
	}
}

func TestBisect(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ limit, guess, within float64 }{
		{1000, 900, 20}, {1000, 100, 150}, {1000, 5000, 100},
	} {
		rate, probes, err := bisect(c.guess, 8, func(rate float64) (Probe, error) {
			return Probe{Rate: rate, Held: rate <= c.limit}, nil
		})
		if err != nil || rate > c.limit || rate < c.limit-c.within || len(probes) != 8 {
			t.Errorf("from %v: found %v after %d probes, %v", c.guess, rate, len(probes), err)
		}
	}
	broken := errors.New("broken")
	if _, _, err := bisect(1, 3, func(float64) (Probe, error) {
		return Probe{}, broken
	}); !errors.Is(err, broken) {
		t.Errorf("the error is lost: %v", err)
	}
}

func TestFigure(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		runs       []float64
		negligible float64
		want       string
	}{
		{nil, 0, "–"},
		{[]float64{1849.6}, 0, "1,850"},
		{[]float64{1800, 1900}, 0, "1,850 (1,800 to 1,900)"},
		{[]float64{1, 2, 3}, 0, "~2.0 (1.0 to 3.0)"},
		{[]float64{1, 2, 3}, 5, "2.0 (1.0 to 3.0)"},
		{[]float64{0, 0}, 0, "0"},
		{[]float64{0.034, 0.034}, 0, "0.03"},
		{[]float64{52_310}, 0, "52,300"},
		{[]float64{999.6}, 0, "1,000"},
		{[]float64{1_000_000}, 0, "1,000,000"},
	} {
		if got := figure(c.runs, c.negligible).Spread(); got != c.want {
			t.Errorf("%v: %q, want %q", c.runs, got, c.want)
		}
	}
}

// aHistory has a fault after one second: of the four customers after it one is
// refused, and the order of another is never processed.
func aHistory() history.Run {
	start := time.Unix(1000, 0)
	at := func(ms int) time.Time { return start.Add(time.Duration(ms) * time.Millisecond) }
	h := history.Run{
		Started: start,
		Marks:   []history.Mark{{Time: at(1000), Act: "kill consumer-1", Fault: true}},
		Lives: []history.Life{
			{Process: "producer", From: at(0), To: at(3000)},
			{Process: "consumer-1", From: at(0), To: at(1000)},
		},
		Refused: []time.Time{at(1500)},
	}
	for i, ms := range []int{500, 1100, 1200, 1300} {
		id := string(rune('a' + i))
		took := 10 * time.Millisecond
		h.Answers = append(h.Answers, history.Answer{
			Time: at(ms).Add(took), Took: took, Accepted: true, Order: id,
		})
		h.Events = append(h.Events,
			ledger.Event{Time: at(ms), Kind: ledger.Accepted, Order: id, Process: "producer"},
			ledger.Event{Time: at(ms), Kind: ledger.Accepted, Order: id, Process: "customer"})
		if id != "c" {
			h.Events = append(h.Events, ledger.Event{
				Time: at(ms + 20), Kind: ledger.Processed, Order: id, Process: "consumer-1",
			})
		}
	}
	h.Answers = append(h.Answers, history.Answer{Time: at(1500)})
	return h
}

func TestShares(t *testing.T) {
	t.Parallel()
	answered, processed := shares(aHistory(), time.Second)
	if answered != 75 || processed != 50 {
		t.Errorf("answered %v %%, processed %v %%; want 75 and 50", answered, processed)
	}
}

// An effect that was reported twice is one in the picture of a strip as well, and one that
// a shop's line comes after is no ghost.
func TestStripKeepsTheVerdicts(t *testing.T) {
	t.Parallel()
	h := aHistory()
	at := h.Started.Add(2 * time.Second)
	report := ledger.Event{
		Time: at, Kind: ledger.Processed, Order: "late", Effect: "7", Process: "consumer-1",
	}
	h.Events = append(h.Events, report, report,
		ledger.Event{Time: at, Kind: ledger.Accepted, Order: "late", Process: ledger.Customer})
	got, err := newStrip(h).History()
	if err != nil {
		t.Fatal(err)
	}
	count := func(h history.Run) map[ledger.Verdict]int {
		n := map[ledger.Verdict]int{}
		for _, v := range ledger.Judge(h.Events) {
			n[v]++
		}
		delete(n, ledger.Repeat)
		return n
	}
	if want := count(h); !maps.Equal(count(got), want) {
		t.Errorf("the strip's verdicts are %v, the history's %v", count(got), want)
	}
}

// What is kept of a history is enough to draw it again.
func TestStrip(t *testing.T) {
	t.Parallel()
	h := aHistory()
	got, err := newStrip(h).History()
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(newStrip(got), newStrip(h)) {
		t.Error("the strip of a strip is another one")
	}
	if len(got.Events) != 7 || len(got.Lives) != 2 || len(got.Refused) != 1 {
		t.Errorf("%d events, %d lives, %d refused; the customers' word is said once",
			len(got.Events), len(got.Lives), len(got.Refused))
	}
	for _, bad := range []string{"1,2,3", "1,2,3,x", "1,99,0,1"} {
		if _, err := (&Strip{Events: bad}).History(); err == nil {
			t.Errorf("%q was read as an event", bad)
		}
	}
}

func TestPutReplaces(t *testing.T) {
	t.Parallel()
	var r Report
	for _, row := range []Row{
		{Step: "07-b", Variant: "right"}, {Step: "03-a", Variant: "right"},
		{Step: "07-b", Variant: "wrong"}, {Step: "07-b", Variant: "right", Title: "new"},
	} {
		r.Put(row)
	}
	var names []string
	for _, row := range r.Rows {
		names = append(names, row.Name()+row.Title)
	}
	if got := strings.Join(names, ", "); got != "03-a, 07-bnew, 07-b wrong" {
		t.Errorf("rows %s", got)
	}
}

func TestCalibrate(t *testing.T) {
	t.Parallel()
	g, err := Calibrate(t.Context(), 50*time.Millisecond)
	if err != nil || g.Rate.Runs < 2 || g.Answer50 <= 0 {
		t.Errorf("%+v, %v", g, err)
	}
}

// The whole protocol on a step whose wrong variant is known to lose orders.
func TestMeasure(t *testing.T) {
	t.Parallel()
	dir, err := filepath.Abs("../../../lab/internal/bench/testdata/99-toy")
	if err != nil {
		t.Fatal(err)
	}
	step, err := manifest.Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	st, err := stage.Open(t.Context(), "test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := st.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	if err := st.Prepare(t.Context(), step, []string{manifest.Right}, true, false); err != nil {
		t.Fatal(err)
	}
	began := 0
	opt := Options{
		Quick: true, Say: func(l history.Line) { t.Log(l.Process, l.Text) },
		Begin: func(what string, left time.Duration) {
			began++
			if left <= 0 {
				t.Errorf("%s: %v left", what, left)
			}
		},
	}
	row, err := Measure(t.Context(), st, step, manifest.Right, opt)
	if err != nil {
		t.Fatal(err)
	}
	if began < 5 || row.Latency.Answer50.Runs == 0 || row.Sustained.Rate.Value == 0 ||
		len(row.Faults) == 0 || len(row.Halves) == 0 {
		t.Errorf("%d measurements; %+v", began, row)
	}
	report := Report{}
	report.Put(row)
	path := filepath.Join(t.TempDir(), "2026-01-01.json")
	if err := report.Save(path); err != nil {
		t.Fatal(err)
	}
	again, err := Load(path)
	if err != nil || again.Table() != report.Table() {
		t.Errorf("what was saved is not what is loaded: %v\n%s", err, again.Table())
	}
	// Interrupted, it keeps what it has.
	ctx, cancel := context.WithCancel(t.Context())
	opt.Begin = func(what string, _ time.Duration) {
		if strings.Contains(what, "highest") {
			cancel()
		}
	}
	row, err = Measure(ctx, st, step, manifest.Right, opt)
	if !errors.Is(err, context.Canceled) || row.Latency.Answer50.Runs == 0 ||
		len(row.Faults) > 0 {
		t.Errorf("interrupted: %v, %+v", err, row.Latency)
	}
}
