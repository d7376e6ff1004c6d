//go:build exercise

package reservation

import (
	"sync/atomic"
	"testing"
	"time"

	actors "course.example/12-actors"
	"course.example/12-actors/engine"
	"github.com/asynkron/protoactor-go/cluster"
)

const (
	hold      = 100 * time.Millisecond
	tooLong   = 3 * time.Second  // a timer that has not come by then does not come
	aLongTime = 30 * time.Second // more than any of these calls needs
)

// office is a silo with the stock of tickets in it.
type office struct {
	t     *testing.T
	silo  *cluster.Cluster
	calls int64        // of this test
	turns atomic.Int64 // of the grain: one for each call, and one for each message of a timer
}

func open(t *testing.T) *office {
	t.Helper()
	o := &office{t: t}
	o.silo = engine.NewMembers().Start(engine.Config{
		Kinds:    []*cluster.Kind{actors.NewStockKind(func() actors.Stock { return New(hold) }, time.Minute)},
		Observer: observer{&o.turns},
	})
	t.Cleanup(func() { engine.Stop(o.silo) })
	return o
}

// take reserves for an order, or pays.
func (o *office) take(order string, pieces int32) {
	o.t.Helper()
	o.calls++
	_, err := actors.GetStockGrainClient(o.silo, "ticket").Take(
		&actors.TakeRequest{Order: order, Quantity: pieces}, engine.Within(aLongTime))
	if err != nil {
		o.t.Fatalf("take %d for %s: %s", pieces, order, engine.Reason(err))
	}
}

func (o *office) count() (sold, reserved int64) {
	o.t.Helper()
	o.calls++
	got, err := actors.GetStockGrainClient(o.silo, "ticket").Count(
		&actors.CountRequest{}, engine.Within(aLongTime))
	if err != nil {
		o.t.Fatalf("count: %s", engine.Reason(err))
	}
	return got.GetSold(), got.GetOrders()
}

// poll counts every 5 ms until what it sees is so, and returns what was sold.
func (o *office) poll(so func(reserved int64) bool) (sold int64, ok bool) {
	o.t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for began := time.Now(); time.Since(began) < tooLong; <-tick.C {
		sold, reserved := o.count()
		if so(reserved) {
			return sold, true
		}
	}
	return 0, false
}

// freed waits until nothing is reserved any more, and looks whether the last reservation, which was
// made then, was held as long as it should be.
func (o *office) freed(made time.Time) (sold int64) {
	o.t.Helper()
	sold, ok := o.poll(func(reserved int64) bool { return reserved == 0 })
	if !ok {
		o.t.Fatalf("a reservation of %v is still reserved after %v", hold, tooLong)
	}
	if held := time.Since(made); held < hold {
		o.t.Errorf("a reservation was held for %v, want %v", held, hold)
	}
	return sold
}

func TestReservations(t *testing.T) {
	for _, one := range []struct {
		name string
		test func(*testing.T)
	}{
		{"nobody pays", nobodyPays},
		{"who pays keeps the pieces", whoPaysKeepsThem},
		{"each reservation has its time", eachHasItsTime},
	} {
		if !t.Run(one.name, one.test) {
			return // the next ones would wait for the same timer
		}
	}
}

func nobodyPays(t *testing.T) {
	o := open(t)
	made := time.Now()
	o.take("ada", 2)
	if sold := o.freed(made); sold != 0 {
		t.Errorf("%d pieces are sold, and nobody has paid", sold)
	}
	if turns := o.turns.Load(); turns <= o.calls {
		t.Errorf("the grain had %d turns for %d calls: the reservation has ended outside of a turn",
			turns, o.calls)
	}
}

func whoPaysKeepsThem(t *testing.T) {
	o := open(t)
	o.take("ada", 2)
	o.take("ada", 2)
	made := time.Now()
	o.take("bob", 1) // when his time is over, hers is too
	if sold := o.freed(made); sold != 2 {
		t.Errorf("%d pieces are sold, and ada has paid for 2", sold)
	}
}

func eachHasItsTime(t *testing.T) {
	o := open(t)
	first := time.Now()
	o.take("ada", 2)
	o.take("ada", 2)
	if _, ok := o.poll(func(int64) bool { return time.Since(first) > hold/2 }); !ok {
		t.Fatal("half the time never passes")
	}
	made := time.Now()
	o.take("ada", 1) // she comes once more, while the timer of her first reservation runs
	if sold := o.freed(made); sold != 2 {
		t.Errorf("%d pieces are sold, and ada has paid for 2", sold)
	}
}

// observer counts turns.
type observer struct{ turns *atomic.Int64 }

func (o observer) Began(engine.Name)              { o.turns.Add(1) }
func (observer) Activated(engine.Name)            {}
func (observer) Deactivated(engine.Name)          {}
func (observer) Ended(engine.Name, time.Duration) {}
func (observer) Failed(engine.Name)               {}
