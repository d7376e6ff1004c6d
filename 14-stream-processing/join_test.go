package streams

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

const (
	payWithin = 10 * time.Second
	paySlack  = 2 * time.Second
)

// traffic is two streams of which every eighth order is not paid, every eighth too late, every eighth
// twice, and of which records overtake each other by less than the slack.
func traffic(n int, random *rand.Rand) (orders, payments []Half) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	jitter := func() time.Duration { return time.Duration(random.Int64N(int64(paySlack))) }
	for i := range n {
		at := start.Add(time.Duration(i) * 100 * time.Millisecond)
		order := placed(fmt.Sprint("order-", i), at.Add(-jitter()))
		orders = append(orders, order)
		pay := func(after time.Duration) {
			payments = append(payments, payment(order.OrderID, order.At.Add(after)))
		}
		switch i % 8 {
		case 0:
		case 1:
			pay(payWithin + time.Millisecond)
		case 2:
			pay(0)
			pay(0)
		default:
			pay(payWithin * time.Duration(i%8) / 8)
		}
	}
	payments = append(payments, payment("nobody's", start.Add(time.Second)))
	jitters := map[Half]time.Time{}
	for _, p := range payments {
		jitters[p] = p.At.Add(jitter())
	}
	slices.SortStableFunc(payments, func(a, b Half) int { return jitters[a].Compare(jitters[b]) })
	return orders, payments
}

func placed(id string, at time.Time) Half { return Half{OrderID: id, At: at, Cents: 100} }

func payment(id string, at time.Time) Half {
	return Half{Payment: true, OrderID: id, At: at, Cents: 100}
}

// foldPairs says what must come out, from all records at once and without any watermark.
func foldPairs(orders, payments []Half) map[string]int {
	want, left := map[string]int{}, map[string]Half{}
	for _, o := range orders {
		left[o.OrderID] = o
	}
	for _, p := range payments {
		o, there := left[p.OrderID]
		outcome := Unmatched
		if late := p.At.Sub(o.At); there && late >= 0 && late <= payWithin {
			outcome = Paid
			delete(left, p.OrderID)
		}
		want[string(outcome)+" "+p.OrderID]++
	}
	for id := range left {
		want[string(Unpaid)+" "+id]++
	}
	return want
}

// Whichever of the two streams is read faster, and by how much: the same comes out.
func TestJoinIsWhatAFoldSays(t *testing.T) {
	t.Parallel()
	for seed := range uint64(50) {
		random := rand.New(rand.NewPCG(seed, 0))
		orders, payments := traffic(400, random)
		share := []float64{0.02, 0.5, 0.98}[seed%3] // of the steps that read an order
		j, got := NewJoin(payWithin, paySlack), map[string]int{}
		take := func(known []Fate) {
			for _, k := range known {
				if k.Outcome != Waiting && (k.Outcome != Paid || !k.Payment) { // a pair counts once
					got[string(k.Outcome)+" "+k.OrderID]++
				}
			}
		}
		for o, p := 0, 0; o < len(orders) || p < len(payments); {
			if p == len(payments) || o < len(orders) && random.Float64() < share {
				take(j.AddOrder(orders[o]))
				if o++; o%50 == 0 {
					take(j.AddOrder(orders[o-1])) // stands in the log twice
				}
			} else {
				take(j.AddPayment(payments[p]))
				p++
			}
			if random.IntN(5) == 0 {
				take(j.Close())
			}
		}
		end := orders[len(orders)-1].At.Add(time.Hour) // a last record of each stream moves the watermark
		take(j.AddOrder(placed("end", end)))
		take(j.AddPayment(payment("end", end)))
		take(j.Close())
		delete(got, "paid end")
		if want := foldPairs(orders, payments); !maps.Equal(got, want) {
			t.Fatalf("seed %d: %d outcomes, want %d: %v", seed, len(got), len(want), differ(got, want))
		}
		if n := j.Waiting(); n > 1 {
			t.Errorf("seed %d: %d halves wait at the end", seed, n)
		}
	}
}

// differ is what two counts do not have in common.
func differ(got, want map[string]int) (all []string) {
	for _, pair := range [][2]map[string]int{{got, want}, {want, got}} {
		for key, n := range pair[0] {
			if pair[1][key] != n {
				all = append(all, fmt.Sprintf("%s: got %d, want %d", key, got[key], want[key]))
			}
		}
	}
	return all
}

// What waits is bounded by the window, however long the streams are. The variant keeps all that nobody
// has paid, and grows with them.
func TestJoinStateIsBounded(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		change  func(*Join)
		bounded bool
	}{{"right", func(*Join) {}, true}, {"unbounded-join", unboundedJoin, false}} {
		orders, payments := traffic(2000, rand.New(rand.NewPCG(1, 0)))
		j, most, p := NewJoin(payWithin, paySlack), 0, 0
		c.change(j)
		for _, order := range orders {
			j.AddOrder(order)
			for ; p < len(payments) && payments[p].At.Before(order.At); p++ {
				j.AddPayment(payments[p])
			}
			j.Close()
			most = max(most, j.Waiting())
		}
		// Ten orders a second, whose windows are open for the time to pay and the slack of both streams.
		limit := 2 * 10 * int((payWithin+2*paySlack)/time.Second)
		if (most <= limit) != c.bounded {
			t.Errorf("%s: up to %d halves are kept, the limit is %d", c.name, most, limit)
		}
	}
}

// However late a record comes, however often an order stands in the log, and whenever the join is closed:
// what becomes of a record is what the book says, which closes nothing.
func TestJoinIsWhatTheBookSays(t *testing.T) {
	t.Parallel()
	settings := Settings{PayWithin: payWithin, Slack: paySlack}
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	seen := map[Outcome]int{}
	for seed := range uint64(100) {
		random := rand.New(rand.NewPCG(seed, 1))
		log := lateTraffic(100, start, random)
		j, got, events := NewJoin(payWithin, paySlack), map[uint64]Outcome{}, []half{}
		for _, h := range log {
			fates := j.AddOrder
			if h.Payment {
				fates = j.AddPayment
			}
			known := fates(h)
			if random.IntN(4) == 0 || h.Offset == uint64(len(log)) {
				known = append(known, j.Close()...)
			}
			for _, f := range known {
				got[f.Offset] = f.Outcome
			}
			events = append(events, half{h.OrderID, h.Payment, h.At.UnixMilli(), h.Offset})
		}
		for offset, outcome := range got {
			seen[outcome]++
			if outcome == Waiting {
				delete(got, offset)
			}
		}
		if want := foldJoin(events, settings); !maps.Equal(got, want) {
			t.Fatalf("seed %d: got %v, want %v", seed, got, want)
		}
	}
	for _, outcome := range []Outcome{Waiting, Paid, Unpaid, Unmatched, LateOrder} {
		if seen[outcome] < 100 {
			t.Errorf("%s came out %d times: the test does not try it", outcome, seen[outcome])
		}
	}
}

// lateTraffic is one partition, in the order of its offsets. Its records come up to 20 s late, a tenth of the
// orders twice; an order has up to two payments.
func lateTraffic(n int, start time.Time, random *rand.Rand) (log []Half) {
	arrives := map[int]time.Time{}
	add := func(h Half) {
		arrives[len(log)] = h.At.Add(time.Duration(random.IntN(20_000)) * time.Millisecond)
		h.Offset = uint64(len(log))
		log = append(log, h)
	}
	for i := range n {
		order := placed(fmt.Sprint("order-", i), start.Add(time.Duration(i)*300*time.Millisecond))
		add(order)
		if random.IntN(10) == 0 {
			add(order)
		}
		for range random.IntN(3) {
			paid := order.At.Add(time.Duration(random.IntN(14_000)) * time.Millisecond)
			add(payment(order.OrderID, paid))
		}
	}
	slices.SortStableFunc(log, func(a, b Half) int {
		return arrives[int(a.Offset)].Compare(arrives[int(b.Offset)])
	})
	for i := range log {
		log[i].Offset = uint64(i + 1)
	}
	return log
}

func TestJoinTakesNoLateOrder(t *testing.T) {
	t.Parallel()
	j := NewJoin(payWithin, paySlack)
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	j.AddOrder(placed("a", start.Add(time.Hour)))
	j.AddPayment(payment("x", start.Add(time.Hour)))
	got := j.AddOrder(placed("b", start))
	if len(got) != 1 || got[0].Outcome != LateOrder || got[0].OrderID != "b" {
		t.Errorf("got %+v", got)
	}
}
