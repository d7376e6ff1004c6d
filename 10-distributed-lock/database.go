package lock

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"time"

	"course.example/shop"
	"github.com/cenkalti/backoff/v5"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

//go:embed schema.sql
var schema string

// databaseTimeout bounds a conversation with the database: less than clients of the
// account wait, so that they are told.
const databaseTimeout = 2 * time.Second

// errDatabase says that the database cannot be asked now.
var errDatabase = errors.New("the account's database does not answer")

// OpenDatabase returns connections to the account's database. It dials nothing yet.
func OpenDatabase(ctx context.Context, s Settings) (*pgxpool.Pool, error) {
	config, err := pgxpool.ParseConfig(s.Database)
	if err != nil {
		return nil, usagef("DATABASE_URL is not an address of a database; " +
			"want postgres://user:password@host:port/database")
	}
	config.MaxConns = 8
	config.ConnConfig.ConnectTimeout = databaseTimeout
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("open connections to the database: %w", err)
	}
	return pool, nil
}

// Prepare makes the tables. It waits for a database that is away, until ctx ends, and
// gives up where waiting does not help: a wrong password, no rights.
func (a *Account) Prepare(ctx context.Context) error {
	pauses := backoff.NewExponentialBackOff()
	pauses.InitialInterval, pauses.MaxInterval = 50*time.Millisecond, time.Second
	_, err := backoff.Retry(ctx, func() (struct{}, error) {
		err := a.makeTables(ctx)
		if refused := new(pgconn.PgError); errors.As(err, &refused) && refused.Code[:2] != "57" &&
			refused.Code[:2] != "53" { // starting or ending, and too many connections
			return struct{}{}, backoff.Permanent(explain(err))
		}
		return struct{}{}, explain(err)
	}, backoff.WithBackOff(pauses), backoff.WithMaxElapsedTime(0),
		backoff.WithNotify(func(err error, next time.Duration) {
			slog.WarnContext(ctx, "cannot make the tables yet: trying again", "reason", err,
				"next_try_in", next.Round(time.Millisecond))
		}))
	if ctx.Err() != nil {
		return nil
	}
	return err
}

func (a *Account) makeTables(ctx context.Context) error {
	ctx, cancel := bounded(ctx)
	defer cancel()
	return pgx.BeginFunc(ctx, a.pool, func(tx pgx.Tx) error {
		// A second account that starts now waits here.
		if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock(10)`); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, schema)
		return err
	})
}

// bounded is the time for one conversation. A client that hangs up does not end it: what
// has begun is finished.
func bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(context.WithoutCancel(ctx), databaseTimeout,
		fmt.Errorf("no answer within %s", databaseTimeout))
}

// inTime carries something out within the time, and says what its error means.
func (a *Account) inTime(ctx context.Context, do func(ctx context.Context) error) error {
	ctx, cancel := bounded(ctx)
	defer cancel()
	return explain(do(ctx))
}

// change reads an order's page, lets nobody else near it, and writes down what became of
// it: all of it or nothing. A refusal by the fence is written down, too.
func (a *Account) change(ctx context.Context, id, owner string, do func(*page) error) error {
	if err := checkOwner(owner); err != nil {
		return err
	}
	number, err := shop.ParseID(id)
	if err != nil {
		return fmt.Errorf("order %.80q: %w", id, ErrUnknown)
	}
	p := &page{id: number.String(), owner: owner}
	var refusal error
	err = a.inTime(ctx, func(ctx context.Context) error {
		return pgx.BeginFunc(ctx, a.pool, func(tx pgx.Tx) error {
			if err := p.read(ctx, tx); err != nil {
				return err
			}
			refusal = do(p)
			if refusal != nil && !errors.Is(refusal, ErrStale) {
				return refusal
			}
			return p.write(ctx, tx)
		})
	})
	if err != nil {
		return err
	}
	if len(p.say) > 0 {
		all, err := a.totals(ctx)
		if err != nil {
			slog.WarnContext(ctx, "cannot count overlaps and rejections", "reason", err)
		}
		for _, say := range p.say {
			say(ctx, all)
		}
	}
	return refusal
}

// read locks the page first, and reads in a second statement: the snapshot of the first
// is from before the wait for the lock.
func (p *page) read(ctx context.Context, tx pgx.Tx) error {
	err := tx.QueryRow(ctx, `SELECT drawn, newest, rejected, settled FROM orders
		WHERE id = $1 FOR UPDATE`, p.id).Scan(&p.drawn, &p.newest, &p.rejected, &p.settled)
	if errors.Is(err, pgx.ErrNoRows) {
		return fmt.Errorf("order %s: %w", p.id, ErrUnknown)
	}
	if err != nil {
		return err
	}
	rows, err := tx.Query(ctx, `SELECT owner, token, place, entered, left_at, billed, overlap
		FROM stays WHERE order_id = $1`, p.id)
	if err != nil {
		return err
	}
	var owner string
	var s stay
	var entered, left *time.Time
	_, err = pgx.ForEachRow(rows,
		[]any{&owner, &s.token, &s.place, &entered, &left, &s.billed, &s.overlap}, func() error {
			p.entered = max(p.entered, s.place)
			if owner == p.owner {
				mine := s
				mine.entered, mine.left = timeOf(entered), timeOf(left)
				p.stay = &mine
			}
			return nil
		})
	return err
}

func (p *page) write(ctx context.Context, tx pgx.Tx) error {
	_, err := tx.Exec(ctx, `UPDATE orders SET drawn = $2, newest = $3, rejected = $4, settled = $5
		WHERE id = $1`, p.id, p.drawn, p.newest, p.rejected, p.settled)
	if err != nil || p.stay == nil {
		return err
	}
	s := p.stay
	_, err = tx.Exec(ctx, `INSERT INTO stays
			(order_id, owner, token, place, entered, left_at, billed, overlap)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
		ON CONFLICT (order_id, owner) DO UPDATE SET place = excluded.place,
			entered = excluded.entered, left_at = excluded.left_at,
			billed = excluded.billed, overlap = excluded.overlap`,
		p.id, p.owner, s.token, s.place, orNull(s.entered), orNull(s.left), s.billed, s.overlap)
	return err
}

func timeOf(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}

func orNull(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// Open writes down what a customer owes. The same order a second time changes nothing;
// another one of the same name is refused.
func (a *Account) Open(ctx context.Context, order shop.Order) error {
	id, err := checkOrder(order)
	if err != nil {
		return err
	}
	order.ID = id
	body, err := json.Marshal(order)
	if err != nil {
		return &badInput{err.Error()}
	}
	return a.inTime(ctx, func(ctx context.Context) error {
		var same bool
		// The update changes nothing; it is there so that the row is returned.
		err := a.pool.QueryRow(ctx, `INSERT INTO orders (id, body) VALUES ($1, $2)
			ON CONFLICT (id) DO UPDATE SET id = excluded.id
			RETURNING body = $2`, id, body).Scan(&same)
		if err == nil && !same {
			err = fmt.Errorf("order %s: %w", id, ErrOther)
		}
		return err
	})
}

// pageSize is how many open orders [Account.Pending] tells at most.
const pageSize = 64

// Pending lists the oldest orders that are not settled.
func (a *Account) Pending(ctx context.Context) (orders []shop.Order, err error) {
	err = a.inTime(ctx, func(ctx context.Context) error {
		rows, err := a.pool.Query(ctx, `SELECT body FROM orders WHERE NOT settled
			ORDER BY number LIMIT $1`, pageSize)
		if err != nil {
			return err
		}
		orders, err = pgx.CollectRows(rows, pgx.RowTo[shop.Order])
		return err
	})
	return orders, err
}

// Entry is one holder's stay, in the account's own time.
type Entry struct {
	Owner   string    `json:"owner"`
	Token   int64     `json:"token"`
	Entered time.Time `json:"entered"`
	Left    time.Time `json:"left,omitzero"` // zero: never heard of again
	Billed  bool      `json:"billed"`
	// Overlap says that another holder had entered before this one was done.
	Overlap bool `json:"overlap"`
}

// Entries returns the record of one order, in the order of entering.
func (a *Account) Entries(ctx context.Context, id string) (entries []Entry, err error) {
	number, err := shop.ParseID(id)
	if err != nil {
		return nil, fmt.Errorf("order %.80q: %w", id, ErrUnknown)
	}
	err = a.inTime(ctx, func(ctx context.Context) error {
		var known bool
		if err := a.pool.QueryRow(ctx, `SELECT EXISTS (SELECT FROM orders WHERE id = $1)`,
			number).Scan(&known); err != nil {
			return err
		}
		if !known {
			return fmt.Errorf("order %s: %w", number, ErrUnknown)
		}
		rows, err := a.pool.Query(ctx, `SELECT owner, token, entered, coalesce(left_at, $2), billed,
			overlap FROM stays WHERE order_id = $1 AND place > 0 ORDER BY place`, number, time.Time{})
		if err != nil {
			return err
		}
		entries, err = pgx.CollectRows(rows, pgx.RowToStructByPos[Entry])
		return err
	})
	return entries, err
}

// Ready returns nil when the database answers and has the tables.
func (a *Account) Ready(ctx context.Context) error {
	_, err := a.totals(ctx)
	return err
}

// totals are what the record says of the lock.
type totals struct{ overlaps, rejected, open int }

func (a *Account) totals(ctx context.Context) (all totals, err error) {
	err = a.inTime(ctx, func(ctx context.Context) error {
		// Each from an index that has nothing else in it: monitors ask often.
		return a.pool.QueryRow(ctx, `SELECT (SELECT count(*) FROM stays WHERE overlap),
			(SELECT coalesce(sum(rejected), 0) FROM orders WHERE rejected > 0),
			(SELECT count(*) FROM orders WHERE NOT settled)`,
		).Scan(&all.overlaps, &all.rejected, &all.open)
	})
	return all, err
}

// Overlaps is how many holders were still inside when another entered, and rejected how
// many visits of stale holders were refused.
func (a *Account) Overlaps(ctx context.Context) (overlaps, rejected int, err error) {
	all, err := a.totals(ctx)
	return all.overlaps, all.rejected, err
}

// Report writes down what the record says of all that was. Silence could also mean that
// nobody has looked.
func (a *Account) Report(ctx context.Context) {
	overlaps, rejected, err := a.Overlaps(ctx)
	if err != nil {
		slog.WarnContext(ctx, "cannot count overlaps and rejections", "reason", err)
		return
	}
	slog.InfoContext(ctx, "the account is closed", "overlaps", overlaps, "rejected", rejected)
}

// explain leaves the account's own refusals as they are. Of the database's errors it
// tells apart what cannot be stored from what may work later, and says what to do.
func explain(err error) error {
	refused, opening, network := new(pgconn.PgError), new(pgconn.ConnectError), new(net.OpError)
	answered := errors.As(err, &refused)
	switch {
	case err == nil:
		return nil
	case answered && refused.Code == "28P01":
		return fmt.Errorf("%w: it refuses this user and password: check DATABASE_URL: %s",
			errDatabase, refused.Message)
	case answered && refused.Code == "42P01":
		return fmt.Errorf("%w: its tables are not there yet", errDatabase)
	case answered && slices.Contains([]string{"22", "23"}, refused.Code[:2]):
		return &badInput{"cannot be stored: " + refused.Message}
	case errors.As(err, &opening) && errors.As(err, &network):
		return fmt.Errorf("%w: nothing listens at %s:%d (DATABASE_URL): %w",
			errDatabase, opening.Config.Host, opening.Config.Port, network.Err)
	case slices.ContainsFunc(refusals, func(own error) bool { return errors.Is(err, own) }):
		return err
	case errors.As(err, new(*badInput)):
		return err
	default:
		return fmt.Errorf("%w: %w", errDatabase, err)
	}
}

var refusals = []error{ErrStale, ErrForged, ErrOutside, ErrUnknown, ErrOther}
