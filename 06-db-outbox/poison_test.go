package outbox

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"course.example/shop"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
)

// message writes a message into the outbox past the producer.
func message(t *testing.T, pool *pgxpool.Pool, id, sku string) {
	t.Helper()
	body := fmt.Sprintf(`{"order_id": %q, "user_email": %q, "placed_at":
		"2026-01-01T00:00:00Z", "items": [{"sku": %q, "quantity": 1, "price_cents": 1}]}`,
		id, shop.SampleEmail, sku)
	exec(t, pool, `INSERT INTO outbox (event, version, body) VALUES ($1, $2, $3)`,
		OrderPlacedV1.Name, OrderPlacedV1.Version, body)
}

// Postgres refuses the effect of one message in a batch, at its row or at the commit.
// The others are done, each once, and their work is not done again; the culprit is
// parked with its reason.
func TestOneBadMessageDoesNotHoldUpItsBatch(t *testing.T) {
	t.Parallel()
	for name, refusal := range map[string]string{
		"at its row": `ALTER TABLE stock ADD CONSTRAINT refused CHECK (sku <> 'BAD')`,
		"at the commit": `
			CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
				BEGIN RAISE 'refused'; END $$;
			CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON stock
				DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
				WHEN (NEW.sku = 'BAD') EXECUTE FUNCTION refuse()`,
	} {
		for _, take := range []string{"row-lock", "skip-locked", "optimistic"} {
			t.Run(name+"/"+take, func(t *testing.T) {
				t.Parallel()
				s, pool := onDatabase(t)
				s.Take, s.Window = take, 1
				exec(t, pool, refusal)
				for i := range 10 {
					sku := "GO-GOPHER"
					if i == 4 {
						sku = "BAD"
					}
					message(t, pool, uuid.NewString(), sku)
				}
				var calls atomic.Int64
				w := NewConsumer(pool, s, func(context.Context, shop.Order) error {
					calls.Add(1)
					return nil
				}).newWorker(0, nil)
				ctx, ear := listening(t.Context())
				for range 11 {
					if _, err := w.once(ctx); err != nil {
						t.Fatal(err)
					}
				}
				if done, open := count(t, pool, countEffects), count(t, pool, countOpen); done != 9 ||
					open != 0 {
					t.Errorf("%d effects, %d open, want 9 and none", done, open)
				}
				if n := count(t, pool, countDead+` AND attempts = 1
					AND error LIKE '%refused%'`); n != 1 {
					t.Error("the culprit is not parked with its attempt and its reason")
				}
				if calls.Load() != 10 || len(ear.lines()) != 9 || len(ear.failed) != 1 {
					t.Errorf("%d calls, said %d processed and %d failed, want 10, 9 and 1",
						calls.Load(), len(ear.lines()), len(ear.failed))
				}
			})
		}
	}
}

// Between the batch that is refused and its messages one by one, another consumer takes
// them. They are his.
func TestWhatAnotherHasTakenIsHis(t *testing.T) {
	t.Parallel()
	s, pool := onDatabase(t)
	place(t, s, pool, 2)
	w := NewConsumer(pool, s, noWork).newWorker(0, nil)
	messages, err := w.take(t.Context(), pool, selectOpen, 2)
	if err != nil {
		t.Fatal(err)
	}
	s.Name = "another"
	once(t, NewConsumer(pool, s, noWork).newWorker(0, nil), 2)
	ctx, ear := listening(t.Context())
	outcomes := w.work(t.Context(), messages)
	outcomes[1].err, outcomes[1].dead = errors.New("not here"), true
	if err := w.oneByOne(ctx, outcomes); err != nil {
		t.Fatal(err)
	}
	if len(ear.lines())+len(ear.failed) != 0 {
		t.Errorf("said of another's orders: %q, failed %q", ear.lines(), ear.failed)
	}
	truth(t, pool, 2)
}

// An identity is a number, however it is written. Postgres takes fewer spellings than
// a program may, and gives back only one.
func TestAnIdentityInAnySpelling(t *testing.T) {
	t.Parallel()
	const id = "0198c0de-aaaa-7bbb-8ccc-0123456789ab"
	for name, c := range map[string]struct {
		spelled string
		good    bool
	}{
		"as we write it":    {id, true},
		"upper case":        {strings.ToUpper(id), true},
		"braces":            {"{" + id + "}", true},
		"no dashes":         {strings.ReplaceAll(id, "-", ""), true},
		"a URN":             {"urn:uuid:" + id, true},
		"an upper-case URN": {"URN:UUID:" + strings.ToUpper(id), true},
		"other braces":      {"(" + id + ")", false},
		"too long":          {id + "0", false},
		"no hexadecimal":    {strings.Replace(id, "a", "g", 1), false},
		"nothing":           {"", false},
		"very long":         {strings.Repeat(id, 4000), false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, pool := onDatabase(t)
			message(t, pool, c.spelled, "GO-GOPHER")
			message(t, pool, c.spelled, "GO-GOPHER")
			good := place(t, s, pool, 3)
			ctx, ear := listening(t.Context())
			w := NewConsumer(pool, s, noWork).newWorker(0, nil)
			if n, err := w.once(ctx); n != 5 || err != nil {
				t.Fatalf("took %d messages, error %v", n, err)
			}
			effects, parked := len(good), 2
			if c.good {
				effects, parked = len(good)+1, 0
			}
			if n := count(t, pool, countEffects); n != effects {
				t.Errorf("%d effects, want %d", n, effects)
			}
			if n := count(t, pool, countDead+` AND length(error) < 1100`); n != parked {
				t.Errorf("%d parked with a short reason, want %d", n, parked)
			}
			done := slices.Sorted(slices.Values(queryTexts(t, pool, inboxLines)))
			if said := ear.lines(); !slices.Equal(said, done) || len(said) != effects {
				t.Errorf("said %q, in the inbox is %q", said, done)
			}
		})
	}
}

// An order that takes longer to fail than its pause is left alone for it all the same,
// and an effect has the time at which it happened, not at which it was begun.
func TestTimesAreThoseOfTheClock(t *testing.T) {
	t.Parallel()
	s, pool := onDatabase(t)
	for _, email := range []string{shop.SampleEmail, "nobody@" + shop.BounceDomain} {
		if err := NewProducer(pool, s).Place(t.Context(), newOrder(t, email)); err != nil {
			t.Fatal(err)
		}
	}
	exec(t, pool, `CREATE TABLE worked (at timestamptz)`)
	once(t, NewConsumer(pool, s, func(ctx context.Context, o shop.Order) error {
		// Work that takes twice the first pause, by the clock of the database.
		_, err := pool.Exec(ctx, `INSERT INTO worked
			SELECT clock_timestamp() FROM pg_sleep($1)`, 2*firstPause.Seconds())
		return errors.Join(err, shop.Work(ctx, o, 0))
	}).newWorker(0, nil), 2)
	if n := count(t, pool, `SELECT count(*) FROM outbox, (SELECT max(at) FROM worked) w (ended)
		WHERE not_before >= ended + make_interval(secs => $1)`, firstPause.Seconds()); n != 1 {
		t.Error("the pause of the failure does not begin after its work")
	}
	if n := count(t, pool, `SELECT count(*) FROM inbox, (SELECT max(at) FROM worked) w (ended)
		WHERE processed_at >= ended`); n != 1 {
		t.Error("the effect has a time before the end of its work")
	}
	exec(t, pool, `UPDATE outbox SET attempts = $1, not_before = now()`, s.Attempts-1)
	once(t, NewConsumer(pool, s, func(ctx context.Context, o shop.Order) error {
		_, err := pool.Exec(ctx, `INSERT INTO worked SELECT clock_timestamp() FROM pg_sleep(0.01)`)
		return errors.Join(err, shop.Work(ctx, o, 0))
	}).newWorker(0, nil), 1)
	if n := count(t, pool, `SELECT count(*) FROM outbox, (SELECT max(at) FROM worked) w (ended)
		WHERE dead_at >= ended`); n != 1 {
		t.Error("what was given up has a time before the end of its work")
	}
}

// The search begins near the last batch. What lies far behind it, because it was
// committed late or is free again, is found all the same: when a look finds nothing, and
// after a while even if new orders never end.
func TestTheSearchLooksBack(t *testing.T) {
	t.Parallel()
	for name, endless := range map[string]bool{"a quiet moment": false, "a stream": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, pool := onDatabase(t)
			s.Batch = 1
			exec(t, pool, fmt.Sprintf(`ALTER TABLE outbox ALTER COLUMN id RESTART WITH %d`,
				3*searchBack))
			placed := len(place(t, s, pool, 3))
			w := NewConsumer(pool, s, noWork).newWorker(0, nil)
			once(t, w, 1)
			late := newOrder(t, shop.SampleEmail)
			exec(t, pool, `INSERT INTO orders SELECT $1, '', '[]', 0, now()`, late.ID)
			exec(t, pool, `INSERT INTO outbox (id, event, version, body)
				OVERRIDING SYSTEM VALUE VALUES (1, $1, $2, $3)`,
				OrderPlacedV1.Name, OrderPlacedV1.Version, late)
			// Two orders, a look that finds nothing, and the late one; or the time it takes.
			deadline := time.Now().Add(20 * searchAll)
			for round := 0; round < 4 || endless && time.Now().Before(deadline); round++ {
				if endless && count(t, pool, `SELECT count(*) FROM outbox WHERE id = 1`) == 0 {
					break
				}
				if endless {
					placed += len(place(t, s, pool, 1))
				}
				if _, err := w.once(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			if n := count(t, pool, `SELECT count(*) FROM outbox WHERE id = 1`); n != 0 {
				t.Errorf("the late order still waits, behind %d others", placed)
			}
		})
	}
}

// An old snapshot is named with whom it belongs to.
func TestWhoHoldsTheOldestSnapshot(t *testing.T) {
	t.Parallel()
	s, pool := onDatabase(t)
	backup := s
	backup.Name = "backup " + t.Name()
	tx, err := newPool(t, backup).Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(context.Background()) }()
	_, err = tx.Exec(t.Context(), `SET TRANSACTION ISOLATION LEVEL REPEATABLE READ`)
	if err == nil {
		_, err = tx.Exec(t.Context(), `SELECT FROM orders`)
	}
	if err != nil {
		t.Fatal(err)
	}
	c := NewConsumer(pool, s, noWork)
	place(t, s, pool, 20)
	// Other tests use this server, too: one of theirs may have held an older snapshot until now.
	eventually(t, "the backup is named, and the age of its snapshot", func() bool {
		holder, age, err := c.oldestSnapshot(t.Context())
		return err == nil && strings.Contains(holder, backup.Name) && age >= 20
	})
}
