package saga

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	amqp "github.com/rabbitmq/amqp091-go"
)

// Every customer's order ends as it should, with one orchestrator and with two,
// and without any.
func TestOrdersEnd(t *testing.T) {
	t.Parallel()
	for _, variant := range []string{"right", "choreography"} {
		t.Run(variant, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, variant)
			w.start(w.others("")...)
			w.start(w.others("payment")...) // a second one of the rest
			var ids []string
			for range 10 {
				ids = append(ids, w.place(clients...)...)
			}
			a := w.settled()
			if a.Accepted != 10 || a.Cancelled != 30 {
				t.Errorf("%+v: want 10 accepted, 30 cancelled", a)
			}
			for i, want := range []State{Accepted, Cancelled, Cancelled, Cancelled} {
				s, err := w.site.Status(t.Context(), ids[i])
				if err != nil || s.State != want || len(s.History) < 2 {
					t.Errorf("%s: %+v, %v; want %s and a history", clients[i], s, err, want)
				}
				if want == Cancelled && s.Reason == "" {
					t.Errorf("%s: cancelled without a reason", clients[i])
				}
			}
		})
	}
}

// The README says how many messages a good order takes in either architecture.
func TestMessagesOfAGoodOrder(t *testing.T) {
	t.Parallel()
	for variant, want := range map[string]int{"right": 11, "choreography": 4} {
		t.Run(variant, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, variant)
			w.StepTimeout = time.Hour // nothing is said again
			w.start(w.others("")...)
			w.place(clients[0])
			if a := w.settled(); a.Accepted != 1 {
				t.Fatalf("%+v", a)
			}
			n := 0
			eventually(t, "all messages have come", func() bool {
				n = 0
				for _, name := range append(everybody, "website") {
					// The outbox numbers what was ever sent.
					n += w.site.number(t, `SELECT count(*) FROM generate_series(1,
						(SELECT last_value FROM `+name+`.outbox_seq_seq WHERE is_called))`)
				}
				return n >= want
			})
			if n != want {
				t.Errorf("%d messages, want %d", n, want)
			}
		})
	}
}

// Events overtake each other. A customer who has seen the later one must not see
// the earlier one after it: these are monotonic reads.
func TestPagesDoNotGoBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "right")
	id := w.place(clients[0])[0]
	for _, m := range []Move{
		{State: ReservingStock, Version: 2},
		{State: ChargingPayment, Version: 1},
	} {
		m.OrderID = id
		moved := Message{ID: "m", Kind: SagaMoved, Moves: []Move{m}}
		w.site.take(t, moved, moved) // and each of them comes twice, together
		w.site.take(t, moved)
		if s, err := w.site.Status(t.Context(), id); err != nil || s.State != ReservingStock {
			t.Errorf("after the event %+v: %+v, %v", m, s, err)
		}
	}
	s, err := w.site.Status(t.Context(), id)
	if err != nil || len(s.History) != 2 || s.History[0].State != ChargingPayment {
		t.Errorf("history %+v, %v; want both, in their own order", s.History, err)
	}
}

// What is taken while a program drains is published before it ends: it is not left
// for the next life, which may be a long time coming.
func TestDrainPublishesTheLast(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "right")
	p, err := newService(t.Context(), w.Settings, Payment())
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	last := Message{ID: "last", Kind: PaymentCharged, Order: newOrder(t, clients[0])}
	inProgress := func(ctx context.Context) error {
		<-ctx.Done()
		ctx = context.WithoutCancel(ctx)
		// The broker is there for as long as this takes: many times there and back.
		for range 100 {
			if err := p.bus.publish(ctx, []Message{last}); err != nil {
				return fmt.Errorf("while something is in progress: %w", err)
			}
		}
		return p.transact(ctx, func(context.Context, pgx.Tx) (changes, error) {
			return changes{send: []Message{last}}, nil
		})
	}
	ended := make(chan error, 1)
	go func() { ended <- p.run(ctx, inProgress) }()
	connected(t, p.bus)
	stop()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	left := -1
	if err := w.pool.QueryRow(t.Context(), `SELECT count(*) FROM payment.outbox`).
		Scan(&left); err != nil || left != 0 {
		t.Errorf("%d messages are left in the outbox, %v", left, err)
	}
}

// What no program can read, and what no database can keep, is set aside with its
// reason, and the queue goes on.
func TestStrangersMessageIsSetAside(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "right")
	w.start(everybody...)
	connected(t, w.site.bus)
	conn, channel, err := w.site.bus.dial("a stranger")
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := closeBroker(conn); err != nil {
			t.Error(err)
		}
	}()
	unstorable, err := json.Marshal(poisoned(t))
	if err != nil {
		t.Fatal(err)
	}
	digits := `{"id": "a", "order": {"items": [{"quantity": ` + strings.Repeat("9", 130_900) + `}]}}`
	for body, reason := range map[string]string{
		`{"id": "no kind and no order"}`: "needs an id and a kind",
		string(unstorable):               "22021",
		digits:                           "not a message of this shop",
	} {
		if err := channel.PublishWithContext(t.Context(), exchange, string(RefundPayment),
			true, false, amqp.Publishing{
				Body: []byte(body), Headers: amqp.Table{"x-delivery-count": 5000},
			}); err != nil {
			t.Fatal(err)
		}
		eventually(t, "it is set aside: "+reason, func() bool {
			d, ok, err := channel.Get(deadLetters, true)
			if err != nil {
				t.Fatal(err)
			}
			why, _ := d.Headers[HeaderReason].(string)
			if ok && (string(d.Body) != body || !strings.Contains(why, reason) ||
				len(why) > longestReason) {
				t.Errorf("%.100s with the reason %.100s, want %s", d.Body, why, reason)
			}
			return ok
		})
	}
	w.place(clients[0])
	if a := w.settled(); a.Accepted != 1 {
		t.Errorf("%+v", a)
	}
}
