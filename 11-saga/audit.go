package saga

import (
	"context"
	_ "embed"
	"fmt"
	"log/slog"
	"time"

	"course.example/shop"
	"github.com/jackc/pgx/v5"
)

// Account is what the auditor finds when it adds up money and stock over all
// services. It may look into every schema, and it does so in one statement, which
// sees all of them at one instant. Services on servers of their own would have to
// send it their journals.
type Account struct {
	Orders, Accepted, Cancelled, Parked, Open int

	Twice      int   // orders with an effect that happened twice
	Incomplete int   // Accepted, and not all three effects are there
	Kept       int   // Cancelled, and an effect is still there
	KeptCents  int64 // the money among it
	Unknown    int   // effects for orders that the shop does not have
	Missing    int64 // pieces: what is gone from the shelves and in no journal
}

// Violations is the number of things that must never be, at no instant.
func (a Account) Violations() int {
	return a.Twice + a.Incomplete + a.Kept + a.Unknown + int(max(a.Missing, -a.Missing))
}

//go:embed audit.sql
var auditSQL string

func audit(ctx context.Context, db interface {
	Query(context.Context, string, ...any) (pgx.Rows, error)
}) (Account, error) {
	rows, err := db.Query(ctx, auditSQL, openingStock)
	if err != nil {
		return Account{}, fmt.Errorf("audit: %w", err)
	}
	return pgx.CollectExactlyOneRow(rows, pgx.RowToStructByPos[Account])
}

// RunAuditor adds up again and again until ctx ends, or once, and returns an error
// if anything is wrong then.
func RunAuditor(ctx context.Context, s Settings, once bool) error {
	pool, err := openDatabase(ctx, s, "website")
	if err != nil {
		return err
	}
	defer pool.Close()
	if once {
		a, err := audit(ctx, pool)
		if err != nil {
			return explain(err)
		}
		a.log(ctx)
		if a.Violations() > 0 {
			return fmt.Errorf("the books do not balance: %+v", a)
		}
		return nil
	}
	shop.Ready(ctx)
	tick := time.NewTicker(250 * time.Millisecond)
	defer tick.Stop()
	var last Account
	for {
		var a Account
		err := patiently(ctx, "audit", func(ctx context.Context) (err error) {
			a, err = audit(ctx, pool)
			return err
		})
		if err != nil && ctx.Err() == nil {
			return err
		}
		if err == nil && a != last {
			a.log(ctx)
			last = a
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

func (a Account) log(ctx context.Context) {
	level := slog.LevelInfo
	if a.Violations() > 0 {
		level = slog.LevelError
	}
	slog.Log(ctx, level, "audit", "violations", a.Violations(), "orders", a.Orders,
		"accepted", a.Accepted, "cancelled", a.Cancelled, "parked", a.Parked, "open", a.Open,
		"twice", a.Twice, "incomplete", a.Incomplete, "kept", a.Kept,
		"kept_cents", a.KeptCents, "unknown", a.Unknown, "missing", a.Missing)
}
