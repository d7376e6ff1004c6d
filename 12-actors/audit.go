package actors

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"course.example/12-actors/engine"
	"course.example/shop"
	"github.com/asynkron/protoactor-go/cluster"
)

// audit compares what customers were told with what stands in the books. The
// ledger of the lab cannot: it hears that an order was processed, and has to
// believe it. Its methods are safe for concurrent use.
type audit struct {
	count func(ctx context.Context, sku string) (*CountReply, error)

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
	// Overwrites are writes that are not in the books any more: a second activation
	// has written over them.
	Overwrites int64
}

// wrong says that the books are.
func (v verdict) wrong() bool { return v.Missing > 0 || v.Surplus > 0 || v.Overwrites > 0 }

func newAudit(count func(context.Context, string) (*CountReply, error)) *audit {
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
	stock, err := a.count(ctx, sku)
	if err != nil {
		return fmt.Errorf("count the stock of %s: %w", sku, err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, known := a.books[sku]; !known {
		a.books[sku] = &book{before: stock.GetSold()}
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
		stock, err := a.count(ctx, sku)
		if err != nil {
			return v, fmt.Errorf("count the stock of %s: %w", sku, err)
		}
		sold, is := stock.GetSold()-was.before, a.snapshot()[sku]
		v.Promised += was.promised
		v.Missing += max(0, was.promised-sold)
		v.Surplus += max(0, sold-is.tried)
		// Each write adds one order to the shelf. When the store has counted more
		// writes than there are orders, two activations have both written.
		v.Overwrites += max(0, stock.GetVersion()-stock.GetOrders())
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
	switch {
	case v.wrong() && v != said:
		v.log(ctx)
	case said.wrong() && !v.wrong():
		slog.InfoContext(ctx, "the books are right again", "promised", v.Promised)
	}
}

// conclude checks for the last time, and says in any case what it finds: silence
// could also mean that nobody has looked.
func (a *audit) conclude(ctx context.Context) {
	v, err := a.check(ctx)
	if err != nil {
		slog.WarnContext(ctx, "the books could not be checked at the end", "error", err)
		return
	}
	v.log(ctx)
}

func (v verdict) log(ctx context.Context) {
	level, text := slog.LevelInfo, "the books are right"
	if v.wrong() {
		level, text = slog.LevelWarn, "the books are wrong"
	}
	slog.Log(ctx, level, text, "promised", v.Promised, "missing", v.Missing,
		"surplus", v.Surplus, "overwrites", v.Overwrites)
}

// last is what the last check has found.
func (a *audit) last() verdict {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.found
}

// count asks the grain of a product what was sold of it.
func (n *Node) count(try time.Duration) func(context.Context, string) (*CountReply, error) {
	return func(ctx context.Context, sku string) (*CountReply, error) {
		stock := GetStockGrainClient(n.cluster, sku)
		return engine.Call(ctx, n.retries, "Stock/"+sku, try,
			func(how ...cluster.GrainCallOption) (*CountReply, error) {
				return stock.Count(&CountRequest{}, how...)
			})
	}
}
