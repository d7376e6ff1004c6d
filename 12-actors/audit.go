package actors

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"course.example/shop"
	"github.com/asynkron/protoactor-go/cluster"
)

// audit compares what customers were told with what stands in the books. The
// ledger of the lab cannot: it hears that an order was processed, and has to
// believe it. Its methods are safe for concurrent use.
type audit struct {
	count func(ctx context.Context, sku string) (int64, error)

	mu    sync.Mutex
	books map[string]*book // by SKU
	found verdict          // at the last check
}

// book counts pieces of one product, all since this process was started.
type book struct {
	before   int64 // sold when this process saw the product first
	promised int64 // in orders that were accepted
	tried    int64 // in orders that were begun, whatever came of them
}

// verdict is what an audit has found.
type verdict struct {
	Promised int64 // pieces in accepted orders
	Missing  int64 // of them, those that are not in the books
	Surplus  int64 // pieces in the books that nobody has ordered
}

func newAudit(count func(context.Context, string) (int64, error)) *audit {
	return &audit{count: count, books: map[string]*book{}}
}

// begin notes that an order is about to be placed.
func (a *audit) begin(ctx context.Context, order shop.Order) error {
	for _, item := range order.Items {
		if err := a.open(ctx, item.SKU); err != nil {
			return err
		}
		a.change(item.SKU, func(b *book) { b.tried += int64(item.Quantity) })
	}
	return nil
}

// accepted notes that the customer has been told yes.
func (a *audit) accepted(order shop.Order) {
	for _, item := range order.Items {
		a.change(item.SKU, func(b *book) { b.promised += int64(item.Quantity) })
	}
}

// open begins the book of a product, if there is none.
func (a *audit) open(ctx context.Context, sku string) error {
	a.mu.Lock()
	_, known := a.books[sku]
	a.mu.Unlock()
	if known {
		return nil
	}
	sold, err := a.count(ctx, sku)
	if err != nil {
		return fmt.Errorf("count the stock of %s: %w", sku, err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, known := a.books[sku]; !known {
		a.books[sku] = &book{before: sold}
	}
	return nil
}

func (a *audit) change(sku string, change func(*book)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	change(a.books[sku])
}

func (a *audit) snapshot() map[string]book {
	a.mu.Lock()
	defer a.mu.Unlock()
	all := map[string]book{}
	for sku, b := range a.books {
		all[sku] = *b
	}
	return all
}

// check counts every stock. The moment matters: what was promised is noted before
// the stock is counted, and what was tried after, so that an order that is placed
// in between is neither missing nor surplus.
func (a *audit) check(ctx context.Context) (verdict, error) {
	var v verdict
	for sku, was := range a.snapshot() {
		sold, err := a.count(ctx, sku)
		if err != nil {
			return v, fmt.Errorf("count the stock of %s: %w", sku, err)
		}
		is := a.snapshot()[sku]
		v.Promised += was.promised
		v.Missing += max(0, was.promised-(sold-was.before))
		v.Surplus += max(0, sold-was.before-is.tried)
	}
	return v, nil
}

// run checks again and again until ctx ends.
func (a *audit) run(ctx context.Context, every time.Duration) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			a.say(ctx)
		}
	}
}

// say checks once, and says what it finds when that is news.
func (a *audit) say(ctx context.Context) {
	v, err := a.check(ctx)
	if err != nil {
		return // a silo has died; the next check asks the next one
	}
	a.mu.Lock()
	said := a.found
	a.found = v
	a.mu.Unlock()
	bad, was := v.Missing > 0 || v.Surplus > 0, said.Missing > 0 || said.Surplus > 0
	switch {
	case bad && v != said:
		slog.WarnContext(ctx, "the books are wrong", "promised", v.Promised,
			"missing", v.Missing, "surplus", v.Surplus)
	case was && !bad:
		slog.InfoContext(ctx, "the books are right again", "promised", v.Promised)
	}
}

// last is what the last check has found.
func (a *audit) last() verdict {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.found
}

// sold asks the grain of a product how much of it was sold.
func (n *Node) sold(try time.Duration) func(context.Context, string) (int64, error) {
	return func(ctx context.Context, sku string) (int64, error) {
		stock := GetStockGrainClient(n.cluster, sku)
		reply, err := Call(ctx, "Stock/"+sku, try,
			func(how ...cluster.GrainCallOption) (*CountReply, error) {
				return stock.Count(&CountRequest{}, how...)
			})
		return reply.GetSold(), err
	}
}
