//go:build exercise

package machine

import (
	"slices"
	"testing"

	saga "course.example/11-saga"
)

// services answer each command, with yes or with no, and what it does.
var services = map[saga.Kind]struct {
	yes, no saga.Kind
	effect  string
	change  int
}{
	saga.ChargePayment: {saga.PaymentCharged, saga.PaymentRefused, "the money", +1},
	saga.RefundPayment: {saga.PaymentRefunded, "", "the money", -1},
	saga.ReserveStock:  {saga.StockReserved, saga.StockRefused, "the goods", +1},
	saga.ReleaseStock:  {saga.StockReleased, "", "the goods", -1},
	Wrap:               {Wrapped, NoPaper, "the paper", +1},
	Unwrap:             {Unwrapped, "", "the paper", -1},
	saga.ShipOrder:     {saga.OrderShipped, saga.ShippingRefused, "the parcel", +1},
}

func TestEndsWithAllOrNothing(t *testing.T) {
	cases := []struct {
		name, refuses string
		end           saga.State
		sent          []saga.Kind
	}{
		{"all say yes", "", saga.Accepted,
			[]saga.Kind{saga.ChargePayment, saga.ReserveStock, Wrap, saga.ShipOrder}},
		{"payment says no", "the money", saga.Cancelled, []saga.Kind{saga.ChargePayment}},
		{"inventory says no", "the goods", saga.Cancelled,
			[]saga.Kind{saga.ChargePayment, saga.ReserveStock, saga.RefundPayment}},
		{"wrapping says no", "the paper", saga.Cancelled, []saga.Kind{saga.ChargePayment,
			saga.ReserveStock, Wrap, saga.ReleaseStock, saga.RefundPayment}},
		{"shipping says no", "the parcel", saga.Cancelled, []saga.Kind{saga.ChargePayment,
			saga.ReserveStock, Wrap, saga.ShipOrder, Unwrap, saga.ReleaseStock, saga.RefundPayment}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			end, kept, sent := lead(t, c.refuses)
			if kept["the parcel"] != 0 && kept["the paper"] == 0 {
				t.Errorf("the order is shipped, and not wrapped; it has sent %v", sent)
			}
			for what, n := range kept {
				if end == saga.Cancelled && n != 0 {
					t.Errorf("the order is Cancelled, and %s is kept; it has sent %v", what, sent)
				}
			}
			if end != c.end || !slices.Equal(sent, c.sent) {
				t.Errorf("it ends as %s and has sent %v; want %s and %v", end, sent, c.end, c.sent)
			}
		})
	}
}

// lead leads one order to its end, and returns what has been done and not undone.
func lead(t *testing.T, refuses string) (saga.State, map[string]int, []saga.Kind) {
	t.Helper()
	state, event, kept := saga.Initially, saga.OrderPlaced, map[string]int{}
	var sent []saga.Kind
	for range 20 {
		next, known := Machine[state][event]
		if !known {
			t.Fatalf("in state %s, %s means nothing to the machine", state, event)
		}
		state = next.To
		if state == saga.Accepted || state == saga.Cancelled {
			return state, kept, sent
		}
		service, known := services[next.Send]
		if !known {
			t.Fatalf("in state %s nothing is sent that anybody answers: %q", state, next.Send)
		}
		sent = append(sent, next.Send)
		if event = service.yes; service.effect == refuses && service.no != "" {
			event = service.no
			continue
		}
		kept[service.effect] += service.change
	}
	t.Fatalf("after 20 steps it is in state %s, and has sent %v", state, sent)
	return state, kept, sent
}
