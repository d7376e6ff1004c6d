package streams

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Book is what the log and the sums say when they are laid side by side.
type Book struct {
	// Lost are orders that are in the log and in no sum of the group that serves the customers. It is left out where it is 0: the log cannot
	// know what it has lost itself.
	Lost       int `json:"lost,omitempty"`
	Duplicated int `json:"duplicated"` // orders that are in a sum and not, or not so often, in the log
	Differing  int `json:"differing"`  // sums, of any group, that are not what the log says
	Overtaken  int `json:"overtaken"`  // orders that were counted after a later one of their customer
}

// auditTime bounds the reading of everything.
const auditTime = time.Minute

// ReadBook adds up the whole log by itself, order by order and without any of the consumers' code for
// windows, and compares with what each group has in its tables.
func ReadBook(ctx context.Context, log Log, pool *pgxpool.Pool, settings Settings) (Book, error) {
	ctx, cancel := context.WithTimeout(ctx, auditTime)
	defer cancel()
	var book Book
	rows, err := pool.Query(ctx, `SELECT DISTINCT reader_group FROM progress`)
	if err != nil {
		return book, fmt.Errorf("audit: %w", explain(err))
	}
	groups, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return book, fmt.Errorf("audit: %w", explain(err))
	}
	for _, group := range groups {
		if err := book.compare(ctx, log, pool, settings, group); err != nil {
			return book, fmt.Errorf("audit of %s: %w", group, err)
		}
	}
	err = pool.QueryRow(ctx, `SELECT coalesce(sum(overtaken), 0) FROM customers`).Scan(&book.Overtaken)
	if err != nil {
		return book, fmt.Errorf("audit: %w", explain(err))
	}
	return book, nil
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
	ctx context.Context, log Log, pool *pgxpool.Pool, settings Settings, group string,
) error {
	f, err := fold(ctx, log, pool, settings, group)
	if err != nil {
		return err
	}
	have, err := readSums(ctx, pool, group, f.orders)
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
}

// fold adds up what the group has read, by whole numbers of milliseconds.
func fold(
	ctx context.Context, log Log, pool *pgxpool.Pool, settings Settings, group string,
) (folded, error) {
	f := folded{sums: map[account]amounts{}, orders: map[string]map[account]amounts{}}
	dead, err := readDead(ctx, pool, group)
	if err != nil {
		return f, err
	}
	ends, err := log.Ends(ctx)
	if err != nil {
		return f, err
	}
	for partition := range settings.Partitions {
		var position int64
		err := pool.QueryRow(ctx, `SELECT position FROM progress
			WHERE reader_group = $1 AND partition = $2`, group, partition).Scan(&position)
		upTo := min(uint64(position), ends[partition]) // a log that has lost records may end before
		if errors.Is(err, pgx.ErrNoRows) || err == nil && upTo == 0 {
			continue
		}
		if err == nil {
			err = f.partition(ctx, log, partition, upTo, dead, settings)
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
	ctx context.Context, log Log, partition int, upTo uint64, dead map[[2]int64]bool,
	settings Settings,
) error {
	reader, err := log.Read(ctx, partition, 0)
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
				if err := f.order(r, settings); err != nil {
					return err
				}
			}
			if r.Offset == upTo {
				return nil
			}
		}
	}
}

func (f *folded) order(r Record, settings Settings) error {
	order, err := decode(r.Body)
	if err != nil {
		return fmt.Errorf("record %d of partition %d is not among the dead: %w",
			r.Offset, r.Partition, err)
	}
	adds := map[account]amounts{}
	at, every := min(order.PlacedAt.UnixMilli(), r.Appended.UnixMilli()), settings.Window.Milliseconds()
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
	return nil
}

func readDead(ctx context.Context, pool *pgxpool.Pool, group string) (map[[2]int64]bool, error) {
	rows, err := pool.Query(ctx, `SELECT partition, position FROM dead WHERE reader_group = $1`, group)
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
	ctx context.Context, pool *pgxpool.Pool, group string, orders map[string]map[account]amounts,
) (map[account]amounts, error) {
	sums := map[account]amounts{}
	rows, err := pool.Query(ctx, `SELECT ends, starts, product, sum(orders)::bigint,
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
	rows, err = pool.Query(ctx, `SELECT order_id, starts, ends FROM too_late
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
