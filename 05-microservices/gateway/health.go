package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"
)

// backend is one replica, as the gateway sees it.
type backend struct {
	url      *url.URL
	up       atomic.Bool
	underway atomic.Int64 // requests that have no end yet
}

// unhealthyAfter is how many checks in a row must fail: one slow answer is no
// death, and to take a replica out for it gives its load to the others.
const unhealthyAfter = 2

// watch asks a replica for its health again and again until ctx ends. That is an
// active check: without one, the gateway would learn of a death from the requests
// that it costs, and of a return never.
func (g *Gateway) watch(ctx context.Context, b *backend) {
	tick := time.NewTicker(g.settings.CheckEvery)
	defer tick.Stop()
	failed := 0
	for {
		err := g.check(ctx, b)
		switch {
		case ctx.Err() != nil:
			return
		case err == nil:
			failed = 0
			g.mark(b, true, nil)
		default:
			if failed++; failed >= unhealthyAfter {
				g.mark(b, false, err)
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// mark takes a replica into the rotation, or out of it.
func (g *Gateway) mark(b *backend, up bool, why error) {
	if b.up.Swap(up) == up {
		return
	}
	if up {
		slog.Info("replica is up", "replica", b.url.Host)
	} else {
		slog.Warn("replica is down", "replica", b.url.Host, "reason", why)
	}
}

// check asks once. Too slow is ill: whoever does not answer this in time will not
// answer a charge either.
func (g *Gateway) check(ctx context.Context, b *backend) error {
	ctx, cancel := context.WithTimeout(ctx, g.settings.CheckTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet,
		b.url.JoinPath("healthz").String(), nil)
	if err != nil {
		return fmt.Errorf("check a replica: %w", err)
	}
	resp, err := g.checks.RoundTrip(r)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, io.LimitReader(resp.Body, maxBody))
	if err = errors.Join(err, resp.Body.Close()); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("its health check answers %s", resp.Status)
	}
	return nil
}
