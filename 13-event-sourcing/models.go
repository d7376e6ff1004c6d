package eventsourcing

import (
	"context"
	"maps"
	"slices"
	"time"

	"course.example/shop"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// projection is a read model: what it makes of events. Each answers one question, from a
// table of its own that fits the question. A new question is a new projection: it reads the
// whole log, and knows the answer for the past, too.
type projection struct {
	name  string
	table string // whose rows are of a generation; "" for what cannot be built again

	// apply writes what a batch changes.
	apply func(ctx context.Context, tx pgx.Tx, generation int, batch []*fresh) error

	// For a projection that does something in the world: see mail.go.
	works  func(Event) bool                              // for which there is work to do
	told   func(ctx context.Context, effects []*fresh)   // says that it was done
	recall func(ctx context.Context, p *Projector) error // says what was done just before
}

var projections = map[string]projection{
	"customers": {name: "customers", table: "customer_orders", apply: applyCustomers},
	"stock":     {name: "stock", table: "stock", apply: applyStock},
	"sales":     {name: "sales", table: "sales", apply: applySales},
	"mail":      {name: "mail", apply: applyMail, works: isPlaced, told: tellMail, recall: recallMail},
}

// applyCustomers keeps the orders of each customer.
func applyCustomers(ctx context.Context, tx pgx.Tx, generation int, batch []*fresh) error {
	type row struct {
		customer, status string
		pieces, cents    int64
		version          int32
	}
	changed := map[uuid.UUID]row{}
	for _, f := range batch {
		r := changed[f.Stream]
		r.version = int32(f.Version)
		switch e := f.event.(type) {
		case OrderPlaced:
			r.customer, r.status = e.customer(), string(Placed)
			r.pieces, r.cents = pieces(e.Items), cents(e.Items)
		case ItemsAdded:
			r.pieces, r.cents = r.pieces+pieces(e.Items), r.cents+cents(e.Items)
		case OrderCancelled:
			r.status = string(Cancelled)
		}
		changed[f.Stream] = r
	}
	var orders [][16]byte
	var customers, statuses []string
	var sums, totals []int64
	var versions []int32
	for id, r := range changed {
		orders, customers = append(orders, id), append(customers, r.customer)
		statuses, versions = append(statuses, r.status), append(versions, r.version)
		sums, totals = append(sums, r.pieces), append(totals, r.cents)
	}
	// An order whose placing is in this batch has its customer and its status; of others
	// only what has changed is known.
	_, err := tx.Exec(ctx, `
		INSERT INTO customer_orders AS o
			(generation, order_id, customer, status, pieces, total_cents, version)
		SELECT $1, n.* FROM unnest($2::uuid[], $3::text[], $4::text[], $5::bigint[],
			$6::bigint[], $7::int[]) n (order_id) ORDER BY order_id
		ON CONFLICT (generation, order_id) DO UPDATE SET
			status = CASE WHEN excluded.status = '' THEN o.status ELSE excluded.status END,
			pieces = o.pieces + excluded.pieces,
			total_cents = o.total_cents + excluded.total_cents,
			version = excluded.version`,
		generation, orders, customers, statuses, sums, totals, versions)
	return err
}

// applyStock keeps how many pieces are set aside.
func applyStock(ctx context.Context, tx pgx.Tx, generation int, batch []*fresh) error {
	reserved := map[string]int64{}
	for _, f := range batch {
		switch e := f.event.(type) {
		case OrderPlaced:
			addPieces(reserved, e.Items, 1)
		case ItemsAdded:
			addPieces(reserved, e.Items, 1)
		case OrderCancelled:
			addPieces(reserved, e.Items, -1)
		}
	}
	skus, numbers := inArrays(reserved)
	// In the order of their names: two that lock rows in two orders wait for each other.
	_, err := tx.Exec(ctx, `
		INSERT INTO stock AS s (generation, sku, reserved)
		SELECT $1, sku, n FROM unnest($2::text[], $3::bigint[]) u (sku, n) ORDER BY sku
		ON CONFLICT (generation, sku) DO UPDATE SET reserved = s.reserved + excluded.reserved`,
		generation, skus, numbers)
	return err
}

// applySales keeps what was sold on each day. The day is that of the event, by the clock that
// all events have in common; a projector that looked at its own would build other days the
// next time.
func applySales(ctx context.Context, tx pgx.Tx, generation int, batch []*fresh) error {
	orders, money := map[string]int64{}, map[string]int64{}
	for _, f := range batch {
		day := f.RecordedAt.UTC().Format(time.DateOnly)
		switch e := f.event.(type) {
		case OrderPlaced:
			orders[day]++
			money[day] += cents(e.Items)
		case ItemsAdded:
			money[day] += cents(e.Items)
		case OrderCancelled:
			money[day] -= cents(e.Items)
		}
	}
	days, sums := inArrays(money)
	var counts []int64
	for _, day := range days {
		counts = append(counts, orders[day])
	}
	_, err := tx.Exec(ctx, `
		INSERT INTO sales AS s (generation, day, orders, cents)
		SELECT $1, day::date, orders, cents
		FROM unnest($2::text[], $3::bigint[], $4::bigint[]) u (day, orders, cents) ORDER BY day
		ON CONFLICT (generation, day) DO UPDATE
		SET orders = s.orders + excluded.orders, cents = s.cents + excluded.cents`,
		generation, days, counts, sums)
	return err
}

func pieces(items []shop.Item) (n int64) {
	for _, item := range items {
		n += int64(item.Quantity)
	}
	return n
}

func cents(items []shop.Item) int64 { return shop.Order{Items: items}.TotalCents() }

func addPieces(to map[string]int64, items []shop.Item, sign int64) {
	for _, item := range items {
		to[item.SKU] += sign * int64(item.Quantity)
	}
}

// inArrays are a map's keys and values, as unnest takes them.
func inArrays(m map[string]int64) (keys []string, values []int64) {
	for _, key := range slices.Sorted(maps.Keys(m)) {
		keys, values = append(keys, key), append(values, m[key])
	}
	return keys, values
}
