package eventsourcing

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// foldVersion is that of Evolve. Change what an event does to an order, and count it up: a
// snapshot that another fold has made is not what this one would make of the same events.
const foldVersion = 2

// current returns the order as it is now, and the events that were read for it: all of its
// stream, or those since its last snapshot. A snapshot is a cache of the fold, and no more:
// without it the answer is the same, and later.
func (p *Producer) current(ctx context.Context, stream uuid.UUID) (Order, head, []Recorded, error) {
	order, end := Order{ID: stream}, head{}
	if p.settings.Snapshot > 0 {
		var err error
		if order, end, err = p.snapshot(ctx, stream); err != nil {
			return order, end, nil, err
		}
	}
	events, err := p.load(ctx, stream, end.version)
	if err != nil {
		return order, end, nil, err
	}
	if order, end, err = fold(order, end, events, p.settings.Reads); err != nil {
		return order, end, nil, err
	}
	if p.settings.Snapshot > 0 && len(events) >= p.settings.Snapshot {
		p.keep(ctx, order, end)
	}
	return order, end, events, nil
}

func (p *Producer) snapshot(ctx context.Context, stream uuid.UUID) (Order, head, error) {
	order, end := Order{ID: stream}, head{}
	var state []byte
	err := p.pool.QueryRow(ctx, `SELECT state, version, hash FROM snapshots
		WHERE stream = $1 AND fold = $2`, stream, foldVersion).Scan(&state, &end.version, &end.hash)
	if errors.Is(err, pgx.ErrNoRows) {
		return order, head{}, nil
	}
	if err == nil {
		err = json.Unmarshal(state, &order)
	}
	if err != nil {
		return order, end, fmt.Errorf("read the snapshot of %s: %w", stream, err)
	}
	return order, end, nil
}

// keep writes a snapshot. That it could not be written costs time and nothing else.
func (p *Producer) keep(ctx context.Context, order Order, end head) {
	state, err := json.Marshal(order)
	if err == nil {
		_, err = p.pool.Exec(ctx, `
			INSERT INTO snapshots AS s (stream, version, fold, state, hash)
			VALUES ($1, $2, $3, $4::text::json, $5)
			ON CONFLICT (stream) DO UPDATE SET version = excluded.version, fold = excluded.fold,
				state = excluded.state, hash = excluded.hash
			WHERE s.version < excluded.version OR s.fold <> excluded.fold`,
			order.ID, end.version, foldVersion, string(state), end.hash)
	}
	if err != nil {
		slog.WarnContext(ctx, "no snapshot was written", "stream", order.ID.String(),
			"reason", reason(err))
	}
}
