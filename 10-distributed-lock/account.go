package lock

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"
	"unicode"

	"course.example/shop"
	"github.com/jackc/pgx/v5/pgxpool"
)

// What the account refuses.
var (
	// ErrStale says that a holder came too late: somebody with a newer token has been
	// here since.
	ErrStale = errors.New("a newer holder has been here")
	// ErrForged says that a holder shows a token that it has not drawn.
	ErrForged = errors.New("this holder has drawn no such token")
	// ErrOutside says that a holder writes and has not entered, or has left again.
	ErrOutside = errors.New("this holder is not inside")
	// ErrUnknown says that the account has no order of that name.
	ErrUnknown = errors.New("the account knows no such order")
	// ErrOther says that there is another order of that name already.
	ErrOther = errors.New("there is another order of this name")
)

// badInput is what a client has sent and nobody can use.
type badInput struct{ problem string }

func (e *badInput) Error() string { return e.problem }

// Account is the resource behind the lock: what customers owe, and what was taken
// from them. It is a service that other programs use, too. It does not know of Redis,
// and without its fence it bills whoever asks: twice, if asked twice.
//
// It keeps its own record: every holder, with token and times. Whether the lock
// kept them apart is read there, not believed of the lock. All is in Postgres, so that
// a kill -9 of this process takes nothing away. Safe for concurrent use.
type Account struct {
	pool    *pgxpool.Pool
	fencing bool
}

// NewAccount returns the account in a database. Without fencing it asks for no tokens.
// Call [Account.Prepare] before it is used.
func NewAccount(pool *pgxpool.Pool, fencing bool) *Account { return &Account{pool, fencing} }

// page is the account's page of one order as one holder sees it, while nobody else can.
type page struct {
	id       string
	owner    string
	drawn    int64 // the highest token given out
	newest   int64 // the highest token of anybody who came
	rejected int64 // visits that the fence has refused
	settled  bool  // billed or given up
	entered  int64 // how many holders have come
	stay     *stay // of this holder, nil before it draws or enters
	say      []func(ctx context.Context, all totals)
}

// stay is one holder's.
type stay struct {
	token   int64
	place   int64 // in the order of entering, from 1; 0 before
	entered time.Time
	left    time.Time
	billed  bool
	overlap bool
}

// later is for what may be said only once it is written down.
func (p *page) later(say func(ctx context.Context, all totals)) { p.say = append(p.say, say) }

// Enter is a holder's first visit: it learns whether there is anything left to do.
// The token is shown with the reading already. Checked on writing alone, it would
// let a late holder write before the next one has, who has read "not billed".
func (a *Account) Enter(
	ctx context.Context, id, owner string, token int64,
) (settled bool, err error) {
	err = a.change(ctx, id, owner, func(p *page) error {
		if err := a.fence(p, token); err != nil {
			return err
		}
		settled = p.settled
		if p.stay == nil {
			p.stay = &stay{}
		}
		if p.stay.place > 0 {
			return nil // asked again, because the answer was lost
		}
		p.entered++
		p.stay.place, p.stay.entered = p.entered, time.Now()
		if settled {
			p.stay.left = p.stay.entered
		}
		return nil
	})
	return settled, err
}

// Bill takes the customer's money and ends the holder's stay. Asked again by the same
// holder, because the answer was lost, it does nothing.
func (a *Account) Bill(ctx context.Context, id, owner string, token int64) error {
	return a.change(ctx, id, owner, func(p *page) error {
		if p.stay != nil && p.stay.billed && p.stay.token == token {
			return nil
		}
		if err := a.settle(p, token); err != nil {
			return err
		}
		p.stay.billed = true
		// The effect happens here, so it is told here. A holder that was killed before
		// it had the answer could not tell it.
		p.later(func(ctx context.Context, _ totals) {
			shop.Processed(ctx, id, slog.Int64("token", token))
		})
		return nil
	})
}

// GiveUp settles an order that cannot be billed, and says why.
func (a *Account) GiveUp(
	ctx context.Context, id, owner string, token int64, why string,
) error {
	return a.change(ctx, id, owner, func(p *page) error {
		if err := a.settle(p, token); err != nil {
			return err
		}
		p.later(func(ctx context.Context, _ totals) {
			shop.Failed(ctx, id, why, slog.Int64("token", token))
		})
		return nil
	})
}

func (a *Account) settle(p *page, token int64) error {
	if p.stay == nil || p.stay.place == 0 || !p.stay.left.IsZero() {
		return fmt.Errorf("order %s, owner %s: %w", p.id, p.owner, ErrOutside)
	}
	p.leave() // also who is refused was here until now
	if err := a.fence(p, token); err != nil {
		return err
	}
	p.settled = true
	return nil
}

// Leave ends the stay of a holder that has written nothing.
func (a *Account) Leave(ctx context.Context, id, owner string) error {
	return a.change(ctx, id, owner, func(p *page) error {
		if p.stay != nil && p.stay.place > 0 && p.stay.left.IsZero() {
			p.leave()
		}
		return nil
	})
}

// leave ends a stay and looks back on it: did another holder enter meanwhile? One
// who never comes back, because he was killed, overlaps with nobody.
func (p *page) leave() {
	p.stay.left = time.Now()
	if p.stay.place == p.entered {
		return
	}
	p.stay.overlap = true
	p.later(func(ctx context.Context, all totals) {
		slog.WarnContext(ctx, "two holders at once", "order", p.id, "token", p.stay.token,
			"newest", p.newest, "overlaps", all.overlaps)
	})
}

// checkOrder wants an order such as the shop takes, with an identity that is a UUID. It
// returns the identity in its one spelling.
func checkOrder(order shop.Order) (string, error) {
	id, err := shop.ParseID(order.ID)
	if err != nil {
		return "", &badInput{err.Error()}
	}
	if err := order.Validate(); err != nil {
		return "", &badInput{err.Error()}
	}
	return id.String(), nil
}

const maxOwner = 100

func checkOwner(owner string) error {
	if owner == "" || len(owner) > maxOwner || strings.ContainsFunc(owner, unicode.IsControl) ||
		strings.ToValidUTF8(owner, "") != owner {
		return &badInput{fmt.Sprintf("owner: want 1 to %d printable bytes, have %d",
			maxOwner, len(owner))}
	}
	return nil
}
