package outbox

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"course.example/shop"
)

// Each of these runs the same scene twice: the wrong variant must fail in just
// the way its comment says, and the right one must not.

func TestWrongNaiveDoesOrdersTwice(t *testing.T) {
	t.Parallel()
	for variant, red := range map[string]bool{"naive": true, "right": false} {
		t.Run(variant, func(t *testing.T) {
			t.Parallel()
			s, pool := onDatabase(t)
			s.Variant, s.Batch = variant, 1
			place(t, s, pool, 2)
			// Two consumers, each with an order in progress at the same time.
			var meeting sync.WaitGroup
			meeting.Add(2)
			for i := range 2 {
				s.Name = fmt.Sprint("consumer-", i)
				var once sync.Once
				start(t, NewConsumer(pool, s, func(context.Context, shop.Order) error {
					once.Do(func() { meeting.Done(); meeting.Wait() })
					return nil
				}).Run)
			}
			drained(t, pool)
			effects := count(t, pool, countEffects)
			if (effects > 2) != red {
				t.Errorf("2 orders were done %d times", effects)
			}
		})
	}
}

// The producer dies between the two writes; here its connection does.
func TestWrongDualWriteLosesTheMessage(t *testing.T) {
	t.Parallel()
	for variant, red := range map[string]bool{"dual-write": true, "right": false} {
		t.Run(variant, func(t *testing.T) {
			t.Parallel()
			s, pool := onDatabase(t)
			s.Variant = variant
			exec(t, pool, `CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS $$
				BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NEW; END $$`)
			exec(t, pool, `CREATE TRIGGER die BEFORE INSERT ON outbox
				FOR EACH ROW EXECUTE FUNCTION die()`)
			err := NewProducer(pool, s).Place(t.Context(), newOrder(t, shop.SampleEmail))
			if err == nil {
				t.Fatal("the order was placed without its message")
			}
			orphans := count(t, pool, `SELECT count(*) FROM orders o WHERE NOT EXISTS (
				SELECT FROM outbox m WHERE m.order_id = o.id)`)
			if (orphans > 0) != red {
				t.Errorf("%d orders are in the books without a message", orphans)
			}
		})
	}
}

func TestWrongMarkBeforeWorkLosesWhatIsInHand(t *testing.T) {
	t.Parallel()
	for variant, red := range map[string]bool{"mark-before-work": true, "right": false} {
		t.Run(variant, func(t *testing.T) {
			t.Parallel()
			s, pool := onDatabase(t)
			s.Variant = variant
			const n = 20
			place(t, s, pool, n)
			// The first consumer loses its connections with a batch in progress.
			inProgress, release := make(chan string, n), make(chan struct{})
			s.Name = "first"
			dying := newPool(t, s)
			first := start(t, NewConsumer(dying, s, func(_ context.Context, o shop.Order) error {
				inProgress <- o.ID
				<-release
				return errors.New("killed")
			}).Run)
			receive(t, "first order", inProgress)
			first.stop()
			exec(t, pool, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
				WHERE application_name = 'first' AND datname = current_database()`)
			close(release)
			first.end(t)

			s.Variant, s.Name = "right", "second"
			start(t, NewConsumer(pool, s, noWork).Run)
			drained(t, pool)
			lost := n - count(t, pool, countEffects)
			if (lost > 0) != red {
				t.Errorf("%d of %d orders were lost", lost, n)
			}
		})
	}
}
