package actors

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"course.example/12-actors/dashboard"
	"course.example/12-actors/engine"
	"course.example/shop"
	"github.com/redis/go-redis/v9"
)

// audit compares what customers were told with what stands in the store. The ledger of
// the lab cannot: it hears that an order was processed, and has to believe it. It asks
// the store and no grain, which it would keep awake, and every web app tells all others
// what it has promised: whichever looks sees the whole shop. Its methods are safe for
// concurrent use.
type audit struct {
	web   string // of this life
	redis *redis.Client
	books Books

	mu       sync.Mutex
	promised map[string]int64 // pieces by SKU, in orders that this web app has accepted
	accepted []any            // their identities, which the others do not know yet
	found    verdict          // at the last check
}

// Where web apps tell what they have accepted.
const (
	keyPromised = "audit:promised" // a hash: what each has promised in all
	keyAccepted = "audit:accepted" // a set: the orders
)

// verdict is what an audit has found.
type verdict dashboard.AuditView

// wrong says that the books are.
func (v verdict) wrong() bool { return v.Missing > 0 || v.Surplus > 0 || v.Overwrites > 0 }

func newAudit(web string, client *redis.Client, books Books) *audit {
	return &audit{web: web, redis: client, books: books, promised: map[string]int64{}}
}

// accept notes that the customer has been told yes.
func (a *audit) accept(order shop.Order) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.accepted = append(a.accepted, order.ID)
	for _, item := range order.Items {
		a.promised[item.SKU] += int64(item.Quantity)
	}
}

// publish tells the others. What could not be told is told the next time.
func (a *audit) publish(ctx context.Context) error {
	a.mu.Lock()
	accepted := a.accepted
	a.accepted = nil
	promised, err := json.Marshal(a.promised)
	a.mu.Unlock()
	if err == nil {
		_, err = a.redis.Pipelined(ctx, func(p redis.Pipeliner) error {
			if len(accepted) > 0 {
				p.SAdd(ctx, keyAccepted, accepted...)
			}
			return p.HSet(ctx, keyPromised, a.web, promised).Err()
		})
	}
	if err != nil {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.accepted = append(accepted, a.accepted...)
		return fmt.Errorf("tell what was accepted: %w", err)
	}
	return nil
}

// check reads the books of all stocks. The moment matters: what was promised is read
// before, so that an order that is placed in between is not missing.
func (a *audit) check(ctx context.Context) (verdict, error) {
	var v verdict
	if err := a.publish(ctx); err != nil {
		return v, err
	}
	webs, err := a.redis.HVals(ctx, keyPromised).Result()
	if err != nil {
		return v, fmt.Errorf("read what was promised: %w", err)
	}
	promised := map[string]int64{}
	for _, web := range webs {
		pieces := map[string]int64{}
		if err := json.Unmarshal([]byte(web), &pieces); err != nil {
			return v, fmt.Errorf("read what was promised: %q: %w", web, err)
		}
		for sku, n := range pieces {
			promised[sku] += n
		}
	}
	for sku, n := range promised {
		if err := v.add(ctx, a.books, sku, n); err != nil {
			return v, err
		}
	}
	return v, nil
}

// add adds what the books say of one product.
func (v *verdict) add(ctx context.Context, books Books, sku string, promised int64) error {
	grain := engine.Key("Stock", sku)
	// In this order: an order is an effect first, and on the shelf then.
	state := engine.NewState[shelf](books, grain)
	stock, err := state.Read(ctx)
	if err != nil {
		return err
	}
	effects, err := books.Effects(ctx, grain)
	if err != nil {
		return err
	}
	v.Promised += promised
	v.Missing += max(0, promised-stock.Sold)
	v.Surplus += max(0, stock.Orders-effects)
	// Each write adds one order to the shelf. When the store has counted more writes
	// than there are orders, two activations have both written.
	v.Overwrites += max(0, state.Version()-stock.Orders)
	return nil
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
		return // the store is away; the next check asks it again
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

// Book is what the store knows of the orders of a run: the truth about it, whatever
// the programs have said in their logs.
type Book struct {
	Processed  int `json:"processed"`
	Lost       int `json:"lost"`       // accepted, and not done, or not taken from a stock
	Duplicated int `json:"duplicated"` // how often an order was done once more
}

// ReadBook reads it.
func ReadBook(ctx context.Context, settings Settings) (book Book, err error) {
	b, err := openBacking(ctx, settings)
	if err != nil {
		return book, err
	}
	defer func() { err = errors.Join(err, b.close()) }()
	return book, book.read(ctx, b)
}

func (book *Book) read(ctx context.Context, b *backing) error {
	err := b.books.Names(ctx, "Order", func(grain string) error {
		state := engine.NewState[placed](b.books, grain)
		if _, err := state.Read(ctx); err != nil {
			return err
		}
		book.Processed++
		book.Duplicated += int(state.Version()) - 1
		return nil
	})
	if err != nil {
		return err
	}
	accepted := b.redis.SScan(ctx, keyAccepted, 0, "", 1000).Iterator()
	for accepted.Next(ctx) {
		whole, err := book.isWhole(ctx, b.books, accepted.Val())
		if err != nil {
			return err
		}
		if !whole {
			book.Lost++
		}
	}
	if err := accepted.Err(); err != nil {
		return fmt.Errorf("read the accepted orders: %w", err)
	}
	return nil
}

// isWhole reports whether an order is done, and has taken its pieces from all stocks.
func (*Book) isWhole(ctx context.Context, books Books, order string) (bool, error) {
	done, err := engine.NewState[placed](books, engine.Key("Order", order)).Read(ctx)
	if err != nil || done.Effect == "" {
		return false, err
	}
	for sku := range done.Pieces {
		taken, err := books.HasEffect(ctx, engine.Key("Stock", sku), order)
		if err != nil || !taken {
			return false, err
		}
	}
	return true, nil
}
