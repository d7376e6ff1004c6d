package saga

import (
	"context"
	"fmt"
	"strings"

	"course.example/shop"
	"github.com/jackc/pgx/v5"
)

// openingStock is how many pieces of everything there are in the beginning, but
// for products whose name begins with lastPiece, so that a lecturer can sell out.
const (
	openingStock = 1_000_000
	lastPiece    = "LAST-"
)

// Inventory takes goods off the shelf and puts them back.
func Inventory() Business {
	return Business{
		Name:    "inventory",
		Command: ReserveStock, Done: StockReserved, Refused: StockRefused,
		Compensation: ReleaseStock, Compensated: StockReleased, Failed: ReleaseFailed,
		Effect: pieces,
		Refuses: func(order shop.Order) string {
			if of(order, SoldOutDomain) {
				return "sold out"
			}
			return ""
		},
		CannotUndo: func(Message) string { return "" },
		Shelf:      stock{},
	}
}

// pieces are those of each product.
func pieces(order shop.Order) map[string]int64 {
	n := map[string]int64{}
	for _, item := range order.Items {
		n[item.SKU] += int64(item.Quantity)
	}
	return n
}

// stock is the [Shelf] in the table of that name.
type stock struct{}

// Look locks nothing: what everybody needs is locked for as short as can be.
func (stock) Look(
	ctx context.Context, tx pgx.Tx, products []string,
) (map[string]int64, error) {
	rows, err := tx.Query(ctx, `SELECT sku, quantity FROM stock WHERE sku = ANY($1)`, products)
	if err != nil {
		return nil, fmt.Errorf("stock: %w", err)
	}
	left := map[string]int64{}
	for _, sku := range products {
		left[sku] = opening(sku)
	}
	var sku string
	var quantity int64
	if _, err := pgx.ForEachRow(rows, []any{&sku, &quantity}, func() error {
		left[sku] = quantity
		return nil
	}); err != nil {
		return nil, fmt.Errorf("stock: %w", err)
	}
	return left, nil
}

func opening(sku string) int64 {
	if strings.HasPrefix(sku, lastPiece) {
		return 1
	}
	return openingStock
}

// Take is one statement for the whole batch, in the order of the products' names.
func (stock) Take(ctx context.Context, tx pgx.Tx, amounts map[string]int64) error {
	var rows columns
	for _, sku := range sorted(amounts) {
		rows.add(sku, opening(sku), amounts[sku])
	}
	if err := rows.exec(ctx, tx, `INSERT INTO stock AS s (sku, opening, quantity)
		SELECT sku, opening, opening - amount
		FROM unnest($1::text[], $2::bigint[], $3::bigint[]) AS n (sku, opening, amount)
		ON CONFLICT (sku) DO UPDATE
		SET quantity = s.quantity - (excluded.opening - excluded.quantity)
		WHERE s.quantity >= excluded.opening - excluded.quantity`); err != nil {
		return fmt.Errorf("stock: %w", err)
	}
	return nil
}
