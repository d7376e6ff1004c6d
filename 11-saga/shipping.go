package saga

import "course.example/shop"

// Shipping sends parcels, and can call one back before the van has left.
func Shipping() Business {
	return Business{
		Name:    "shipping",
		Command: ShipOrder, Done: OrderShipped, Refused: ShippingRefused,
		Compensation: RecallShipment, Compensated: ShipmentRecalled, Failed: RecallFailed,
		Effect: func(shop.Order) map[string]int64 { return map[string]int64{"parcels": 1} },
		Refuses: func(order shop.Order) string {
			if of(order, NowhereDomain, ClosedDomain) {
				return "nobody delivers there"
			}
			return ""
		},
		CannotUndo: func(Message) string { return "" },
	}
}
