package eventsourcing

import (
	"context"
	"encoding/json"
	"fmt"

	"course.example/shop"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
)

// BadKinds are the kinds of events that [Inject] knows.
const BadKinds = "garbage, unknown-event or wrong-version"

// Inject appends count events that no projector can read, each in a stream of its own.
func Inject(ctx context.Context, pool *pgxpool.Pool, kind string, count int) error {
	good, err := json.Marshal(OrderPlaced{
		UserEmail: shop.SampleEmail, Currency: "EUR", Items: shop.SampleItems()})
	if err != nil {
		return err
	}
	bad, known := map[string]struct {
		kind Kind
		body []byte
	}{
		"garbage":       {OrderPlaced{}.Kind(), []byte(`"this is JSON, and no event"`)},
		"unknown-event": {Kind{"order-danced", 1}, good},
		"wrong-version": {Kind{"order-placed", 9}, good},
	}[kind]
	if !known {
		return usagef("kind %q is unknown: want %s", kind, BadKinds)
	}
	for range count {
		id, err := uuid.NewV7()
		if err != nil {
			return err
		}
		one := rows{
			streams: [][16]byte{id}, commands: [][16]byte{id}, versions: []int32{1},
			schemas: []int32{int32(bad.kind.Schema)}, types: []string{bad.kind.Name},
			bodies: []string{string(bad.body)}, metas: []string{"{}"}, ordinals: []int16{0},
			hashes: [][]byte{chain(nil, id, 1, bad.kind, bad.body)},
		}
		if _, err := insert(ctx, pool, &one); err != nil {
			return fmt.Errorf("inject: %w", explain(err))
		}
	}
	_, err = pool.Exec(ctx, `SELECT pg_notify('events', '')`)
	return err
}
