// Package payment is the payment service: it charges once for every idempotency key.
package payment

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"course.example/shop"
	"github.com/google/uuid"
	"golang.org/x/sync/semaphore"
)

// Payment charges once for every key, however often and through whichever of its
// replicas it is asked. It is safe for concurrent use.
type Payment struct {
	settings Settings
	book     *Book
	workers  *semaphore.Weighted
	fails    share // of the calls, for -fail
	slow     share // of the answers, for -slow-share

	mu         sync.Mutex
	inProgress map[string]bool // keys
}

// NewPayment returns a payment service that keeps its charges in a book.
func NewPayment(s Settings, book *Book) *Payment {
	return &Payment{
		settings: s, book: book, workers: semaphore.NewWeighted(int64(s.Workers)),
		inProgress: map[string]bool{},
	}
}

// Charge takes the money, or says that it was taken before under the same key. The
// receipt says so of a card that was declined, too.
func (p *Payment) Charge(ctx context.Context, key string, c Charge) (Receipt, error) {
	if err := validate(key, c); err != nil {
		return Receipt{}, err
	}
	shop.Received(ctx, c.OrderID, 1)
	if p.fails.next(p.settings.Fail) {
		return Receipt{}, fmt.Errorf("%w: told to fail with -fail", ErrUnavailable)
	}
	first, entered, err := p.once(ctx, key, c)
	if err != nil {
		return Receipt{}, err
	}
	receipt := Receipt{
		ID: first.ReceiptID, OrderID: first.OrderID, AmountCents: first.AmountCents,
		ChargedAtMs: first.AtMs, Repeated: !entered,
	}
	switch {
	case first.OrderID != c.OrderID || first.UserEmail != c.UserEmail ||
		first.AmountCents != *c.AmountCents:
		return Receipt{}, fmt.Errorf("%w: order %.50q", ErrKeyReused, first.OrderID)
	case first.Declined:
		return receipt, ErrDeclined
	case !entered:
		shop.Skipped(ctx, c.OrderID, "charged before: the first receipt again")
	}
	// Said of a repeat, too: a kill may have come between the charge and these words.
	// It is the same effect, which its identity says.
	shop.Processed(ctx, c.OrderID, slog.String("effect", first.ReceiptID))
	return receipt, p.delay(ctx)
}

// once returns what stands in the book under the key, and enters it if nothing does.
// The entry is the charge: money taken and key remembered are one act, so that no kill
// comes between the two.
func (p *Payment) once(
	ctx context.Context, key string, c Charge,
) (first Entry, entered bool, err error) {
	if !p.take(key) {
		return Entry{}, false, fmt.Errorf("%w: ask again", ErrInProgress)
	}
	defer p.release(key)
	first, found, err := p.book.Find(key)
	if err != nil {
		return Entry{}, false, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	if found {
		return first, false, nil
	}
	// So many at a time. Who stops waiting for his turn is not worked for.
	if err := p.workers.Acquire(ctx, 1); err != nil {
		return Entry{}, false, fmt.Errorf("payment is busy: %w", err)
	}
	defer p.workers.Release(1)
	// The caller may hang up now. What was begun is ended, and a repeat will find it;
	// how long that takes is bounded by the work.
	like := shop.Order{ID: c.OrderID, UserEmail: c.UserEmail}
	err = shop.Work(context.WithoutCancel(ctx), like, p.settings.Work)
	if err != nil && !errors.Is(err, shop.ErrBounced) {
		return Entry{}, false, err
	}
	return p.book.Enter(Entry{
		Key: key, OrderID: c.OrderID, UserEmail: c.UserEmail, AmountCents: *c.AmountCents,
		ReceiptID: uuid.NewString(), Declined: err != nil,
	})
}

// take says whether nobody uses the key now, and takes it.
func (p *Payment) take(key string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.inProgress[key] {
		return false
	}
	p.inProgress[key] = true
	return true
}

func (p *Payment) release(key string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.inProgress, key)
}
