//go:build exercise

package join

import (
	"slices"
	"testing"
	"time"
)

// record is an order or a payment, so many seconds after noon.
type record struct {
	payment bool
	id      string
	seconds int
}

func order(id string, seconds int) record   { return record{false, id, seconds} }
func payment(id string, seconds int) record { return record{true, id, seconds} }

func TestJoin(t *testing.T) {
	noon := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		name string
		log  []record
		want []string // unpaid
	}{
		{"both streams at the same speed", []record{
			order("a", 0), payment("a", 10), order("b", 100), payment("b", 110), order("c", 200), payment("c", 210),
		}, nil},
		{"orders are read faster", []record{
			order("a", 0), order("b", 100), order("c", 200), payment("a", 10), payment("b", 110), payment("c", 210),
		}, nil},
		{"payments are read faster", []record{
			payment("a", 10), payment("b", 110), payment("c", 210), order("a", 0), order("b", 100), order("c", 200),
		}, nil},
		{"nobody pays for a", []record{
			order("a", 0), order("b", 100), payment("b", 110), order("c", 200), payment("c", 210),
		}, []string{"a"}},
		{"the payment of a is too late", []record{
			order("a", 0), payment("a", 61), order("b", 100), payment("b", 110),
		}, []string{"a"}},
		{"it is too late, and read before the order", []record{
			payment("a", 61), payment("b", 110), order("a", 0), order("b", 100),
		}, []string{"a"}},
		{"in the last moment", []record{
			order("a", 0), payment("a", 60), order("b", 100), payment("b", 110),
		}, nil},
		{"no payment has been read yet", []record{order("a", 0), order("b", 1000)}, nil},
	} {
		var j Join
		var got []string
		for _, r := range tt.log {
			at := noon.Add(time.Duration(r.seconds) * time.Second)
			if r.payment {
				got = append(got, j.Payment(r.id, at)...)
			} else {
				got = append(got, j.Order(r.id, at)...)
			}
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: %v are unpaid, want %v", tt.name, got, tt.want)
		}
	}
}
