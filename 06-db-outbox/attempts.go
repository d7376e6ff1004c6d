package outbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strings"
	"time"

	"course.example/shop"
	"github.com/jackc/pgx/v5"
)

// The pause after a failure doubles from the first to the longest.
const (
	firstPause   = 100 * time.Millisecond
	longestPause = time.Minute
)

// work does what there is to do for each message outside of the database. One
// that fails does not take the others of its batch along: its failure is written
// down beside their effects.
func (w *worker) work(ctx context.Context, messages []Message) []outcome {
	ctx = context.WithoutCancel(ctx)
	outcomes := make([]outcome, len(messages))
	for i, m := range messages {
		o := &outcomes[i]
		o.message = m
		if o.order, o.err = m.decode(); o.err == nil {
			shop.Received(ctx, o.order.ID, m.Attempts+1)
			o.err = w.safely(ctx, o.order.Order)
		}
		o.dead = errors.Is(o.err, ErrUnreadable) ||
			o.err != nil && m.Attempts+1 >= w.settings.Attempts
	}
	return outcomes
}

// safely turns a handler's panic into an error: one bad order must not take the
// others in this process with it. Its stack is in the log at level debug.
func (c *Consumer) safely(ctx context.Context, order shop.Order) (err error) {
	defer func() {
		if r := recover(); r != nil {
			slog.DebugContext(ctx, "the handler panicked", "order", order.ID,
				"stack", string(debug.Stack()))
			err = fmt.Errorf("the handler panicked: %v", r)
		}
	}()
	return c.handle(ctx, order)
}

// failSQL counts the attempt. The message stays where it is, and is passed over
// until its pause has ended. After the last attempt it is parked for good: still
// in the table, with its error, for a person to look at. The time is the clock's:
// now() is when the transaction began, and the work may have taken longer than the
// pause.
const failSQL = `
	UPDATE outbox SET attempts = attempts + 1, error = $2,
		not_before = clock_timestamp() + make_interval(secs => $3),
		dead_at = CASE WHEN $4 THEN clock_timestamp() END
	WHERE id = $1`

func (w *worker) queueFailures(b *pgx.Batch, outcomes []outcome) {
	for _, o := range outcomes {
		if o.err == nil {
			continue
		}
		pause := pauseAfter(o.message.Attempts + 1)
		if !o.dead {
			slog.Warn("order not done yet", "order", o.order.ID,
				"attempt", o.message.Attempts+1, "reason", reason(o.err), "next_try_in", pause)
		}
		b.Queue(failSQL, o.message.ID, reason(o.err), pause.Seconds(), o.dead)
	}
}

// pauseAfter is how long a message that has failed n times is left alone.
func pauseAfter(n int) time.Duration {
	pause := firstPause
	for range n - 1 {
		pause = min(2*pause, longestPause)
	}
	return pause
}

// reason is the error as it is stored and logged: cut, and without the one character
// that Postgres takes in no text. A poisonous body may have brought both, in what the
// error quotes of it.
func reason(err error) string {
	return strings.ReplaceAll(shop.Reason(err), "\x00", "?")
}
