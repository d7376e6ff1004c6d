package saga

import (
	"context"
	"slices"
	"testing"
	"time"
)

// way is how a saga comes to a transition: which service refuses, and the messages
// and deadlines in the order in which they come. The last leads along it.
type way struct {
	refuses string
	kinds   []Kind
}

// come lets the model meet the latest message of a kind, a deadline or the operator.
func (m *model) come(kind Kind) (msg Message) {
	order := m.sent[0].Order
	switch kind {
	case Timeout:
		msg = Message{Kind: Timeout, Order: order, Version: m.saga.Version}
		m.timeout()
	case Resume:
		msg = Message{ID: order.ID + "/resume", Kind: Resume, Order: order}
		m.deliver(msg)
	default:
		for _, sent := range slices.Backward(m.sent) {
			if sent.Kind == kind {
				m.deliver(sent)
				return sent
			}
		}
	}
	return msg
}

// waysTo finds a shortest way to every transition: it walks through the model
// breadth first, with a single attempt for each command. To send a command again is
// then the deadline of a state, under a rule of two attempts.
func waysTo(t *testing.T) map[string]way {
	t.Helper()
	const longest = 8 // to Parked, and back to RecallingShipment
	ways := map[string]way{}
	found := func(from, to State, w way) {
		name := transition{from: from, to: to}.String()
		if _, known := ways[name]; !known {
			ways[name] = w
		}
	}
	type place struct {
		*model
		way
	}
	for _, refuses := range []string{"", "payment", "inventory", "shipping"} {
		first := place{newModel(refuses, Rules{1, orderSaga}), way{refuses: refuses}}
		seen := map[string]bool{first.key(): true}
		for queue := []place{first}; len(queue) > 0; queue = queue[1:] {
			here := queue[0]
			kinds := []Kind{Timeout, Resume}
			for _, m := range here.sent {
				kinds = append(kinds, m.Kind)
			}
			for _, kind := range kinds {
				next := place{here.clone(), way{refuses, slices.Concat(here.kinds, []Kind{kind})}}
				next.come(kind)
				if next.saga.Version > here.saga.Version {
					found(here.saga.State, next.saga.State, next.way)
					again := slices.Concat(next.kinds, []Kind{Timeout})
					found(next.saga.State, next.saga.State, way{refuses, again})
				}
				if k := next.key(); !seen[k] && len(next.kinds) < longest {
					seen[k] = true
					queue = append(queue, next)
				}
			}
		}
	}
	return ways
}

// TestKilledAtEveryTransition kills an orchestrator with -9 at both sides of the
// commit of every transition that the machine has. Each kill has a saga of its own,
// which has come to that point through the real code and tables. Before the commit
// nothing must have changed, after it all; and in the end, when everybody is up
// again, all sagas have ended and the books balance.
func TestKilledAtEveryTransition(t *testing.T) {
	t.Parallel()
	ways, all := waysTo(t), orderSaga.transitions()
	reached := make(chan string, 2*len(all))
	const lanes = 2
	t.Run("lanes", func(t *testing.T) {
		for lane := range lanes {
			t.Run([]string{"one", "two"}[lane], func(t *testing.T) {
				t.Parallel()
				var mine []transition
				for i := lane; i < len(all); i += lanes {
					mine = append(mine, all[i])
				}
				killedOnTheWay(t, mine, ways, reached)
			})
		}
	})
	if len(reached) != 2*len(all) || len(all) < 26 {
		t.Errorf("killed at %d points of %d transitions", len(reached), len(all))
	}
	t.Logf("killed at both sides of %d transitions", len(all))
}

func killedOnTheWay(
	t *testing.T, transitions []transition, ways map[string]way, reached chan<- string,
) {
	t.Helper()
	w := newWorld(t, "right")
	w.StepTimeout = time.Hour // no deadline passes but those that the test moves
	hands := newHands(w)
	for _, tr := range transitions {
		way, known := ways[tr.String()]
		if !known {
			t.Errorf("no way leads to %s", tr)
			continue
		}
		w.Attempts = 1
		if tr.from == tr.to {
			w.Attempts = 2
		}
		// In this order: what is delivered again after the second death leads its
		// saga along this transition, and the next victim waits at another.
		for _, side := range []string{afterTheCommit, beforeTheCommit} {
			point := tr.String() + "/" + side
			last := hands.lead(way)
			hands.deadline(last, "-1 second")
			victim := w.child("orchestrator", "CRASH_AT="+point)
			if last.Kind != Timeout {
				eventually(t, "the message is sent", func() bool {
					return w.site.bus.publish(t.Context(), []Message{last}) == nil
				})
			}
			killedAtPoint(t, victim, point)
			hands.deadline(last, "1 hour")
			want := tr.from
			if side == afterTheCommit {
				want = tr.to
			}
			if is := hands.state(last.Order.ID); is != want {
				t.Errorf("killed at %s the saga is %s, want %s", point, is, want)
			}
			reached <- point
		}
	}
	w.StepTimeout, w.Attempts = 2*time.Second, 3
	w.start(everybody...)
	if w.settled().Parked > 0 {
		resumed(w)
	}
	if a := w.settled(); a.Orders != 2*len(transitions) || a.Accepted+a.Cancelled != a.Orders {
		t.Errorf("%+v: want %d sagas that have ended", a, 2*len(transitions))
	}
}

// hands do by hand what the programs do: the same code and the same tables, but one
// message at a time, the one that the test wants.
type hands struct {
	*world
	orchestrator *Orchestrator
	services     map[string]*service
}

func newHands(w *world) *hands {
	w.t.Helper()
	h := &hands{world: w, services: map[string]*service{}}
	o, err := newOrchestrator(w.t.Context(), w.Settings)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(o.pool.Close)
	o.rules.Attempts = 1
	h.orchestrator = o
	for _, b := range businesses {
		s, err := newService(w.t.Context(), w.Settings, b)
		if err != nil {
			w.t.Fatal(err)
		}
		w.t.Cleanup(s.pool.Close)
		h.services[b.Name] = s
	}
	return h
}

// lead places an order, leads its saga on its way up to the last message, and
// returns that. The model runs along, and knows what has been sent.
func (h *hands) lead(way way) (last Message) {
	h.t.Helper()
	emails := map[string]string{"": clients[0], "payment": clients[1],
		"inventory": clients[2], "shipping": clients[3]}
	order := newOrder(h.t, emails[way.refuses])
	if err := h.site.Place(h.t.Context(), order); err != nil {
		h.t.Fatal(err)
	}
	m := newModel(way.refuses, Rules{1, orderSaga})
	m.sent[0].ID, m.sent[0].Order = order.ID, order
	for i, kind := range way.kinds {
		msg := m.come(kind)
		if i == len(way.kinds)-1 {
			return msg
		}
		if err := h.take(h.t.Context(), msg); err != nil {
			h.t.Fatal(err)
		}
	}
	return last
}

func (h *hands) take(ctx context.Context, m Message) error {
	for _, s := range h.services {
		if _, mine := s.undoes[m.Kind]; mine {
			return s.commit(ctx, []Message{m})
		}
	}
	return h.orchestrator.commit(ctx, []Message{m})
}

// deadline moves the deadline that m is, if it is one.
func (h *hands) deadline(m Message, from string) {
	h.t.Helper()
	if m.Kind != Timeout {
		return
	}
	if _, err := h.pool.Exec(h.t.Context(), `UPDATE orchestrator.sagas
		SET deadline = clock_timestamp() + $2::text::interval
		WHERE order_id = $1 AND deadline IS NOT NULL`, m.Order.ID, from); err != nil {
		h.t.Fatal(err)
	}
}

// state is Initially where there is no saga yet.
func (h *hands) state(order string) State {
	h.t.Helper()
	state := Initially
	if err := h.pool.QueryRow(h.t.Context(), `SELECT coalesce(
		(SELECT state FROM orchestrator.sagas WHERE order_id = $1), $2)`, order, state).
		Scan(&state); err != nil {
		h.t.Fatal(err)
	}
	return state
}
