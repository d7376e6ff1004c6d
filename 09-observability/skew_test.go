package observability

import (
	"context"
	"errors"
	"testing"

	"course.example/lab/services/servicestest"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Write skew (Kleppmann, Designing Data-Intensive Applications, figure 7-8). Two doctors are on
// call, and at least one must stay. Each asks whether there is another, sees that there is, and
// goes home.
//
// It belongs here because nothing shows it: both transactions succeed, each trace is whole and
// green, and no line is a warning. What went wrong is between the two. Only the database can
// see it, and at repeatable read (which is snapshot isolation in Postgres) it does not look:
// the rows that they read and those that they wrote are different ones.
func TestWriteSkew(t *testing.T) {
	t.Parallel()
	for level, red := range map[pgx.TxIsoLevel]bool{
		pgx.RepeatableRead: true, pgx.Serializable: false,
	} {
		t.Run(string(level), func(t *testing.T) {
			t.Parallel()
			url := servicestest.Postgres(t)
			alice, bob := doctor(t, url), doctor(t, url)
			_, err := alice.Exec(t.Context(), `CREATE TABLE doctors (name text, on_call bool);
				INSERT INTO doctors VALUES ('alice', true), ('bob', true)`)
			must(t, err)

			options := pgx.TxOptions{IsoLevel: level}
			hers, err := alice.BeginTx(t.Context(), options)
			must(t, err)
			his, err := bob.BeginTx(t.Context(), options)
			must(t, err)
			// Both look before either of them goes.
			if onCall(t, hers) != 2 || onCall(t, his) != 2 {
				t.Fatal("they do not see each other")
			}
			err = errors.Join(goHome(t.Context(), hers, "alice"), goHome(t.Context(), his, "bob"))
			if refused := new(pgconn.PgError); red && err != nil ||
				!red && (!errors.As(err, &refused) || refused.Code != "40001") {
				t.Errorf("the database said %v", err)
			}
			left := 1 // the one who was refused asks again, and sees that nobody else is there
			if red {
				left = 0
			}
			if got := onCall(t, alice); got != left {
				t.Errorf("%d doctors are on call, want %d", got, left)
			}
		})
	}
}

func doctor(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	must(t, err)
	t.Cleanup(func() { check(t, conn.Close(context.WithoutCancel(t.Context()))) })
	return conn
}

func onCall(t *testing.T, db interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}) (n int) {
	t.Helper()
	must(t, db.QueryRow(t.Context(), `SELECT count(*) FROM doctors WHERE on_call`).Scan(&n))
	return n
}

// goHome is refused by a database that sees what the other one has done, here or at the commit.
func goHome(ctx context.Context, tx pgx.Tx, name string) error {
	_, err := tx.Exec(ctx, `UPDATE doctors SET on_call = false WHERE name = $1`, name)
	if err != nil {
		return errors.Join(err, tx.Rollback(ctx))
	}
	return tx.Commit(ctx)
}
