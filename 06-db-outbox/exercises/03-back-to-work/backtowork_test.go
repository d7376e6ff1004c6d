//go:build exercise

package backtowork

import (
	"context"
	"sync"
	"testing"
	"time"

	outbox "course.example/06-db-outbox"
	"course.example/lab/services/servicestest"
	"github.com/jackc/pgx/v5/pgxpool"
)

func TestMain(m *testing.M) { servicestest.Main(m) }

func TestBackToWork(t *testing.T) {
	cases := []struct {
		name, reason string
		back         int
	}{
		{"all that bounced", "bounced", 3},
		{"a percent sign is a percent sign", "100% full", 2},
		{"an underscore is an underscore", "disk_", 0},
		{"nothing of that kind", "on fire", 0},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			ctx, db := open(t)
			park(t, db, 3, "the e-mail bounced")
			park(t, db, 2, "the disk is 100% full")
			park(t, db, 1, "the disks are 100 or so, and full")
			failing(t, db)
			n, err := BackToWork(ctx, db, c.reason)
			if err != nil || n != c.back {
				t.Fatalf("BackToWork(%q) = %d, %v; want %d", c.reason, n, err, c.back)
			}
			const fresh = `dead_at IS NULL AND error IS NULL AND attempts = 0 AND not_before <= now()`
			if got := count(t, db, fresh); got != c.back {
				t.Errorf("%d messages can be taken at once, as if they were new; want %d", got, c.back)
			}
			if got := count(t, db, `dead_at IS NOT NULL`); got != 6-c.back {
				t.Errorf("%d messages are still parked, want %d", got, 6-c.back)
			}
			if got := count(t, db, `dead_at IS NULL AND attempts = 2 AND not_before > now()`); got != 1 {
				t.Error("a message that was not parked has lost its pause or its attempts")
			}
		})
	}
}

// Each message is counted by one of them only.
func TestColleagues(t *testing.T) {
	ctx, db := open(t)
	const parked, colleagues = 2000, 4
	park(t, db, parked, "the e-mail bounced")
	counted := make([]int, colleagues)
	var group sync.WaitGroup
	for i := range counted {
		group.Go(func() {
			n, err := BackToWork(ctx, db, "bounced")
			if err != nil {
				t.Error(err)
			}
			counted[i] = n
		})
	}
	group.Wait()
	sum := 0
	for _, n := range counted {
		sum += n
	}
	if sum != parked {
		t.Errorf("%d colleagues at once have counted %v, together %d; want %d",
			colleagues, counted, sum, parked)
	}
}

func open(t *testing.T) (context.Context, *pgxpool.Pool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	db, err := pgxpool.New(ctx, servicestest.Postgres(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	if err := outbox.Migrate(ctx, db); err != nil {
		t.Fatal(err)
	}
	return ctx, db
}

func park(t *testing.T, db *pgxpool.Pool, n int, reason string) {
	t.Helper()
	exec(t, db, `
		INSERT INTO outbox (event, version, body, attempts, dead_at, error, not_before)
		SELECT 'order.placed', 1, '{}', 5, now(), $2, now() + interval '1 minute'
		FROM generate_series(1, $1)`, n, reason)
}

// failing is a message that bounces now and then, and is not given up.
func failing(t *testing.T, db *pgxpool.Pool) {
	t.Helper()
	exec(t, db, `
		INSERT INTO outbox (event, version, body, attempts, error, not_before)
		VALUES ('order.placed', 1, '{}', 2, 'the e-mail bounced, the disk is 100% full',
			now() + interval '1 minute')`)
}

func exec(t *testing.T, db *pgxpool.Pool, sql string, args ...any) {
	t.Helper()
	if _, err := db.Exec(t.Context(), sql, args...); err != nil {
		t.Fatal(err)
	}
}

func count(t *testing.T, db *pgxpool.Pool, where string) (n int) {
	t.Helper()
	err := db.QueryRow(t.Context(), `SELECT count(*) FROM outbox WHERE `+where).Scan(&n)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
