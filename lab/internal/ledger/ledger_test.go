package ledger

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"
)

func account(events ...Event) Summary {
	var l Ledger
	for _, e := range events {
		l.Add(e)
	}
	return l.Summary()
}

func ev(kind Kind, order string) Event { return Event{Kind: kind, Order: order} }

func by(process, order string) Event {
	return Event{Kind: Accepted, Order: order, Process: process}
}

func effect(order, id string) Event { return Event{Kind: Processed, Order: order, Effect: id} }

// Each case is a mistake that a careless checker makes, with the account that
// a careful one gives.
func TestRules(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name   string
		events []Event
		want   Summary
	}{
		{"nothing happened", nil, Summary{}},
		{
			"the good case",
			[]Event{ev(Accepted, "a"), ev(Received, "a"), ev(Processed, "a")},
			Summary{Accepted: 1, Processed: 1, Deliveries: 1, MaxAttempts: 1},
		},
		{
			"accepted and never seen again is open",
			[]Event{ev(Accepted, "a"), ev(Received, "a")},
			Summary{Accepted: 1, Open: 1, Deliveries: 1, MaxAttempts: 1},
		},
		{
			"accepted is one fact, however often it is reported",
			[]Event{ev(Accepted, "a"), ev(Accepted, "a"), ev(Processed, "a")},
			Summary{Accepted: 1, Processed: 1},
		},
		{
			"the shop and its customer speak of the same acceptance",
			[]Event{by("shop", "a"), by("shop", "a"), by(Customer, "a"), ev(Processed, "a")},
			Summary{Accepted: 1, Processed: 1},
		},
		{
			"three customers with one identity: two of them have no order",
			[]Event{
				by("shop", "a"), by(Customer, "a"), by(Customer, "a"), by(Customer, "a"),
				ev(Processed, "a"),
			},
			Summary{Accepted: 1, Processed: 1, Reused: 2},
		},
		{
			"processed three times is two too many",
			[]Event{
				ev(Accepted, "a"), ev(Processed, "a"), ev(Processed, "a"), ev(Processed, "a"),
			},
			Summary{Accepted: 1, Processed: 1, Duplicated: 2},
		},
		{
			"received twice and processed once is no duplicate",
			[]Event{
				ev(Accepted, "a"), ev(Received, "a"), ev(Received, "a"), ev(Processed, "a"),
			},
			Summary{Accepted: 1, Processed: 1, Deliveries: 2, MaxAttempts: 2},
		},
		{
			"processed before accepted: two pipes, no order between them",
			[]Event{ev(Processed, "a"), ev(Received, "a"), ev(Accepted, "a")},
			Summary{Accepted: 1, Processed: 1, Deliveries: 1, MaxAttempts: 1},
		},
		{
			"failed twice is one order given up",
			[]Event{ev(Accepted, "a"), ev(Failed, "a"), ev(Failed, "a")},
			Summary{Accepted: 1, Failed: 1},
		},
		{
			"given up and yet processed is a contradiction, and not lost",
			[]Event{ev(Accepted, "a"), ev(Failed, "a"), ev(Processed, "a")},
			Summary{Accepted: 1, Processed: 1, Contradictions: 1},
		},
		{
			"processed and never accepted is a ghost",
			[]Event{ev(Received, "a"), ev(Processed, "a")},
			Summary{Ghosts: 1, Deliveries: 1, MaxAttempts: 1},
		},
		{
			"given up and never accepted is an order refused, and no ghost",
			[]Event{ev(Received, "a"), ev(Failed, "a")},
			Summary{Deliveries: 1, MaxAttempts: 1},
		},
		{
			"a ghost's second effect is a duplicate all the same",
			[]Event{ev(Processed, "a"), ev(Processed, "a")},
			Summary{Ghosts: 1, Duplicated: 1},
		},
		{
			// The totals agree, two accepted and two processed, and an
			// order is missing: counting is not checking.
			"an order of an earlier run does not stand in for a lost one",
			[]Event{
				ev(Accepted, "a"), ev(Accepted, "b"),
				ev(Processed, "a"), ev(Processed, "of-yesterday"),
			},
			Summary{Accepted: 2, Processed: 1, Open: 1, Ghosts: 1},
		},
		{
			"a duplicate does not stand in for a lost one either",
			[]Event{
				ev(Accepted, "a"), ev(Accepted, "b"), ev(Processed, "a"), ev(Processed, "a"),
			},
			Summary{Accepted: 2, Processed: 1, Open: 1, Duplicated: 1},
		},
		{
			"an effect that is reported twice happened once",
			[]Event{ev(Accepted, "a"), effect("a", "7"), effect("a", "7")},
			Summary{Accepted: 1, Processed: 1},
		},
		{
			"two effects are a duplicate, however often each is reported",
			[]Event{
				ev(Accepted, "a"), effect("a", "7"), effect("a", "8"), effect("a", "7"),
			},
			Summary{Accepted: 1, Processed: 1, Duplicated: 1},
		},
		{
			"an effect without an identity is one of its own",
			[]Event{ev(Accepted, "a"), effect("a", "7"), ev(Processed, "a")},
			Summary{Accepted: 1, Processed: 1, Duplicated: 1},
		},
		{
			"skipped is neither processed nor lost",
			[]Event{
				ev(Accepted, "a"), ev(Processed, "a"), ev(Skipped, "a"),
			},
			Summary{Accepted: 1, Processed: 1, Skipped: 1},
		},
		{
			"skipped alone does not end an order",
			[]Event{ev(Accepted, "a"), ev(Skipped, "a")},
			Summary{Accepted: 1, Open: 1, Skipped: 1},
		},
		{
			"an event of an unknown kind changes nothing",
			[]Event{ev(Accepted, "a"), ev("danced", "a")},
			Summary{Accepted: 1, Open: 1},
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := account(c.events...); got != c.want {
				t.Errorf("\n got %+v\nwant %+v", got, c.want)
			}
		})
	}
}

func history(t *rapid.T) []Event {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Event {
		return Event{
			Kind:   rapid.SampledFrom(Kinds()).Draw(t, "kind"),
			Order:  fmt.Sprint(rapid.IntRange(0, 5).Draw(t, "order")),
			Effect: rapid.SampledFrom([]string{"", "7", "8"}).Draw(t, "effect"),

			Process: rapid.SampledFrom([]string{"", "shop", Customer}).Draw(t, "process"),
		}
	}), 0, 60).Draw(t, "history")
}

// A ledger that counts as it goes must say what counting the whole history
// at the end says.
func TestIncrementalEqualsBatch(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		events := history(t)
		if got, want := account(events...), recount(events); got != want {
			t.Fatalf("\n got %+v\nwant %+v", got, want)
		}
	})
}

// recount is the definition, written without thought of speed.
func recount(events []Event) Summary {
	count := func(order string, kind Kind) (n int) {
		for _, e := range events {
			if e.Order == order && e.Kind == kind {
				n++
			}
		}
		return n
	}
	seen := map[string]bool{}
	var s Summary
	for _, e := range events {
		if seen[e.Order] {
			continue
		}
		seen[e.Order] = true
		accepted := count(e.Order, Accepted) > 0
		processed, failed := effects(events, e.Order), count(e.Order, Failed)
		received := count(e.Order, Received)
		s.Deliveries += received
		s.MaxAttempts = max(s.MaxAttempts, received)
		s.Skipped += count(e.Order, Skipped)
		s.Duplicated += max(0, processed-1)
		s.Reused += max(0, customers(events, e.Order)-1)
		if processed > 0 && failed > 0 {
			s.Contradictions++
		}
		if !accepted && processed > 0 {
			s.Ghosts++
		}
		if !accepted {
			continue
		}
		s.Accepted++
		switch {
		case processed > 0:
			s.Processed++
		case failed > 0:
			s.Failed++
		default:
			s.Open++
		}
	}
	return s
}

func customers(events []Event, order string) (n int) {
	for _, e := range events {
		if e.Order == order && e.Kind == Accepted && e.Process == Customer {
			n++
		}
	}
	return n
}

func effects(events []Event, order string) int {
	named, unnamed := map[string]bool{}, 0
	for _, e := range events {
		switch {
		case e.Order != order || e.Kind != Processed:
		case e.Effect == "":
			unnamed++
		default:
			named[e.Effect] = true
		}
	}
	return unnamed + len(named)
}

func TestOrderOfArrivalDoesNotMatter(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		events := history(t)
		shuffled := rapid.Permutation(events).Draw(t, "shuffled")
		if a, b := account(events...), account(shuffled...); a != b {
			t.Fatalf("\nin order %+v\nshuffled %+v", a, b)
		}
	})
}

func TestEveryAcceptedOrderHasOneFate(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var l Ledger
		for _, e := range history(t) {
			l.Add(e)
		}
		s := l.Summary()
		if s.Processed+s.Failed+s.Open != s.Accepted {
			t.Fatalf("fates do not add up: %+v", s)
		}
		if open := l.Open(100); len(open) != s.Open {
			t.Fatalf("lists %d open orders, counts %d", len(open), s.Open)
		}
	})
}

func TestParseMessage(t *testing.T) {
	t.Parallel()
	for _, kind := range Kinds() {
		if got, ok := ParseMessage("order " + string(kind)); !ok || got != kind {
			t.Errorf("order %s: got %q, %v", kind, got, ok)
		}
	}
	for _, other := range []string{
		"order not accepted", "order danced", "order ", "order", "accepted", "Order accepted",
		"order accepted ", "",
	} {
		if kind, ok := ParseMessage(other); ok {
			t.Errorf("%q was taken for %q", other, kind)
		}
	}
}

// A line for a log must not hide what ought never to be.
func TestAccountInOneLine(t *testing.T) {
	t.Parallel()
	s := Summary{Accepted: 1, Processed: 2, Failed: 3, Open: 4, Duplicated: 5}
	const usual = "accepted 1, processed 2, failed 3, open 4, duplicated 5"
	if got := s.String(); got != usual {
		t.Errorf("got %q, want %q", got, usual)
	}
	s.Ghosts, s.Contradictions, s.Reused = 6, 7, 8
	if got := s.String(); got != usual+", ghosts 6, contradictions 7, reused 8" {
		t.Errorf("got %q", got)
	}
}
