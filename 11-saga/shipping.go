package saga

import (
	"context"

	"course.example/shop"
	"github.com/jackc/pgx/v5"
)

// Shipping sends parcels, and can call one back before the van has left.
func Shipping() Business {
	return Business{
		Name:   "shipping",
		Amount: func(shop.Order) int64 { return 1 },
		Do: func(_ context.Context, _ pgx.Tx, order shop.Order) (string, error) {
			if of(order, NowhereDomain) || of(order, ClosedDomain) {
				return "nobody delivers there", nil
			}
			return "", nil
		},
		Undo: func(context.Context, pgx.Tx, Message) (string, error) { return "", nil },
		DoIt: ShipOrder, Yes: OrderShipped, No: ShippingRefused,
		UndoIt: RecallShipment, Taken: ShipmentRecall,
	}
}
