package outbox

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"

	"github.com/jackc/pgx/v5"
)

// optimistic locks nothing while it works. It remembers the version of the row
// that it has read, and when it is done it changes the row only if that version
// is still there (optimistic concurrency control: Kung and Robinson, 1981). Who
// comes second finds another version, throws its work away and looks again.
//
// That is cheap where conflicts are rare, and in a queue they are the rule:
// everybody wants the oldest message. So each picks one by chance among the
// oldest few (Settings.Window). What remains of conflicts is counted.
func (w *worker) optimistic(ctx context.Context) (int, error) {
	candidates, err := w.take(ctx, w.pool, w.selectMessages(), w.settings.Window)
	if err != nil || len(candidates) == 0 {
		return 0, err
	}
	one := candidates[rand.IntN(len(candidates))]
	outcomes := w.work(ctx, []Message{one})

	won, err := w.claimAndSettle(ctx, outcomes)
	if err != nil {
		return 0, err
	}
	if !won {
		n := w.conflicts.Add(1)
		slog.DebugContext(ctx, "another consumer was faster", "message", one.ID, "retries", n)
	}
	return 1, nil
}

// claim is a compare-and-set, and the first statement of the transaction: should
// another have claimed the row and not have committed yet, it waits for that one,
// and then compares with what that one has written.
func (w *worker) claim(ctx context.Context, tx pgx.Tx, m Message) (bool, error) {
	ctx, cancel := withTimeout(ctx, w.settings)
	defer cancel()
	tag, err := tx.Exec(ctx, `
		UPDATE outbox SET row_version = row_version + 1
		WHERE id = $1 AND row_version = $2 AND `+open, m.ID, m.RowVersion)
	if err != nil {
		return false, fmt.Errorf("claim message %d: %w", m.ID, err)
	}
	return tag.RowsAffected() == 1, nil
}
