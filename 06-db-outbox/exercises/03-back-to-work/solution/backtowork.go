// Package backtowork takes parked messages back into work.
package backtowork

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"
)

// BackToWork takes back all parked messages whose error contains the reason, and returns how many.
// Several may run it at the same time: whoever comes second waits for the row, and finds that it is
// not parked any more.
func BackToWork(ctx context.Context, db *pgxpool.Pool, reason string) (int, error) {
	tag, err := db.Exec(ctx, `
		UPDATE outbox SET dead_at = NULL, error = NULL, attempts = 0, not_before = now()
		WHERE dead_at IS NOT NULL AND strpos(error, $1) > 0`, reason)
	if err != nil {
		return 0, fmt.Errorf("take parked messages back: %w", err)
	}
	return int(tag.RowsAffected()), nil
}
