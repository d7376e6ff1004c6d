package saga

// bindings says which queue gets which messages. It is the whole difference
// between the two architectures: who listens to whom.
func bindings(v variant) map[string][]Kind {
	if v.choreography {
		return choreography
	}
	return orchestration
}

// orchestration is a star. Services get commands, and nothing of each other; the
// orchestrator gets all answers.
var orchestration = map[string][]Kind{
	"orchestrator": {OrderPlaced, Resume,
		PaymentCharged, PaymentRefused, PaymentRefunded, RefundFailed,
		StockReserved, StockRefused, StockReleased, ReleaseFailed,
		OrderShipped, ShippingRefused, ShipmentRecalled, RecallFailed},
	"payment":   {ChargePayment, RefundPayment},
	"inventory": {ReserveStock, ReleaseStock},
	"shipping":  {ShipOrder, RecallShipment},
	"website":   {SagaMoved},
}

// choreography is a dance: each service listens to what the one before it did, or
// to what the one behind it undid, and does its part. The website listens to
// everything, because somebody has to know how far an order is.
//
// To add a step between inventory and shipping, both must listen to it: find the
// two lines. With the orchestrator it is two states, in one file.
var choreography = map[string][]Kind{
	"payment":   {OrderPlaced, StockRefused, StockReleased, RefundPayment},
	"inventory": {PaymentCharged, ShippingRefused},
	"shipping":  {StockReserved},
	"website": {OrderPlaced, PaymentCharged, PaymentRefused, PaymentRefunded, RefundFailed,
		StockReserved, StockRefused, StockReleased, ReleaseFailed, OrderShipped, ShippingRefused},
}

// commands says which messages a service reacts to, and whether with its
// compensation. In a choreography the others' events are its commands.
func commands(v variant, b Business) map[Kind]bool {
	if !v.choreography {
		return map[Kind]bool{b.Command: false, b.Compensation: true}
	}
	return map[string]map[Kind]bool{
		"payment": {OrderPlaced: false,
			StockRefused: true, StockReleased: true, RefundPayment: true},
		"inventory": {PaymentCharged: false, ShippingRefused: true},
		"shipping":  {StockReserved: false},
	}[b.Name]
}

// seenFrom is what the website makes of an event of the choreography: the state,
// and a number by which the later of two events wins. Nobody tells it; it has to
// know the whole dance.
var seenFrom = map[Kind]struct {
	State   State
	Version int
}{
	OrderPlaced:     {ChargingPayment, 1},
	PaymentCharged:  {ReservingStock, 2},
	StockReserved:   {ArrangingShipment, 3},
	OrderShipped:    {Accepted, 4},
	ShippingRefused: {ReleasingStock, 5},
	StockRefused:    {RefundingPayment, 6},
	StockReleased:   {RefundingPayment, 7},
	ReleaseFailed:   {Parked, 7},
	RefundFailed:    {Parked, 8},
	PaymentRefunded: {Cancelled, 9},
	PaymentRefused:  {Cancelled, 10},
}
