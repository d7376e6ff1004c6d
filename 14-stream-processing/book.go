package streams

import (
	"context"
	"errors"
	"fmt"
	"time"

	"course.example/shop"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Book is what the log and the sums say when they are laid side by side.
type Book struct {
	// Lost are orders that are in the log and in no sum of the group that serves the customers. It is left out where it is 0: the log cannot
	// know what it has lost itself.
	Lost       int `json:"lost,omitempty"`
	Duplicated int `json:"duplicated"` // orders that are in a sum and not, or not so often, in the log
	Differing  int `json:"differing"`  // sums and outcomes, of any group, that are not what the log says
	Misjoined  int `json:"misjoined"`  // of these, outcomes of orders and payments
	Unpaid     int `json:"unpaid"`     // orders whose time to pay is over, of the group that serves the customers
	Overtaken  int `json:"overtaken"`  // orders that were counted after a later one of their customer
}

// auditTime bounds the reading of everything.
const auditTime = time.Minute

// ReadBook adds up the whole log by itself, record by record and without any of the consumers' code for
// windows and joins, and compares with what each group has in its tables. It sees these as they were at
// one moment: the consumers may go on.
func ReadBook(ctx context.Context, log Log, pool *pgxpool.Pool, settings Settings) (book Book, err error) {
	ctx, cancel := context.WithTimeout(ctx, auditTime)
	defer cancel()
	snapshot := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	err = pgx.BeginTxFunc(ctx, pool, snapshot, func(tx pgx.Tx) error {
		return book.read(ctx, log, tx, settings)
	})
	if err != nil {
		return book, fmt.Errorf("audit: %w", explain(err))
	}
	return book, nil
}

func (b *Book) read(ctx context.Context, log Log, tx pgx.Tx, settings Settings) error {
	rows, err := tx.Query(ctx, `SELECT DISTINCT reader_group FROM progress`)
	if err != nil {
		return err
	}
	groups, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	for _, group := range groups {
		if err := b.compare(ctx, log, tx, settings, group); err != nil {
			return fmt.Errorf("group %s: %w", group, err)
		}
	}
	return tx.QueryRow(ctx, `SELECT coalesce(sum(overtaken), 0) FROM customers`).Scan(&b.Overtaken)
}

// account is a sum by its place: the size of the window in milliseconds, its beginning, the product.
type account struct {
	size, start int64
	product     string
}

// amounts are orders, pieces and cents.
type amounts [3]int64

func (a amounts) plus(b amounts) amounts { return amounts{a[0] + b[0], a[1] + b[1], a[2] + b[2]} }

func (b *Book) compare(
	ctx context.Context, log Log, tx pgx.Tx, settings Settings, group string,
) error {
	f, err := fold(ctx, log, tx, settings, group)
	if err != nil {
		return err
	}
	if err := b.compareOutcomes(ctx, tx, settings, group, f.halves); err != nil {
		return err
	}
	have, err := readSums(ctx, tx, group, f.orders)
	if err != nil {
		return err
	}
	for place := range f.sums {
		if _, there := have[place]; !there {
			have[place] = amounts{}
		}
	}
	for place, got := range have {
		want := f.sums[place]
		if got == want {
			continue
		}
		b.Differing++
		if group == DefaultGroup && place.product == AllProducts && place.size == settings.Window.Milliseconds() {
			b.Lost += int(max(0, want[0]-got[0]))
			b.Duplicated += int(max(0, got[0]-want[0]))
		}
	}
	return nil
}

// folded is a log added up.
type folded struct {
	sums   map[account]amounts
	orders map[string]map[account]amounts // what each order adds
	halves map[int][]half                 // orders and payments of each partition
}

func newFolded() folded {
	return folded{
		sums: map[account]amounts{}, orders: map[string]map[account]amounts{}, halves: map[int][]half{},
	}
}

// fold adds up what the group has read, by whole numbers of milliseconds.
func fold(
	ctx context.Context, log Log, tx pgx.Tx, settings Settings, group string,
) (folded, error) {
	f := newFolded()
	dead, err := readDead(ctx, tx, group)
	if err != nil {
		return f, err
	}
	ends, err := log.Ends(ctx)
	if err != nil {
		return f, err
	}
	for partition := range settings.Partitions {
		var began, position int64
		err := tx.QueryRow(ctx, `SELECT began, position FROM progress
			WHERE reader_group = $1 AND partition = $2`, group, partition).Scan(&began, &position)
		after, upTo := uint64(began), min(uint64(position), ends[partition]) // a log may have lost its end
		if errors.Is(err, pgx.ErrNoRows) || err == nil && upTo <= after {
			continue
		}
		if err == nil {
			err = f.partition(ctx, log, partition, after, upTo, dead, settings)
		}
		if err != nil {
			return f, err
		}
	}
	for _, adds := range f.orders {
		for place, add := range adds {
			f.sums[place] = f.sums[place].plus(add)
		}
	}
	return f, nil
}

func (f *folded) partition(
	ctx context.Context, log Log, partition int, after, upTo uint64, dead map[[2]int64]bool,
	settings Settings,
) error {
	reader, err := log.Read(ctx, partition, after)
	if err != nil {
		return err
	}
	defer reader.Close()
	for {
		records, err := reader.Batch(ctx, 1000)
		if err != nil {
			return err
		}
		for _, r := range records {
			if r.Offset > upTo {
				return nil
			}
			if !dead[[2]int64{int64(partition), int64(r.Offset)}] {
				if err := f.record(r, settings); err != nil {
					return err
				}
			}
			if r.Offset == upTo {
				return nil
			}
		}
	}
}

func (f *folded) record(r Record, settings Settings) error {
	event, err := decode(r.Body)
	if err != nil {
		return fmt.Errorf("record %d of partition %d is not among the dead: %w",
			r.Offset, r.Partition, err)
	}
	h := half{event.ID, false, min(event.PlacedAt.UnixMilli(), r.Appended.UnixMilli()), r.Offset}
	if p := event.Payment; p != nil {
		h = half{p.OrderID, true, min(p.PaidAt.UnixMilli(), r.Appended.UnixMilli()), r.Offset}
	}
	f.halves[r.Partition] = append(f.halves[r.Partition], h)
	if !h.payment {
		f.order(event.Order, h.at, settings)
	}
	return nil
}

func (f *folded) order(order shop.Order, at int64, settings Settings) {
	adds := map[account]amounts{}
	every := settings.Window.Milliseconds()
	for _, n := range []int64{1, int64(settings.Sliding)} {
		size := n * every
		first := (at-size)/every*every + every
		for start := first; start <= at; start += every {
			once := map[string]bool{}
			for _, item := range order.Items {
				for _, product := range []string{item.SKU, AllProducts} {
					place, add := account{size, start, product}, amounts{
						0, int64(item.Quantity), int64(item.Quantity) * item.PriceCents,
					}
					if !once[product] {
						add[0], once[product] = 1, true
					}
					adds[place] = adds[place].plus(add)
				}
			}
		}
	}
	if _, twice := f.orders[order.ID]; !twice {
		f.orders[order.ID] = adds
	}
}

func readDead(ctx context.Context, tx pgx.Tx, group string) (map[[2]int64]bool, error) {
	rows, err := tx.Query(ctx, `SELECT partition, position FROM dead WHERE reader_group = $1`, group)
	if err != nil {
		return nil, err
	}
	dead := map[[2]int64]bool{}
	var at [2]int64
	_, err = pgx.ForEachRow(rows, []any{&at[0], &at[1]}, func() error {
		dead[at] = true
		return nil
	})
	return dead, err
}

// readSums returns the sums of a group, with what came too late for a window added to it.
func readSums(
	ctx context.Context, tx pgx.Tx, group string, orders map[string]map[account]amounts,
) (map[account]amounts, error) {
	sums := map[account]amounts{}
	rows, err := tx.Query(ctx, `SELECT ends, starts, product, sum(orders)::bigint,
			sum(pieces)::bigint, sum(cents)::bigint
		FROM windows WHERE reader_group = $1 GROUP BY 1, 2, 3`, group)
	if err != nil {
		return nil, err
	}
	var starts, ends time.Time
	var product, id string
	var a amounts
	_, err = pgx.ForEachRow(rows, []any{&ends, &starts, &product, &a[0], &a[1], &a[2]}, func() error {
		sums[account{ends.Sub(starts).Milliseconds(), starts.UnixMilli(), product}] = a
		return nil
	})
	if err != nil {
		return nil, err
	}
	rows, err = tx.Query(ctx, `SELECT order_id, starts, ends FROM too_late
		WHERE reader_group = $1`, group)
	if err != nil {
		return nil, err
	}
	_, err = pgx.ForEachRow(rows, []any{&id, &starts, &ends}, func() error {
		for place, add := range orders[id] {
			if place.start == starts.UnixMilli() && place.size == ends.Sub(starts).Milliseconds() {
				sums[place] = sums[place].plus(add)
			}
		}
		return nil
	})
	return sums, err
}
