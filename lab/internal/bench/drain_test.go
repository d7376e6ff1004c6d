package bench

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"course.example/lab/internal/ledger"
)

// Draining decides what is lost: it must wait for what still comes, and not for ever for what
// does not. Times are from the start of the drain.
func TestDrain(t *testing.T) {
	t.Parallel()
	const settle = 3 * time.Second
	type event struct {
		at    time.Duration
		kind  ledger.Kind
		order string
	}
	every := func(gap, until time.Duration, kind ledger.Kind) (all []event) {
		for at := gap; at <= until; at += gap {
			all = append(all, event{at, kind, "a"})
		}
		return all
	}
	cases := []struct {
		name     string
		events   []event // besides the order a, accepted long before
		from, to time.Duration
		want     ledger.Summary
	}{
		{
			"the last order ends late", []event{{2 * time.Second, ledger.Processed, "a"}},
			2*time.Second + aftermath, 2*time.Second + aftermath + 100*time.Millisecond,
			ledger.Summary{Accepted: 1, Processed: 1},
		},
		{
			"given up is an end, too", []event{{time.Second, ledger.Failed, "a"}},
			time.Second + aftermath, time.Second + aftermath + 100*time.Millisecond,
			ledger.Summary{Accepted: 1, Failed: 1},
		},
		{
			"it never ends", nil, settle, settle + 100*time.Millisecond,
			ledger.Summary{Accepted: 1, Open: 1},
		},
		{
			"progress of another order gives time",
			[]event{
				{2 * time.Second, ledger.Processed, "b"}, {4 * time.Second, ledger.Processed, "a"},
			},
			4*time.Second + aftermath, 4*time.Second + aftermath + 100*time.Millisecond,
			ledger.Summary{Accepted: 1, Processed: 1, Ghosts: 1},
		},
		{
			"to come again and again is no progress",
			every(100*time.Millisecond, time.Minute, ledger.Received),
			settle, settle + 100*time.Millisecond,
			ledger.Summary{Accepted: 1, Open: 1, Deliveries: 30, MaxAttempts: 30},
		},
		{
			"a second effect is heard",
			[]event{
				{time.Second, ledger.Processed, "a"}, {1200 * time.Millisecond, ledger.Processed, "a"},
			},
			1200*time.Millisecond + aftermath, 1300*time.Millisecond + aftermath,
			ledger.Summary{Accepted: 1, Processed: 1, Duplicated: 1},
		},
		{
			"a second effect is heard after a long drain, too",
			[]event{
				{2 * time.Second, ledger.Processed, "b"}, {4 * time.Second, ledger.Processed, "a"},
				{4200 * time.Millisecond, ledger.Processed, "a"},
			},
			4200*time.Millisecond + aftermath, 4300*time.Millisecond + aftermath,
			ledger.Summary{Accepted: 1, Processed: 1, Duplicated: 1, Ghosts: 1},
		},
		{
			"effects without end are not waited for",
			every(100*time.Millisecond, time.Minute, ledger.Processed),
			settle, settle + 200*time.Millisecond,
			ledger.Summary{Accepted: 1, Processed: 1, Duplicated: 29},
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := &Bench{record: &record{}}
				b.record.add(ledger.Event{Kind: ledger.Accepted, Order: "a"})
				// What happened before says nothing of what comes: the fault was mended just now.
				time.Sleep(time.Minute)
				began := time.Now()
				for _, e := range c.events {
					time.AfterFunc(e.at, func() {
						b.record.add(ledger.Event{Kind: e.kind, Order: e.order})
					})
				}
				ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
				defer cancel()
				err := b.Drain(ctx, settle)
				took, got := time.Since(began), b.status().Summary
				if err != nil || took < c.from || took > c.to {
					t.Errorf("took %v, want %v to %v; %v", took, c.from, c.to, err)
				}
				if got.Deliveries > 0 {
					got.Deliveries, got.MaxAttempts = 30, 30 // what comes in the same instant may count
				}
				if c.want.Duplicated > 20 {
					got.Duplicated = c.want.Duplicated
				}
				if got != c.want {
					t.Errorf("\n got %+v\nwant %+v", got, c.want)
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
		if err := b.Drain(ctx, time.Minute); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("with an order open: %v", err)
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
