package lock

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"course.example/shop"
)

// ErrStale says that a holder came too late: somebody with a newer token has been
// here since.
var ErrStale = errors.New("a newer holder has been here")

// ErrUnknown says that the account has no order of that name.
var ErrUnknown = errors.New("the account knows no such order")

// Account is the resource behind the lock: what customers owe, and what was taken
// from them. It stands for a database or a bank that other programs use, too. It
// does not know of Redis, and it bills whoever asks: twice, if asked twice.
//
// It keeps its own record: every holder, with token and times. Whether the lock
// kept them apart is read there, not believed of the lock.
//
// It is the one process here that nobody kills: its memory stands for somebody
// else's disk. Safe for concurrent use.
type Account struct {
	mu       sync.Mutex
	sheets   map[string]*sheet
	open     []*sheet
	overlaps int
	rejected int
}

// sheet is the account's page of one order.
type sheet struct {
	order   shop.Order
	drawn   int64 // the highest token given out
	newest  int64 // the highest token of anybody who came
	settled bool  // billed or given up
	entries []*Entry
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

// NewAccount returns an account without orders.
func NewAccount() *Account { return &Account{sheets: map[string]*sheet{}} }

// Open writes down what a customer owes. A second time it changes nothing.
func (a *Account) Open(_ context.Context, order shop.Order) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.sheets[order.ID] == nil {
		s := &sheet{order: order}
		a.sheets[order.ID] = s
		a.open = append(a.open, s)
	}
	return nil
}

// pageSize is how many open orders [Account.Pending] tells at most.
const pageSize = 64

// Pending lists the oldest orders that are not settled.
func (a *Account) Pending(context.Context) ([]shop.Order, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.open = slices.DeleteFunc(a.open, func(s *sheet) bool { return s.settled })
	orders := make([]shop.Order, 0, pageSize)
	for _, s := range a.open[:min(len(a.open), pageSize)] {
		orders = append(orders, s.order)
	}
	return orders, nil
}

// Draw gives out the next fencing token of an order (Burrows calls it a sequencer
// in the Chubby paper, 2006). It must never give out a smaller one than before,
// whatever crashes. A counter in the same five Redis nodes could: it would be lost
// with the very keys whose loss it is to guard against. So it is kept where what it
// guards is kept.
func (a *Account) Draw(_ context.Context, id string) (int64, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	s, ok := a.sheets[id]
	if !ok {
		return 0, fmt.Errorf("draw a token for %s: %w", id, ErrUnknown)
	}
	s.drawn++
	return s.drawn, nil
}

// Enter is a holder's first visit: it learns whether there is anything left to do.
// The token is shown with the reading already. Checked on writing alone, it would
// let a late holder write before the next one has, who has read "not billed".
func (a *Account) Enter(
	ctx context.Context, id, owner string, token int64,
) (settled bool, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	s, err := a.check(ctx, id, token)
	if err != nil {
		return false, err
	}
	e := &Entry{Owner: owner, Token: token, Entered: time.Now()}
	if s.settled {
		e.Left = e.Entered
	}
	s.entries = append(s.entries, e)
	return s.settled, nil
}

// Bill takes the customer's money and ends the holder's stay.
func (a *Account) Bill(ctx context.Context, id, owner string, token int64) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	s, err := a.write(ctx, id, owner, token)
	if err != nil {
		return err
	}
	s.entry(owner).Billed = true
	// The effect happens here, so it is told here. A holder that was killed before
	// it had the answer could not tell it.
	shop.Processed(ctx, id, slog.Int64("token", token))
	return nil
}

// GiveUp settles an order that cannot be billed, and says why.
func (a *Account) GiveUp(
	ctx context.Context, id, owner string, token int64, why string,
) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, err := a.write(ctx, id, owner, token); err != nil {
		return err
	}
	shop.Failed(ctx, id, why, slog.Int64("token", token))
	return nil
}

// Leave ends the stay of a holder that has written nothing.
func (a *Account) Leave(ctx context.Context, id, owner string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if s, ok := a.sheets[id]; ok && s.entry(owner) != nil {
		a.leave(ctx, s, owner)
	}
	return nil
}

// Entries returns the record of one order, in the order of entering.
func (a *Account) Entries(_ context.Context, id string) ([]Entry, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	s, ok := a.sheets[id]
	if !ok {
		return nil, fmt.Errorf("entries of %s: %w", id, ErrUnknown)
	}
	entries := make([]Entry, len(s.entries))
	for i, e := range s.entries {
		entries[i] = *e
	}
	return entries, nil
}

// Overlaps is how many holders were still inside when another entered, and
// Rejected how many visits of stale holders were refused.
func (a *Account) Overlaps() (overlaps, rejected int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.overlaps, a.rejected
}

// Report writes down what the record says of all that was. Silence could also mean that nobody has
// looked.
func (a *Account) Report(ctx context.Context) {
	overlaps, rejected := a.Overlaps()
	slog.InfoContext(ctx, "the account is closed", "overlaps", overlaps, "rejected", rejected)
}

// check is the fence: whoever has shown an older token than somebody before him is
// refused. Who shows none is not checked, as by a resource that knows no tokens.
func (a *Account) check(ctx context.Context, id string, token int64) (*sheet, error) {
	s, ok := a.sheets[id]
	if !ok {
		return nil, fmt.Errorf("order %s: %w", id, ErrUnknown)
	}
	if token > 0 && token < s.newest {
		a.rejected++
		slog.WarnContext(ctx, "stale holder rejected", "order", id, "token", token,
			"newest", s.newest, "rejected", a.rejected)
		return nil, fmt.Errorf("order %s: token %d, the newest is %d: %w",
			id, token, s.newest, ErrStale)
	}
	s.newest = max(s.newest, token)
	return s, nil
}

func (a *Account) write(ctx context.Context, id, owner string, token int64) (*sheet, error) {
	if s, ok := a.sheets[id]; ok {
		if s.entry(owner) == nil {
			return nil, fmt.Errorf("order %s: %q writes and has never entered", id, owner)
		}
		a.leave(ctx, s, owner) // also who is refused was here until now
	}
	s, err := a.check(ctx, id, token)
	if err != nil {
		return nil, err
	}
	s.settled = true
	return s, nil
}

// leave ends a stay and looks back on it: did another holder enter meanwhile? One
// who never comes back, because he was killed, overlaps with nobody.
func (a *Account) leave(ctx context.Context, s *sheet, owner string) {
	e := s.entry(owner)
	if !e.Left.IsZero() {
		return
	}
	e.Left = time.Now()
	last := s.entries[len(s.entries)-1]
	if last == e {
		return
	}
	e.Overlap = true
	a.overlaps++
	slog.WarnContext(ctx, "two holders at once", "order", s.order.ID, "token", e.Token,
		"the_other", last.Token, "overlaps", a.overlaps)
}

// entry is the latest stay of an owner. Owners are random values, one per lease.
func (s *sheet) entry(owner string) *Entry {
	for _, e := range slices.Backward(s.entries) {
		if e.Owner == owner {
			return e
		}
	}
	return nil
}
