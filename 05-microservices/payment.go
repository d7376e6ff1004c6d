package microservices

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"course.example/shop"
	"github.com/google/uuid"
	"golang.org/x/sync/semaphore"
	"golang.org/x/sync/singleflight"
)

// Payment is the payment service. It charges once for every key, however often and
// through whichever of its replicas it is asked. It is safe for concurrent use.
type Payment struct {
	settings Settings
	book     *Book
	underway singleflight.Group
	workers  *semaphore.Weighted
}

// NewPayment returns a payment service that keeps its charges in a book.
func NewPayment(s Settings, book *Book) *Payment {
	return &Payment{
		settings: s, book: book, workers: semaphore.NewWeighted(int64(s.Workers)),
	}
}

// Charge implements [Charger].
func (p *Payment) Charge(ctx context.Context, key string, c Charge) (Receipt, error) {
	shop.Received(ctx, c.OrderID, 1)
	if err := c.validate(); err != nil {
		return Receipt{}, err
	}
	if rand.Float64() < p.settings.Fail {
		return Receipt{}, fmt.Errorf("%w: told to fail with -fail", ErrUnavailable)
	}
	if key == "" {
		// Nothing to recognise it by: to us this is a charge like no other.
		key = "unkeyed-" + uuid.NewString()
	}
	receipt, err := p.take(ctx, key, c)
	if err != nil {
		return Receipt{}, err
	}
	if receipt.OrderID != c.OrderID || receipt.AmountCents != c.AmountCents {
		return Receipt{}, fmt.Errorf("%w: order %s", ErrKeyReused, receipt.OrderID)
	}
	return receipt, p.dawdle(ctx)
}

// take makes a charge, or waits for the one that is being made under the same key.
// Looked up in the book alone, both would find nothing, and both would work.
func (p *Payment) take(ctx context.Context, key string, c Charge) (Receipt, error) {
	// So many at a time. Who stops waiting for his turn is not worked for.
	if err := p.workers.Acquire(ctx, 1); err != nil {
		return Receipt{}, fmt.Errorf("payment is busy: %w", err)
	}
	defer p.workers.Release(1)
	result, err, _ := p.underway.Do(key, func() (any, error) {
		// The first caller may hang up while others wait. What was begun is
		// ended; how long that takes is bounded by the work.
		return p.once(context.WithoutCancel(ctx), key, c)
	})
	if err != nil {
		return Receipt{}, err
	}
	receipt, ok := result.(Receipt)
	if !ok {
		return Receipt{}, fmt.Errorf("payment: %T is no receipt", result)
	}
	return receipt, nil
}

// once does the work and enters the charge in the book, which is the charge: money
// taken and key remembered are one act, so that no kill comes between the two.
func (p *Payment) once(ctx context.Context, key string, c Charge) (Receipt, error) {
	first, found, err := p.book.Find(key)
	if err != nil {
		return Receipt{}, err
	}
	if found {
		shop.Skipped(ctx, c.OrderID, "charged before: the first receipt again")
		return first, nil
	}
	like := shop.Order{ID: c.OrderID, UserEmail: c.UserEmail}
	if err := shop.Work(ctx, like, p.settings.Work); errors.Is(err, shop.ErrBounced) {
		return Receipt{}, ErrDeclined // nothing was taken: nothing to remember
	} else if err != nil {
		return Receipt{}, err
	}
	receipt, entered, err := p.book.Enter(key, Receipt{
		ID: uuid.NewString(), OrderID: c.OrderID, AmountCents: c.AmountCents,
		ChargedAt: time.Now().UTC().Truncate(time.Millisecond),
	})
	switch {
	case err != nil:
		return Receipt{}, err
	case entered:
		shop.Processed(ctx, c.OrderID)
	default:
		shop.Skipped(ctx, c.OrderID, "another replica was faster: its receipt")
	}
	return receipt, nil
}

// dawdle holds an answer back, if told to: the charge is made, and nobody hears of
// it in time. No caller can tell that from a charge that was never made.
func (p *Payment) dawdle(ctx context.Context) error {
	if p.settings.Slow <= 0 || rand.Float64() >= p.settings.SlowShare {
		return nil
	}
	timer := time.NewTimer(p.settings.Slow)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("the caller did not wait for a slow answer: %w", ctx.Err())
	}
}
