package outbox

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// oneByOne settles the messages of a batch that Postgres has refused. One of them is
// to blame, and must not hold up the others forever. Their work is done already.
func (w *worker) oneByOne(ctx context.Context, outcomes []outcome) error {
	for i := range outcomes {
		if _, err := w.claimAndSettle(ctx, outcomes[i:i+1]); err != nil {
			return err
		}
	}
	return nil
}

// claimAndSettle writes and commits the effect of one message that nothing has
// locked, unless another has changed it since it was read. An effect that Postgres
// refuses counts as an attempt, the last one: it is parked.
func (w *worker) claimAndSettle(ctx context.Context, one []outcome) (won bool, err error) {
	won, err = w.tryToSettle(ctx, one)
	if badData(err) {
		one[0].err, one[0].dead = err, true
		won, err = w.tryToSettle(ctx, one)
	}
	return won, err
}

func (w *worker) tryToSettle(ctx context.Context, one []outcome) (won bool, err error) {
	tx, err := w.begin(ctx)
	if err != nil {
		return false, err
	}
	defer w.rollback(ctx, tx)
	if won, err = w.claim(ctx, tx, one[0].message); err != nil || !won {
		return false, err
	}
	return true, w.settleAndCommit(ctx, tx, one)
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
