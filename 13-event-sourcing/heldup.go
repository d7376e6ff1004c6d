package eventsourcing

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
)

// heldUpAfter is how long a committed event may wait for a transaction that is still open
// before we say whose that is.
const heldUpAfter = 5 * time.Second

// warnIfHeldUp says who keeps all projectors waiting. To them nothing is wrong: they would
// be late for hours, and silent.
func (p *Projector) warnIfHeldUp(ctx context.Context) {
	if time.Since(p.asked) < heldUpAfter {
		return
	}
	p.asked = time.Now()
	holder, err := p.heldUpBy(ctx, heldUpAfter)
	switch {
	case err != nil && ctx.Err() == nil:
		slog.WarnContext(ctx, "could not look who holds the projectors up", "reason", explain(err))
	case holder != "":
		slog.WarnContext(ctx, "an open transaction holds all projectors up",
			"projection", p.projection.name, "held_by", holder)
	}
}

// heldUpBy returns the oldest open transaction with an id, if an event has waited so long for
// it, or nothing.
func (p *Projector) heldUpBy(ctx context.Context, long time.Duration) (holder string, err error) {
	ctx, cancel := withTimeout(ctx, p.settings)
	defer cancel()
	err = p.pool.QueryRow(ctx, `
		SELECT holder FROM (
			SELECT format('session %s, %s, in database %s', pid, application_name, datname),
				backend_xid FROM pg_stat_activity
			UNION ALL SELECT 'prepared transaction ' || gid, transaction FROM pg_prepared_xacts
		) open (holder, xid)
		WHERE xid IS NOT NULL AND EXISTS (
			SELECT FROM events WHERE txid >= pg_snapshot_xmin(pg_current_snapshot())
			AND recorded_at < clock_timestamp() - make_interval(secs => $1))
		ORDER BY age(xid) DESC LIMIT 1`, long.Seconds()).Scan(&holder)
	if errors.Is(err, pgx.ErrNoRows) {
		return "", nil
	}
	return holder, err
}
