package eventsourcing

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// What customers may ask the read models. Each answers from the generation that is live.
const (
	customerOrdersSQL = `
		SELECT coalesce(json_agg(json_build_object('order_id', order_id, 'customer', ` + shownSQL + `,
			'status', status, 'pieces', pieces, 'total_cents', total_cents, 'version', version)
			ORDER BY order_id DESC), '[]')
		FROM (SELECT * FROM customer_orders WHERE generation =
				(SELECT live FROM projections WHERE name = 'customers')
			AND customer IN (SELECT $1::text UNION ALL
				SELECT customer::text FROM customer_keys WHERE email = $1)
			ORDER BY order_id DESC LIMIT 100) newest`
	// The model has the customer's name. Who that is say the keys, as long as there is one.
	shownSQL = `CASE WHEN customer LIKE '%@%' THEN customer ELSE coalesce((SELECT email
		FROM customer_keys k WHERE k.customer = newest.customer::uuid), '` + Forgotten + `') END`
	stockSQL = `
		SELECT coalesce(json_object_agg(sku, reserved ORDER BY sku), '{}') FROM stock
		WHERE generation = (SELECT live FROM projections WHERE name = 'stock')`
	salesSQL = `
		SELECT coalesce(json_agg(json_build_object('day', day, 'orders', orders, 'cents', cents)
			ORDER BY day DESC), '[]') FROM sales
		WHERE generation = (SELECT live FROM projections WHERE name = 'sales')`
)

// query answers from a read model. With ?after=POSITION, which the answer to a command
// carried, it waits until the model has come that far: a customer reads what he has written.
func (p *Producer) query(model, sql string, params ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := withTimeout(r.Context(), p.settings)
		defer cancel()
		if after := r.URL.Query().Get("after"); after != "" {
			place, err := readPlace(after)
			if err != nil {
				fail(w, r, refuse(err, http.StatusBadRequest))
				return
			}
			if err := p.await(r.Context(), model, place); err != nil {
				fail(w, r, refuse(err, http.StatusServiceUnavailable))
				return
			}
		}
		var args []any
		for _, name := range params {
			args = append(args, r.PathValue(name))
		}
		var found json.RawMessage
		if err := p.pool.QueryRow(ctx, sql, args...).Scan(&found); err != nil {
			status := http.StatusServiceUnavailable
			if badData(err) { // such as an address with a NUL
				status = http.StatusBadRequest
			}
			fail(w, r, refuse(explain(err), status))
			return
		}
		respond(w, http.StatusOK, found)
	}
}

func readPlace(text string) (place Place, err error) {
	txid, position, _ := strings.Cut(text, "-")
	place.TxID, err = strconv.ParseUint(txid, 10, 64)
	if err == nil {
		place.Position, err = strconv.ParseInt(position, 10, 64)
	}
	if err != nil {
		return place, fmt.Errorf("after: must be a position such as 741-12, is %.40q", text)
	}
	return place, nil
}

// awaitEvery is the pause between two looks at a checkpoint.
const awaitEvery = 10 * time.Millisecond

var errBehind = errors.New("the read model has not come so far yet: ask again, or without after")

// await returns when the live generation of a read model has passed the place, at the latest
// after Settings.Wait.
func (p *Producer) await(ctx context.Context, model string, place Place) error {
	ctx, cancel := context.WithTimeoutCause(ctx, p.settings.Wait, errBehind)
	defer cancel()
	for {
		var behind bool
		err := p.pool.QueryRow(ctx, `
			SELECT EXISTS (SELECT FROM projections l
				JOIN checkpoints c ON l.name = c.projection AND l.live = c.generation
				CROSS JOIN LATERAL (
					SELECT FROM events e WHERE (e.txid, e.position) > (c.txid, c.position)
					AND (e.txid, e.position) <= ($2::text::xid8, $3) AND `+inPart+`
					ORDER BY e.txid, e.position LIMIT 1) e
				WHERE c.projection = $1)`,
			model, strconv.FormatUint(place.TxID, 10), place.Position).Scan(&behind)
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil:
			return explain(err)
		case !behind:
			return nil
		}
		sleep(ctx, awaitEvery)
	}
}
