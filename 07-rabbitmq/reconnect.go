package rabbitmq

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/cenkalti/backoff/v5"
)

const (
	firstPause = 100 * time.Millisecond
	maxPause   = 2 * time.Second // so that a broker that is back is found soon
	steady     = 5 * time.Second // a session that lived this long was a good one
)

// keepConnected runs one session after the other until ctx ends, which is not an
// error. A session connects, does its work and returns why it died.
//
// The pause between two sessions doubles up to [maxPause], and every pause is
// random by half: a hundred consumers that lost the same broker must not come
// back in the same instant, every time (the thundering herd). It starts small
// again only after a session that lived: a broker that accepts a connection and
// drops it at once is not hammered either.
func keepConnected(
	ctx context.Context, name string, session func(context.Context) error,
) error {
	pauses := &backoff.ExponentialBackOff{
		InitialInterval:     firstPause,
		MaxInterval:         maxPause,
		Multiplier:          2,
		RandomizationFactor: 0.5,
	}
	untilDone := func() (struct{}, error) {
		began := time.Now()
		err := session(ctx)
		if err == nil && ctx.Err() == nil {
			err = errors.New("the session ended by itself")
		}
		if time.Since(began) > steady {
			pauses.Reset()
		}
		return struct{}{}, err
	}
	report := func(err error, pause time.Duration) {
		slog.WarnContext(ctx, "not connected", "connection", name, "reason", err,
			"next_try_in", pause.Round(time.Millisecond))
	}
	_, err := backoff.Retry(ctx, untilDone,
		backoff.WithBackOff(pauses),
		// The library gives up after 15 minutes unless it is told not to.
		backoff.WithMaxElapsedTime(0),
		backoff.WithNotify(report))
	if ctx.Err() != nil {
		return nil
	}
	return err
}
