package saga

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"course.example/shop"
	"github.com/jackc/pgx/v5"
)

// openingStock is how many pieces of everything there are in the beginning.
const openingStock = 1_000_000

// Inventory takes goods off the shelf and puts them back.
func Inventory() Business {
	return Business{
		Name:   "inventory",
		Amount: pieces,
		Do: func(ctx context.Context, tx pgx.Tx, order shop.Order) (string, error) {
			if of(order, SoldOutDomain) {
				return "sold out", nil
			}
			return takeStock(ctx, tx, order)
		},
		Undo: func(ctx context.Context, tx pgx.Tx, m Message) (string, error) {
			_, err := moveStock(ctx, tx, m.Order, +1)
			return "", err
		},
		DoIt: ReserveStock, Yes: StockReserved, No: StockRefused,
		UndoIt: ReleaseStock, Taken: StockReleased,
	}
}

func pieces(order shop.Order) int64 {
	var n int64
	for _, item := range order.Items {
		n += int64(item.Quantity)
	}
	return n
}

// takeStock takes all items or none: a savepoint takes back the first ones when a
// later one is sold out, and leaves the rest of the transaction alone.
func takeStock(ctx context.Context, tx pgx.Tx, order shop.Order) (refusal string, err error) {
	attempt, err := tx.Begin(ctx)
	if err != nil {
		return "", fmt.Errorf("stock: %w", err)
	}
	missing, err := moveStock(ctx, attempt, order, -1)
	if err != nil {
		return "", err
	}
	if missing != "" {
		return "sold out: " + missing, attempt.Rollback(ctx)
	}
	return "", attempt.Commit(ctx)
}

// moveStock goes through the items in the order of their names. Two orders that
// lock the same rows in different orders would wait for each other for ever.
func moveStock(
	ctx context.Context, tx pgx.Tx, order shop.Order, sign int64,
) (missing string, err error) {
	items := slices.SortedFunc(slices.Values(order.Items), func(a, b shop.Item) int {
		return strings.Compare(a.SKU, b.SKU)
	})
	for _, item := range items {
		if _, err := tx.Exec(ctx, `INSERT INTO stock (sku, quantity) VALUES ($1, $2)
			ON CONFLICT DO NOTHING`, item.SKU, openingStock); err != nil {
			return "", fmt.Errorf("stock: %w", err)
		}
		tag, err := tx.Exec(ctx, `UPDATE stock SET quantity = quantity + $2
			WHERE sku = $1 AND quantity + $2 >= 0`, item.SKU, sign*int64(item.Quantity))
		if err != nil {
			return "", fmt.Errorf("stock: %w", err)
		}
		if tag.RowsAffected() == 0 {
			return item.SKU, nil
		}
	}
	return "", nil
}
