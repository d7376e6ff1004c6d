package bench

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"course.example/lab/internal/ledger"
	"course.example/lab/internal/middle"
)

// middleOf is a middle in which something waits until a time, of which it may forget some.
type middleOf struct {
	until time.Time
	fails time.Time // until then nobody can be asked
}

func (m middleOf) Ask(context.Context) (middle.Waiting, error) {
	if time.Now().Before(m.fails) {
		return middle.Waiting{}, errors.New("the broker is away")
	}
	if time.Now().Before(m.until) {
		return middle.Waiting{N: 1, Where: []string{"1 in the queue"}}, nil
	}
	return middle.Waiting{}, nil
}

// A run is over when nothing waits and nothing happens, and not before; and it is over all the
// same when nothing moves any more. Times are from the start of the drain.
func TestDrain(t *testing.T) {
	t.Parallel()
	const quiet, limit = 500 * time.Millisecond, 10 * time.Second
	type event struct {
		at    time.Duration
		kind  ledger.Kind
		order string
	}
	every := func(gap time.Duration, kind ledger.Kind) (all []event) {
		for at := gap; at <= time.Minute; at += gap {
			all = append(all, event{at, kind, "a"})
		}
		return all
	}
	const processed, received = ledger.Processed, ledger.Received
	cases := []struct {
		name   string
		events []event       // besides the order a, accepted long before
		waits  time.Duration // how long something waits in the middle
		away   time.Duration // how long the middle cannot be asked
		over   time.Duration
		want   ledger.Summary
		gaveUp string
	}{
		{
			"the last order ends late", []event{{2 * time.Second, processed, "a"}},
			2 * time.Second, 0, 2*time.Second + quiet,
			ledger.Summary{Accepted: 1, Processed: 1}, "",
		},
		{
			"given up is an end, too", []event{{time.Second, ledger.Failed, "a"}},
			time.Second, 0, time.Second + quiet, ledger.Summary{Accepted: 1, Failed: 1}, "",
		},
		{
			"nothing waits, and it never ends", nil, 0, 0, quiet,
			ledger.Summary{Accepted: 1, Open: 1}, "",
		},
		{
			"it waits forever", nil, time.Hour, 0, limit,
			ledger.Summary{Accepted: 1, Open: 1}, "1 in the queue",
		},
		{
			"progress of another order gives time", []event{
				{8 * time.Second, processed, "b"}, {16 * time.Second, processed, "a"},
			}, 16 * time.Second, 0, 16*time.Second + quiet,
			ledger.Summary{Accepted: 1, Processed: 1, Ghosts: 1}, "",
		},
		{
			"to come again and again is no progress", every(100*time.Millisecond, received),
			0, 0, limit, ledger.Summary{Accepted: 1, Open: 1, Deliveries: 99, MaxAttempts: 99},
			"never quiet",
		},
		{
			"a second effect is waited for while it waits", []event{
				{time.Second, processed, "a"}, {5 * time.Second, processed, "a"},
			}, 5 * time.Second, 0, 5*time.Second + quiet,
			ledger.Summary{Accepted: 1, Processed: 1, Duplicated: 1}, "",
		},
		{
			"a second effect comes out of the quiet", []event{
				{300 * time.Millisecond, processed, "a"}, {700 * time.Millisecond, processed, "a"},
			}, 0, 0, 700*time.Millisecond + quiet,
			ledger.Summary{Accepted: 1, Processed: 1, Duplicated: 1}, "",
		},
		{
			"effects without end are not waited for", every(100*time.Millisecond, processed),
			0, 0, limit + 100*time.Millisecond,
			ledger.Summary{Accepted: 1, Processed: 1, Duplicated: 99}, "never quiet",
		},
		{
			"who cannot be asked has not said no", []event{{4 * time.Second, processed, "a"}},
			0, 4 * time.Second, 4*time.Second + quiet,
			ledger.Summary{Accepted: 1, Processed: 1}, "",
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := &Bench{record: &record{}, supervisor: &supervisor{}}
				b.record.add(ledger.Event{Kind: ledger.Accepted, Order: "a"})
				// What happened before says nothing of what comes: the fault was mended just now.
				time.Sleep(time.Minute)
				began := time.Now()
				b.middle = middleOf{began.Add(c.waits), began.Add(c.away)}
				for _, e := range c.events {
					time.AfterFunc(e.at, func() {
						b.record.add(ledger.Event{Kind: e.kind, Order: e.order})
					})
				}
				ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
				defer cancel()
				err := b.Drain(ctx, Settle{Quiet: quiet, Limit: limit})
				took, got := time.Since(began), b.record.status()
				const look = quiet/looks + 30*time.Millisecond
				if err != nil || took < c.over-look || took > c.over+look {
					t.Errorf("took %v, want %v; %v", took, c.over, err)
				}
				if c.want.Deliveries+c.want.Duplicated > 90 { // about as many
					got.Deliveries, got.MaxAttempts = c.want.Deliveries, c.want.MaxAttempts
					got.Duplicated = c.want.Duplicated
				}
				if got.Summary != c.want {
					t.Errorf("\n got %+v\nwant %+v", got.Summary, c.want)
				}
				if !strings.Contains(got.Waits, c.gaveUp) || got.Waits != "" && c.gaveUp == "" {
					t.Errorf("waits: %q, want %q", got.Waits, c.gaveUp)
				}
			})
		})
	}
}

func TestDrainIsCutShort(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := &Bench{record: &record{}}
		b.record.add(ledger.Event{Kind: ledger.Accepted, Order: "a"})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		settle := Settle{Quiet: time.Minute, Limit: time.Minute}
		if err := b.Drain(ctx, settle); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("with an order open: %v", err)
		}
	})
}

// Who never answers has not said that nothing waits: whether it is the end is unknown.
func TestDrainWithoutAnAnswer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := &Bench{record: &record{}, middle: middleOf{fails: time.Now().Add(time.Hour)}}
		err := b.Drain(t.Context(), Settle{Quiet: time.Second, Limit: 5 * time.Second})
		if err == nil || !strings.Contains(err.Error(), "the broker is away") {
			t.Errorf("got %v", err)
		}
	})
}

// The verdict is drawn from the history; a run for a person must not grow with every order.
func TestRecordKeepsWhatItIsAskedFor(t *testing.T) {
	t.Parallel()
	var watched []ledger.Event
	e := ledger.Event{Kind: ledger.Accepted, Order: "a"}
	kept := &record{keep: true, watch: func(e ledger.Event, _ ledger.Verdict) {
		watched = append(watched, e)
	}}
	kept.add(e)
	if h := kept.copy(); len(h.Events) != 1 || h.Events[0] != e || len(watched) != 1 {
		t.Errorf("history %+v, watched %+v", h.Events, watched)
	}
	loose := &record{}
	loose.add(e)
	if h := loose.copy(); len(h.Events) != 0 || loose.status().Accepted != 1 {
		t.Errorf("a run of hours keeps %d events, accepted %d", len(h.Events),
			loose.status().Accepted)
	}
}

// Whoever finds the shop closed is refused, and there is a trace of each in the history:
// fifty orders of one request are fifty that were not taken.
func TestClosedShopRefusesEveryOrder(t *testing.T) {
	t.Parallel()
	r := &record{keep: true}
	c := &customers{record: r, doors: func() []string { return nil }}
	for _, n := range []int{50, 1} {
		if _, err := c.Place(t.Context(), n); err == nil {
			t.Errorf("%d orders were taken by nobody", n)
		}
	}
	h := r.copy()
	if s := r.status(); s.Refused != 51 || len(h.Refused) != 51 {
		t.Errorf("refused %d, in the history %d, want 51", s.Refused, len(h.Refused))
	}
	if len(h.Answers) != 1 || h.Answers[0].Accepted {
		t.Errorf("the one customer with one order was told %+v", h.Answers)
	}
}
