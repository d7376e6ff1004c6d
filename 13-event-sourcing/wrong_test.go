package eventsourcing

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// Each of these runs the same scene twice: the wrong variant must fail in just the way its
// comment says, and the right one must not. By-position is in projector_test.go.

func bothWays(t *testing.T, wrong string, scene func(t *testing.T, variant string, red bool)) {
	t.Parallel()
	for variant, red := range map[string]bool{wrong: true, "right": false} {
		t.Run(variant, func(t *testing.T) {
			t.Parallel()
			scene(t, variant, red)
		})
	}
}

func TestWrongClockOrderSkipsTheSlowClock(t *testing.T) {
	bothWays(t, "clock-order", func(t *testing.T, variant string, red bool) {
		s, pool := onDatabase(t)
		s.Variant = variant
		place(t, NewProducer(pool, s), 1)
		stock := NewProjector(pool, s, "stock", nil)
		eventually(t, "the first is projected", func() bool { return round(t, stock) > 0 })
		s.ClockError = -time.Minute
		place(t, NewProducer(pool, s), 1)
		eventually(t, "the second was seen", func() bool {
			return (round(t, stock) > 0) != red
		})
		if n := count(t, pool, `SELECT reserved FROM stock WHERE sku = 'GO-GOPHER'`); (n < 2) != red {
			t.Errorf("%d of 2 orders were counted", n)
		}
	})
}

func TestWrongNotIdempotentCountsTwice(t *testing.T) {
	bothWays(t, "not-idempotent", func(t *testing.T, variant string, red bool) {
		s, pool := onDatabase(t)
		s.Variant = variant
		place(t, NewProducer(pool, s), 3)
		visible(t, pool)
		dying := NewProjector(pool, s, "sales", nil)
		// Dead as soon as its transaction has come to an end.
		ctx, die := context.WithCancel(t.Context())
		finish := dying.finish
		dying.finish = func(_ context.Context, tx pgx.Tx, c checkpoint, to Place) error {
			return finish(ctx, dyingTx{tx, die}, c, to)
		}
		_, _ = dying.round(t.Context())
		for range 2 {
			round(t, NewProjector(pool, s, "sales", nil))
		}
		if n := count(t, pool, `SELECT orders FROM sales`); (n > 3) != red {
			t.Errorf("3 orders were counted as %d", n)
		}
		if a := audit(t, pool); (a.Duplicated == 3 && a.Differences > 0) != red {
			t.Errorf("the audit: %+v", a)
		}
	})
}

// dyingTx is a transaction after whose commit nothing more is done.
type dyingTx struct {
	pgx.Tx
	die context.CancelFunc
}

func (tx dyingTx) Commit(ctx context.Context) error {
	err := tx.Tx.Commit(ctx)
	tx.die()
	return err
}

func TestWrongEventAfterStateHasAnOrderThatNeverHappened(t *testing.T) {
	bothWays(t, "event-after-state", func(t *testing.T, variant string, red bool) {
		s, pool := onDatabase(t)
		s.Variant = variant
		exec(t, pool, `CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS $$
			BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NEW; END $$`)
		exec(t, pool, `CREATE TRIGGER die BEFORE INSERT ON events
			FOR EACH ROW EXECUTE FUNCTION die()`)
		if err := NewProducer(pool, s).Place(t.Context(), newOrder(t, "ada@example.com")); err == nil {
			t.Fatal("it was placed without its event")
		}
		if a := audit(t, pool); (a.Lost == 1 && a.Differences == 1) != red {
			t.Errorf("the audit: %+v", a)
		}
	})
}

func TestWrongEditedHistoryIsFoundByItsHash(t *testing.T) {
	bothWays(t, "edited-history", func(t *testing.T, variant string, red bool) {
		s, pool := onDatabase(t)
		s.Variant = variant
		p := NewProducer(pool, s)
		id := place(t, p, 1)[0]
		stock := NewProjector(pool, s, "stock", nil)
		eventually(t, "it is projected", func() bool { return round(t, stock) > 0 })
		execute(t, p, id, AddItems{oneMug})
		drain := func() bool {
			round(t, stock)
			return count(t, pool, waitingSQL+` WHERE projection = 'stock'`) == 0
		}
		eventually(t, "all is projected", drain)
		if a := audit(t, pool); (a.Edited == 1 && a.Differences > 0) != red {
			t.Errorf("the audit: %+v", a)
		}
	})
}

func TestWrongNoVersionLosesADecision(t *testing.T) {
	bothWays(t, "no-version", func(t *testing.T, variant string, red bool) {
		s, pool := onDatabase(t)
		s.Variant = variant
		id := place(t, NewProducer(pool, s), 1)[0]
		// Both decide about the order as it was placed, and only then append.
		var meeting, group sync.WaitGroup
		meeting.Add(2)
		for _, c := range []Command{AddItems{oneMug}, CancelOrder{"no"}} {
			p := NewProducer(pool, s)
			var once sync.Once
			append := p.append
			p.append = func(ctx context.Context, e *entry) (Place, error) {
				once.Do(func() { meeting.Done(); meeting.Wait() })
				return append(ctx, e)
			}
			group.Go(func() { _, _ = p.Execute(t.Context(), ask(t, id, c)) })
		}
		group.Wait()
		if a := audit(t, pool); (a.Violations > 0) != red {
			t.Errorf("the audit: %+v", a)
		}
	})
}

func TestWrongEmailsOnRebuildAreSentTwice(t *testing.T) {
	bothWays(t, "emails-on-rebuild", func(t *testing.T, variant string, red bool) {
		s, pool := onDatabase(t)
		s.Variant = variant
		place(t, NewProducer(pool, s), 3)
		project(t, pool, s, everyProjection...)
		drained(t, pool)
		_, err := Rebuild(t.Context(), pool, s, "mail", 1)
		if (err == nil) != red {
			t.Errorf("the rebuild says %v", err)
		}
		if n := count(t, pool, `SELECT count(*) FROM letters`); (n == 6) != red {
			t.Errorf("3 orders, %d letters", n)
		}
	})
}

// The auditor is the one whom all experiments believe. It must see what is wrong.
func TestTheAuditSees(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		harm string
		seen func(Audit) bool
	}{
		"an edited event": {`UPDATE events SET body =
			replace(body::text, '1250', '1')::json WHERE version = 1`,
			func(a Audit) bool { return a.Edited > 0 && a.Differences > 0 }},
		"a removed event": {`DELETE FROM events WHERE version = 1`,
			func(a Audit) bool { return a.Edited > 0 && a.Violations > 0 }},
		"a removed last event": {`DELETE FROM events WHERE version = 2`,
			func(a Audit) bool { return a.Differences > 0 }},
		"a changed type":  {`UPDATE events SET schema = 2 WHERE version = 1`, func(a Audit) bool { return a.Edited > 0 }},
		"a customer":      {`UPDATE customer_orders SET customer = 'eve'`, func(a Audit) bool { return a.Differences > 0 }},
		"a missing order": {`DELETE FROM customer_orders`, func(a Audit) bool { return a.Lost > 0 }},
		"a status":        {`UPDATE customer_orders SET status = 'cancelled'`, func(a Audit) bool { return a.Differences > 0 }},
		"a piece":         {`UPDATE stock SET reserved = reserved + 1`, func(a Audit) bool { return a.Differences == 2 }},
		"a sku":           {`INSERT INTO stock VALUES (1, 'X', 0)`, func(a Audit) bool { return a.Differences == 1 }},
		"a cent":          {`UPDATE sales SET cents = cents - 1`, func(a Audit) bool { return a.Differences == 1 }},
		"an order of one day": {`UPDATE sales SET orders = orders + 1`,
			func(a Audit) bool { return a.Duplicated == 1 }},
		"a second letter": {`INSERT INTO letters SELECT message_id || '/2', order_id FROM letters`,
			func(a Audit) bool { return a.Duplicated == 2 }},
		"no letter": {`DELETE FROM letters`, func(a Audit) bool { return a.Lost == 2 }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, pool := onDatabase(t)
			p := NewProducer(pool, s)
			for _, id := range place(t, p, 2) {
				execute(t, p, id, AddItems{oneMug})
			}
			all := project(t, pool, s, everyProjection...)
			drained(t, pool)
			for _, r := range all {
				r.end(t)
			}
			if a := audited(t, pool); a.Processed != 2 || a.Lost > 0 {
				t.Fatalf("before: %+v", a)
			}
			exec(t, pool, c.harm)
			if a := audit(t, pool); !c.seen(a) {
				t.Errorf("the audit: %+v", a)
			}
		})
	}
}
