package eventsourcing

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/jackc/pgx/v5"
)

// steady is how long a connection must have lived for the next pause to be short.
const steady = 5 * time.Second

// wait returns when there may be something new. What was behind an open transaction rings no
// bell as that ends: the poll finds it.
func (p *Projector) wait(ctx context.Context) {
	timer := time.NewTimer(p.settings.Poll)
	defer timer.Stop()
	select {
	case <-p.bell:
	case <-timer.C:
	case <-ctx.Done():
	}
}

// listen keeps one connection that does nothing but listen, beside the pool: NOTIFY reaches
// only the session that said LISTEN.
func (p *Projector) listen(ctx context.Context) error {
	pause := pauses()
	session := func() (struct{}, error) {
		began := time.Now()
		err := p.receive(ctx)
		if time.Since(began) > steady {
			pause.Reset()
		}
		return struct{}{}, err
	}
	_, err := backoff.Retry(ctx, session, backoff.WithBackOff(pause),
		backoff.WithMaxElapsedTime(0),
		backoff.WithNotify(func(err error, next time.Duration) {
			slog.WarnContext(ctx, "not listening: the poll goes on",
				"reason", explain(err), "next_try_in", next.Round(time.Millisecond))
		}))
	if ctx.Err() != nil {
		return nil
	}
	return err
}

func (p *Projector) receive(ctx context.Context) (err error) {
	conn, err := pgx.ConnectConfig(ctx, p.pool.Config().ConnConfig)
	if err != nil {
		return err
	}
	defer func() {
		closing, cancel := withTimeout(ctx, p.settings)
		defer cancel()
		err = errors.Join(err, conn.Close(closing))
	}()
	asking, cancel := withTimeout(ctx, p.settings)
	defer cancel()
	if _, err := conn.Exec(asking, `LISTEN events`); err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	for {
		p.ring() // the first time for what was appended before we listened
		if err := p.next(ctx, conn); err != nil {
			return err
		}
	}
}

// ring never waits: a bell that rings already need not ring twice.
func (p *Projector) ring() {
	select {
	case p.bell <- struct{}{}:
	default:
	}
}

// next waits for a notification. A connection that is silent for long is asked whether it is
// still there: one that was cut would be silent forever.
func (p *Projector) next(ctx context.Context, conn *pgx.Conn) error {
	for {
		quiet, cancel := context.WithTimeout(ctx, p.settings.Timeout)
		_, err := conn.WaitForNotification(quiet)
		silent := quiet.Err() != nil && ctx.Err() == nil
		cancel()
		if err == nil || !silent {
			return err
		}
		asking, cancel := withTimeout(ctx, p.settings)
		err = conn.Ping(asking)
		cancel()
		if err != nil {
			return fmt.Errorf("the connection that listens is dead: %w", err)
		}
	}
}
