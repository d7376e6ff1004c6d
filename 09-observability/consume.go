package observability

import (
	"context"
	"errors"
	"net/http"

	"course.example/shop"
	"github.com/ThreeDotsLabs/watermill/message"
	"golang.org/x/sync/errgroup"
)

// Consume runs a consuming process until ctx ends: telemetry, the broker, the router that make
// returns, and HTTP for those who want to know how it is. It ends in the reverse order, so that
// the drain can still publish and what the drain tells is still sent.
func Consume(
	ctx context.Context, service string, s Settings, queue string,
	make func(*Broker, *Telemetry, Settings) (*message.Router, error),
) (err error) {
	telemetry, err := StartTelemetry(ctx, service, s)
	if err != nil {
		return err
	}
	defer telemetry.Stop()
	broker := Connect(s)
	defer func() { err = errors.Join(err, broker.Close()) }()
	unobserve, err := telemetry.Observe(broker, queue)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unobserve()) }()
	router, err := make(broker, telemetry, s)
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return Drain(ctx, router) })
	group.Go(func() error {
		return shop.Serve(ctx, s.Addr, status(broker, router, telemetry))
	})
	return group.Wait()
}

// status answers whether the process works, and with its metrics.
func status(b *Broker, router *message.Router, t *Telemetry) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", t.Metrics.Handler)
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, r *http.Request) {
		err := errors.Join(b.Ready(r.Context()), b.subscriber.ready())
		if !router.IsRunning() {
			err = errors.New("the router does not run yet")
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		if _, err := w.Write([]byte("ready\n")); err != nil {
			return // the one who asked has gone
		}
	})
	return mux
}
