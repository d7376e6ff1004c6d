package outbox

import (
	"context"
	"log/slog"
	"math/rand/v2"
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
