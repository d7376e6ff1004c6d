package saga

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"time"

	"course.example/shop"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Account is what the auditor finds when it adds up money and stock over all
// services.
type Account struct {
	Orders, Accepted, Cancelled, Parked, Open int

	Twice      int   // orders with an effect that happened twice
	Incomplete int   // Accepted, and not all three effects are there
	Kept       int   // Cancelled, and an effect is still there
	KeptCents  int64 // the money among it
	Unknown    int   // effects for orders that the shop does not have
	Missing    int64 // pieces, by product: gone from the shelf and in no journal, or the reverse

	Cents, Owed, Held int64 // taken; of it for Accepted orders, and for those that go on
}

// Violations is the number of things that must never be, at no instant.
func (a Account) Violations() int {
	return a.Twice + a.Incomplete + a.Kept + a.Unknown + int(a.Missing)
}

// add adds n times another account.
func (a *Account) add(b Account, n int) {
	a.Orders += n * b.Orders
	a.Accepted += n * b.Accepted
	a.Cancelled += n * b.Cancelled
	a.Parked += n * b.Parked
	a.Open += n * b.Open
	a.Twice += n * b.Twice
	a.Incomplete += n * b.Incomplete
	a.Kept += n * b.Kept
	a.KeptCents += int64(n) * b.KeptCents
	a.Unknown += n * b.Unknown
	a.Cents += int64(n) * b.Cents
	a.Owed += int64(n) * b.Owed
	a.Held += int64(n) * b.Held
}

// auditor adds up what has changed since its last look. It may look into every
// schema, and it does so in one transaction, which sees all of them at one instant.
// Services on servers of their own would have to send it their journals.
//
// It remembers the orders that are not settled, and of the others only the sum.
type auditor struct {
	pool      *pgxpool.Pool
	retention time.Duration
	snapshot  string // what the last look has seen
	total     Account
	unsettled map[string]Account
	booked    map[string]int64 // pieces of each product, by the journal
}

func newAuditor(pool *pgxpool.Pool, retention time.Duration) *auditor {
	return &auditor{pool: pool, retention: retention, snapshot: "1:1:",
		unsettled: map[string]Account{}}
}

var businesses = []Business{Payment(), Inventory(), Shipping()}

// findings are what a look has read.
type findings struct {
	snapshot string
	orders   map[string]*audited
	pieces   map[string]int64 // booked since the last look, by product
	gone     map[string]int64 // from the shelf, by product
}

// audited is an order, and what the services have done for it.
type audited struct {
	order shop.Order
	state State
	known bool // the website has it
	fresh bool // and the last look did not see it
	done  map[string]map[string]int64
	twice bool
}

// look audits what transactions have changed that the last look did not see.
func (a *auditor) look(ctx context.Context) (Account, error) {
	f := findings{orders: map[string]*audited{},
		pieces: map[string]int64{}, gone: map[string]int64{}}
	err := pgx.BeginTxFunc(ctx, a.pool, pgx.TxOptions{
		BeginQuery: "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
	}, func(tx pgx.Tx) error {
		if err := tx.QueryRow(ctx, `SELECT pg_current_snapshot()::text`).
			Scan(&f.snapshot); err != nil {
			return err
		}
		if err := a.readOrders(ctx, tx, f); err != nil {
			return err
		}
		if err := a.readEffects(ctx, tx, f); err != nil {
			return err
		}
		return a.readShelf(ctx, tx, f)
	})
	if err != nil {
		return Account{}, fmt.Errorf("audit: %w", err)
	}
	a.enter(f)
	return a.total, nil
}

// isNew is the condition for a row of a transaction that the last look, $1, did not see.
func isNew(column string) string {
	return column + ` >= pg_snapshot_xmin($1::pg_snapshot)
		AND NOT pg_visible_in_snapshot(` + column + `, $1::pg_snapshot)`
}

// readOrders finds the orders that were moved, and those for which something was
// done. The first look leaves out what is older than the retention: parts of it may
// have been deleted by now.
func (a *auditor) readOrders(ctx context.Context, tx pgx.Tx, f findings) error {
	age := a.retention
	if a.booked != nil {
		age = 100 * 365 * 24 * time.Hour
	}
	changed := `SELECT order_id FROM website.orders
		WHERE ` + isNew("moved_by") + ` AND placed_at > clock_timestamp() - $2::interval`
	for _, business := range businesses {
		changed += fmt.Sprintf(` UNION SELECT j.order_id FROM %[1]s.journal j
			LEFT JOIN %[1]s.decisions d USING (order_id) WHERE %[2]s
			AND (d.placed_at > clock_timestamp() - $2::interval OR d.placed_at IS NULL)`,
			business.Name, isNew("j.made_by"))
	}
	rows, err := tx.Query(ctx, `SELECT c.order_id, o.order_id IS NOT NULL, coalesce(o.state, ''),
			coalesce(o.body, '{}'), o.placed_by IS NOT NULL AND `+isNew("o.placed_by")+`
		FROM (`+changed+`) c LEFT JOIN website.orders o USING (order_id)`,
		a.snapshot, age)
	if err != nil {
		return err
	}
	var id string
	var o audited
	_, err = pgx.ForEachRow(rows, []any{&id, &o.known, &o.state, &o.order, &o.fresh}, func() error {
		found := o
		found.done = map[string]map[string]int64{}
		f.orders[id], o.order = &found, shop.Order{}
		return nil
	})
	return err
}

// readEffects adds up what was done for these orders, ever.
func (a *auditor) readEffects(ctx context.Context, tx pgx.Tx, f findings) error {
	for _, business := range businesses {
		rows, err := tx.Query(ctx, `SELECT order_id, account, sum(amount)::bigint,
				count(*) FILTER (WHERE amount > 0) > 1
			FROM `+business.Name+`.journal WHERE order_id = ANY($1) GROUP BY 1, 2`, sorted(f.orders))
		if err != nil {
			return err
		}
		var id, account string
		var amount int64
		var twice bool
		if _, err := pgx.ForEachRow(rows, []any{&id, &account, &amount, &twice}, func() error {
			o := f.orders[id]
			if o.done[business.Name] == nil {
				o.done[business.Name] = map[string]int64{}
			}
			o.done[business.Name][account] = amount
			o.twice = o.twice || twice
			return nil
		}); err != nil {
			return err
		}
	}
	return nil
}

func (a *auditor) readShelf(ctx context.Context, tx pgx.Tx, f findings) error {
	pieces := `SELECT account, sum(amount)::bigint AS amount FROM inventory.journal
		WHERE ` + isNew("made_by") + ` GROUP BY 1`
	if a.booked == nil { // the first look takes what housekeeping has carried forward
		pieces = `SELECT account, sum(amount)::bigint AS amount FROM (` + pieces + `
			UNION ALL SELECT account, amount FROM inventory.closed) a GROUP BY 1`
	}
	if err := sums(ctx, tx, f.pieces, pieces, a.snapshot); err != nil {
		return err
	}
	return sums(ctx, tx, f.gone, `SELECT sku, opening - quantity FROM inventory.stock`)
}

func sums(ctx context.Context, tx pgx.Tx, to map[string]int64, query string, args ...any) error {
	rows, err := tx.Query(ctx, query, args...)
	if err != nil {
		return err
	}
	var account string
	var amount int64
	_, err = pgx.ForEachRow(rows, []any{&account, &amount}, func() error {
		to[account] = amount
		return nil
	})
	return err
}

// enter takes what a look has found into the account.
func (a *auditor) enter(f findings) {
	a.snapshot = f.snapshot
	for id, o := range f.orders {
		now := o.account()
		was, unsettled := a.unsettled[id]
		if !unsettled && o.known && !o.fresh { // it was settled, and something came after
			was = Account{Orders: now.Orders, Accepted: now.Accepted, Cancelled: now.Cancelled,
				Cents: now.Owed, Owed: now.Owed}
		}
		a.total.add(was, -1)
		a.total.add(now, +1)
		delete(a.unsettled, id)
		if !o.state.Ended() || now.Violations() > 0 {
			a.unsettled[id] = now
		}
	}
	if a.booked == nil {
		a.booked = map[string]int64{}
	}
	for sku, n := range f.pieces {
		a.booked[sku] += n
	}
	a.total.Missing = 0
	for _, sku := range unique(append(sorted(a.booked), sorted(f.gone)...)) {
		missing := f.gone[sku] - a.booked[sku]
		a.total.Missing += max(missing, -missing)
	}
}

// account is what one order adds to the account.
func (o *audited) account() Account {
	complete, none := true, true
	for _, business := range businesses {
		wants := business.Effect(o.order)
		for account, amount := range o.done[business.Name] {
			none = none && amount == 0
			complete = complete && (amount == wants[account] || o.twice)
		}
		complete = complete && len(o.done[business.Name]) >= len(wants)
	}
	a := Account{Cents: o.done["payment"]["cents"]}
	if o.twice {
		a.Twice = 1
	}
	if !o.known {
		a.Unknown = 1
		return a
	}
	a.Orders = 1
	switch o.state {
	case Accepted:
		a.Accepted, a.Owed = 1, o.order.TotalCents()
		if !complete {
			a.Incomplete = 1
		}
	case Cancelled:
		a.Cancelled = 1
		if !none {
			a.Kept, a.KeptCents = 1, a.Cents
		}
	case Parked:
		a.Parked, a.Held = 1, a.Cents
	default:
		a.Open, a.Held = 1, a.Cents
	}
	return a
}

// RunAuditor adds up again and again until ctx ends.
func RunAuditor(ctx context.Context, s Settings) error {
	pool, err := openDatabase(ctx, s, "auditor")
	if err != nil {
		return err
	}
	defer shop.Close("the database", pool.Close)
	shop.Ready(ctx)
	a := newAuditor(pool, s.Retention)
	tick := time.NewTicker(250 * time.Millisecond)
	defer tick.Stop()
	var last Account
	for {
		var now Account
		err := retry(ctx, "audit", permanent, func(ctx context.Context) (err error) {
			now, err = a.look(ctx)
			return err
		})
		if err != nil && ctx.Err() == nil {
			return err
		}
		if err == nil && now != last {
			now.log(ctx, slog.Int64("rows", rows(ctx, pool)))
			last = now
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// rows is about how many rows all tables have: what housekeeping must bound.
func rows(ctx context.Context, pool *pgxpool.Pool) (n int64) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	if err := pool.QueryRow(ctx, `SELECT coalesce(sum(n_live_tup), 0)::bigint
		FROM pg_stat_user_tables`).Scan(&n); err != nil {
		slog.DebugContext(ctx, "rows not counted", "reason", err)
	}
	return n
}

func (a Account) log(ctx context.Context, more ...any) {
	level := slog.LevelInfo
	if a.Violations() > 0 {
		level = slog.LevelError
	}
	slog.Log(ctx, level, "audit", append([]any{"violations", a.Violations(), "orders", a.Orders,
		"accepted", a.Accepted, "cancelled", a.Cancelled, "parked", a.Parked, "open", a.Open,
		"twice", a.Twice, "incomplete", a.Incomplete, "kept", a.Kept,
		"kept_cents", a.KeptCents, "unknown", a.Unknown, "missing", a.Missing}, more...)...)
}

// Books are the account as a program can read it. They are read when the shop is quiet:
// an order that is still under way then is lost.
type Books struct {
	// Accepted orders are those that the website has. Each is processed (Accepted with
	// all effects), failed (Cancelled with none), lost, or a violation. The three are
	// left out once old orders have been deleted: the books do not know those any more.
	Accepted  *int `json:"accepted,omitempty"`
	Processed *int `json:"processed,omitempty"`
	Failed    *int `json:"failed,omitempty"`
	// Lost are open, parked, or Accepted and lack an effect.
	Lost       int   `json:"lost"`
	Open       int   `json:"open"`
	Parked     int   `json:"parked"`
	Duplicated int   `json:"duplicated"`
	Violations int   `json:"violations"`
	Money      Money `json:"money"`
	Stock      Stock `json:"stock"`
}

// Money is in euro cents. The balance is what was taken, less what it was taken for.
type Money struct {
	Taken   int64 `json:"taken"`
	Earned  int64 `json:"earned"` // of Accepted orders
	Held    int64 `json:"held"`   // of orders that are open or parked
	Balance int64 `json:"balance"`
}

// Stock is in pieces. The balance adds up, over all products, what is gone from the
// shelf without an entry in the journal, and the reverse.
type Stock struct {
	Booked  int64 `json:"booked"`
	Balance int64 `json:"balance"`
}

func (a *auditor) books(whole bool) Books {
	t := a.total
	b := Books{
		Lost: t.Open + t.Parked + t.Incomplete, Open: t.Open, Parked: t.Parked,
		Duplicated: t.Twice, Violations: t.Violations(),
		Money: Money{t.Cents, t.Owed, t.Held, t.Cents - t.Owed - t.Held},
		Stock: Stock{Balance: t.Missing},
	}
	if processed, failed := t.Accepted-t.Incomplete, t.Cancelled-t.Kept; whole {
		b.Accepted, b.Processed, b.Failed = &t.Orders, &processed, &failed
	}
	for _, n := range a.booked {
		b.Stock.Booked += n
	}
	return b
}

// Audit adds up once, and writes the [Books] as one line of JSON.
func Audit(ctx context.Context, s Settings, to io.Writer) error {
	pool, err := openDatabase(ctx, s, "auditor")
	if err != nil {
		return err
	}
	defer shop.Close("the database", pool.Close)
	ctx, cancel := context.WithTimeout(ctx, databaseTimeout)
	defer cancel()
	a := newAuditor(pool, s.Retention)
	if _, err := a.look(ctx); err != nil {
		return explain(err)
	}
	var forgotten bool
	if err := pool.QueryRow(ctx, `SELECT EXISTS (SELECT FROM payment.closed)`).
		Scan(&forgotten); err != nil {
		return fmt.Errorf("audit: %w", explain(err))
	}
	if err := json.NewEncoder(to).Encode(a.books(!forgotten)); err != nil {
		return fmt.Errorf("write the books: %w", err)
	}
	return nil
}
