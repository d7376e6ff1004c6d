package outbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/jackc/pgx/v5"
)

// How a consumer learns that there is something to do.
const (
	// waitPoll asks again and again. Half of the pause is what an order waits on
	// average, and every question that finds nothing is work for the database.
	waitPoll = "poll"
	// waitNotify is told: the producer's transaction rings a bell (NOTIFY) as it
	// commits. A bell that nobody hears is not kept, so a consumer that was just
	// connecting would sleep on. Behind it stands a slow poll.
	waitNotify = "notify"
)

// steady is how long a connection must have lived for the next pause to be short.
const steady = 5 * time.Second

// wait returns when there may be something to do.
func (w *worker) wait(ctx context.Context) {
	pause := w.settings.SlowPoll
	if w.settings.Wait == waitPoll {
		pause = w.settings.Poll
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-w.bell:
	case <-timer.C:
	case <-ctx.Done():
	}
}

// listen keeps one connection that does nothing but listen, and rings the bells
// of all workers. It lives beside the pool: NOTIFY reaches only the session that
// said LISTEN.
func (c *Consumer) listen(ctx context.Context, bells []chan struct{}) error {
	pause := pauses()
	session := func() (struct{}, error) {
		began := time.Now()
		err := c.receive(ctx, bells)
		if time.Since(began) > steady {
			pause.Reset()
		}
		return struct{}{}, err
	}
	_, err := backoff.Retry(ctx, session, backoff.WithBackOff(pause),
		backoff.WithMaxElapsedTime(0),
		backoff.WithNotify(func(err error, next time.Duration) {
			slog.WarnContext(ctx, "not listening: the slow poll goes on",
				"reason", explain(err), "next_try_in", next.Round(time.Millisecond))
		}))
	if ctx.Err() != nil {
		return nil
	}
	return err
}

func (c *Consumer) receive(ctx context.Context, bells []chan struct{}) (err error) {
	conn, err := pgx.ConnectConfig(ctx, c.pool.Config().ConnConfig)
	if err != nil {
		return err
	}
	defer func() {
		closing, cancel := withTimeout(ctx, c.settings)
		defer cancel()
		err = errors.Join(err, conn.Close(closing))
	}()
	if err := c.subscribe(ctx, conn); err != nil {
		return err
	}
	for {
		ring(bells) // the first time for what was written before we listened
		if err := c.next(ctx, conn); err != nil {
			return err
		}
	}
}

func (c *Consumer) subscribe(ctx context.Context, conn *pgx.Conn) error {
	ctx, cancel := orStop(ctx, c.settings)
	defer cancel()
	if _, err := conn.Exec(ctx, `LISTEN outbox`); err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	return nil
}

// next waits for a notification. A connection that is silent for long is asked
// whether it is still there: one that was cut would be silent forever.
func (c *Consumer) next(ctx context.Context, conn *pgx.Conn) error {
	for {
		quiet, cancel := context.WithTimeout(ctx, c.settings.Timeout)
		_, err := conn.WaitForNotification(quiet)
		silent := quiet.Err() != nil && ctx.Err() == nil
		cancel()
		if err == nil || !silent {
			return err
		}
		asking, cancel := orStop(ctx, c.settings)
		err = conn.Ping(asking)
		cancel()
		if err != nil {
			return fmt.Errorf("the connection that listens is dead: %w", err)
		}
	}
}

// ring never waits: a bell that rings already need not ring twice.
func ring(bells []chan struct{}) {
	for _, bell := range bells {
		select {
		case bell <- struct{}{}:
		default:
		}
	}
}
