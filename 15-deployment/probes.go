package deployment

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"sync/atomic"

	"course.example/shop"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Probes are the two questions that a deployer asks a program, and they are two because the
// answers have two consequences:
//
//	GET /healthz  is it alive? If not, it is killed and started again.
//	GET /readyz   can it serve now? If not, it gets no orders, and is left in peace.
type Probes struct {
	Ready func(context.Context) error
	// Fill fills the program's caches before it is ready; nil where it has none.
	Fill func(context.Context) error
	// Orders takes orders; nil for a program that takes none.
	Orders http.Handler
	warm   atomic.Bool
	never  bool
	// onDatabase asks the database whether the program is alive: a wrong variant.
	onDatabase bool
}

// NewProbes returns the probes of a program of that release, which is ready after its warm-up.
func NewProbes(s Settings, r Release, ready func(context.Context) error) *Probes {
	return &Probes{Ready: ready, never: r.never, onDatabase: variants[s.Variant].onDatabase}
}

// WarmUp is what a program does before it can serve. It goes on until it is done, or ctx ends.
func (p *Probes) WarmUp(ctx context.Context, s Settings) error {
	warm := pause(ctx, s.WarmUp)
	for tries := pauses(); warm && p.Fill != nil; {
		err := p.Fill(ctx)
		if err == nil {
			break
		}
		slog.WarnContext(ctx, "not warm yet", "error", err)
		warm = pause(ctx, tries.NextBackOff())
	}
	p.warm.Store(warm && !p.never)
	return nil
}

// FillCache reads so many rows, as a program does that wants them in its memory. Nothing costs a
// database more.
func FillCache(ctx context.Context, pool *pgxpool.Pool, s Settings) error {
	if s.Cache == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, s.Timeout)
	defer cancel()
	_, err := pool.Exec(ctx, `SELECT count(*) FROM generate_series(1, $1)`, s.Cache)
	if err != nil {
		return fmt.Errorf("fill the cache: %w", err)
	}
	return nil
}

var errCold = errors.New("it is still warming up")

// Place places an order, but not before the program is warm.
func (p *Probes) Place(place func(context.Context, shop.Order) error) func(
	context.Context, shop.Order) error {
	return func(ctx context.Context, o shop.Order) error {
		if !p.warm.Load() {
			return shop.Unavailable(errCold, retryAfter)
		}
		return place(ctx, o)
	}
}

// Handler serves the probes, and orders where the program takes some.
func (p *Probes) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, r *http.Request) {
		if p.onDatabase && p.warm.Load() {
			tell(w, p.Ready(r.Context()))
			return
		}
		tell(w, nil)
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		if !p.warm.Load() {
			tell(w, errCold)
			return
		}
		tell(w, p.Ready(r.Context()))
	})
	if p.Orders != nil {
		mux.Handle("POST /orders", p.Orders)
	}
	return mux
}

func tell(w http.ResponseWriter, err error) {
	if err != nil {
		http.Error(w, shop.Reason(err), http.StatusServiceUnavailable)
		return
	}
	_, _ = fmt.Fprintln(w, "ok")
}

// Lifeline returns a context that ends with ctx, and when the parent has ended: the deployer holds
// the other end of stdin, which the system closes even if the deployer is killed. It does nothing
// for a program that was started by hand.
func Lifeline(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	if os.Getenv("LIFELINE") == "stdin" {
		// It ends with the program: a read of stdin cannot be ended otherwise.
		go func() {
			_, _ = io.Copy(io.Discard, os.Stdin)
			cancel()
		}()
	}
	return ctx, cancel
}
