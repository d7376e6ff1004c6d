package figure

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"course.example/lab/internal/history"
	"course.example/lab/internal/ledger"
)

func ms(n int) time.Time { return time.UnixMilli(1_000_000 + int64(n)) }

// events are those of an order each.
func events(kind ledger.Kind, from, to, step int) []ledger.Event {
	var all []ledger.Event
	for at := from; at < to; at += step {
		all = append(all, ledger.Event{Kind: kind, Time: ms(at), Order: fmt.Sprint(at)})
	}
	return all
}

func TestRecovery(t *testing.T) {
	t.Parallel()
	fault := func(at int) history.Mark { return history.Mark{Time: ms(at), Act: "kill", Fault: true} }
	accepted, processed := ledger.Accepted, ledger.Processed
	steady := slices.Concat(events(accepted, 0, 5000, 20), events(processed, 10, 5000, 20))
	cases := []struct {
		name   string
		marks  []history.Mark
		events []ledger.Event
		want   time.Duration
	}{
		{"no fault", nil, steady, 0},
		{"nobody noticed", []history.Mark{fault(1005)}, steady, 20 * time.Millisecond},
		{
			"a silence before the fault is not its doing", []history.Mark{fault(3005)},
			slices.Concat(events(accepted, 0, 1000, 20), events(accepted, 2900, 5000, 20),
				events(processed, 0, 5000, 20)),
			20 * time.Millisecond,
		},
		{
			"nothing was processed for a while", []history.Mark{fault(1000)},
			slices.Concat(events(accepted, 0, 5000, 20), events(processed, 0, 1000, 20),
				events(processed, 2500, 5000, 20)),
			1500 * time.Millisecond,
		},
		{
			"the backlog was worked off while nothing was accepted", []history.Mark{fault(1000)},
			slices.Concat(events(processed, 0, 5000, 20), events(accepted, 0, 1000, 20),
				events(accepted, 3000, 5000, 20)),
			2000 * time.Millisecond,
		},
		{
			"the longer of two outages", []history.Mark{fault(1000), fault(3000)},
			slices.Concat(events(accepted, 0, 5000, 20), events(processed, 0, 1000, 20),
				events(processed, 1300, 3000, 20), events(processed, 3700, 5000, 20)),
			720 * time.Millisecond,
		},
		{
			"never", []history.Mark{fault(1000)},
			slices.Concat(events(accepted, 0, 5000, 20), events(processed, 0, 1000, 20)), -1,
		},
		{
			"processing after the load has ended counts", []history.Mark{fault(1000)},
			slices.Concat(events(accepted, 0, 5000, 20), events(processed, 0, 1000, 20),
				events(processed, 6000, 7000, 20)),
			5000 * time.Millisecond,
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := history.Run{
				Events: c.events,
				Marks:  append(c.marks, history.Mark{Time: ms(5000), Act: history.LoadEnds}),
			}
			got := Recovery(h)
			if diff := (got - c.want).Abs(); diff > 25*time.Millisecond {
				t.Errorf("got %v, want about %v", got, c.want)
			}
		})
	}
}

// again are reports of one effect, which was first reported long ago.
func again(from, to int) []ledger.Event {
	reports := append(events(ledger.Processed, 0, 1, 1), events(ledger.Processed, from, to, 100)...)
	for i := range reports {
		reports[i].Order, reports[i].Effect = "one", "7"
	}
	return reports
}

// The time to recover counts from the first fault, for both what is accepted and what is
// processed, and a shop that is silent at the end has not recovered.
func TestRecoveryIsExact(t *testing.T) {
	t.Parallel()
	accepted, processed := ledger.Accepted, ledger.Processed
	all := func(kind ledger.Kind) []ledger.Event { return events(kind, 0, 10_001, 100) }
	without := func(kind ledger.Kind, from, to int) []ledger.Event {
		return slices.DeleteFunc(all(kind), func(e ledger.Event) bool {
			return e.Time.After(ms(from)) && e.Time.Before(ms(to))
		})
	}
	fault := func(at int) history.Mark { return history.Mark{Time: ms(at), Act: "kill", Fault: true} }
	other := func(at int) history.Mark { return history.Mark{Time: ms(at), Act: "start"} }
	cases := []struct {
		name   string
		marks  []history.Mark
		events []ledger.Event
		want   time.Duration
	}{
		{"no fault", nil, without(accepted, 2000, 9000), 0},
		{
			"an act that breaks nothing is no fault", []history.Mark{other(1000)},
			without(accepted, 2000, 9000), 0,
		},
		{
			"the first outage is the longer one", []history.Mark{fault(1000), fault(6000)},
			slices.Concat(all(accepted), without(processed, 1000, 4000)), 3 * time.Second,
		},
		{
			"nothing was accepted", []history.Mark{fault(1000)},
			slices.Concat(without(accepted, 1000, 3000), all(processed)), 2 * time.Second,
		},
		{
			"nothing was processed", []history.Mark{fault(1000)},
			slices.Concat(all(accepted), without(processed, 1000, 5000)), 4 * time.Second,
		},
		{
			"the silence counts from the fault", []history.Mark{fault(1050)},
			slices.Concat(all(accepted), without(processed, 1050, 2000)), 950 * time.Millisecond,
		},
		{
			"nothing was processed any more", []history.Mark{fault(1000)},
			slices.Concat(all(accepted), without(processed, 1000, 10_001)), -1,
		},
		{
			"nothing was accepted any more", []history.Mark{fault(1000)},
			slices.Concat(without(accepted, 1000, 10_001), all(processed)), -1,
		},
		{
			"silent for a little more than a second at the end", []history.Mark{fault(1000)},
			slices.Concat(all(accepted), without(processed, 8900, 10_001)), -1,
		},
		{
			"silent for just a second at the end", []history.Mark{fault(1000)},
			slices.Concat(all(accepted), without(processed, 9000, 10_001)), 100 * time.Millisecond,
		},
		{
			"to report an old effect again is no sign of life", []history.Mark{fault(1000)},
			slices.Concat(all(accepted), without(processed, 1000, 10_001),
				again(1000, 10_001)), -1,
		},
		{
			"nobody came any more after the end", []history.Mark{fault(1000)},
			slices.Concat(all(accepted), all(processed), events(processed, 10_050, 10_051, 1),
				events(processed, 14_000, 14_001, 1)), 100 * time.Millisecond,
		},
		{
			"who was received was not served", []history.Mark{fault(1000)},
			slices.Concat(all(accepted), events(ledger.Received, 0, 10_001, 100)), -1,
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := history.Run{
				// What is read from two pipes comes in any order.
				Events: slices.Collect(func(yield func(ledger.Event) bool) {
					for _, e := range slices.Backward(c.events) {
						if !yield(e) {
							return
						}
					}
				}),
				Marks: append(c.marks, history.Mark{Time: ms(10_000), Act: history.LoadEnds}),
			}
			if got := Recovery(h); got != c.want {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}
