package order

import (
	"context"
	"log/slog"
	"sync"
	"testing"

	"course.example/shop"
	"go.uber.org/goleak"
)

// Nothing that a test has started may outlive the tests.
func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	goleak.VerifyTestMain(m)
}

// chargerFunc is a payment service of one function.
type chargerFunc func(context.Context, string, Charge) (Receipt, error)

func (f chargerFunc) Charge(ctx context.Context, key string, c Charge) (Receipt, error) {
	return f(ctx, key, c)
}

// hanging is a payment service that gets every call and never answers.
func hanging(ctx context.Context, _ string, _ Charge) (Receipt, error) {
	<-ctx.Done()
	return Receipt{}, unanswered(ctx, true, ctx.Err())
}

func newOrder(tb testing.TB, email string) shop.Order {
	tb.Helper()
	o, err := shop.NewOrder(email, shop.SampleItems()...)
	if err != nil {
		tb.Fatal(err)
	}
	return o
}

// tally counts charges by key, as the money that was really taken.
type tally struct {
	mu    sync.Mutex
	taken map[string]int
}

func (t *tally) add(name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.taken == nil {
		t.taken = map[string]int{}
	}
	t.taken[name]++
}

func (t *tally) of(name string) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.taken[name]
}
