package eventsourcing

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"course.example/shop"
	"github.com/anishathalye/porcupine"
	"github.com/google/uuid"
)

// seen is an order as one who asks can tell it apart.
type seen struct {
	version int
	status  Status
	items   int
}

// outcome is what a customer is told.
type outcome struct {
	version int    // of the order, with his command
	refused string // or why not
}

// orderModel is what one order must look like from outside: each command takes effect in one
// instant between question and answer. It is written down without Decide and Evolve.
var orderModel = porcupine.Model{
	Init: func() any { return seen{} },
	Step: func(state, input, output any) (bool, any) {
		is, want := state.(seen), output.(outcome)
		next, refused := is, ""
		switch c := input.(type) {
		case PlaceOrder:
			if is.status != "" {
				refused = ErrPlaced.Error()
			}
			next.status, next.items = Placed, len(c.Order.Items)
		case AddItems:
			refused = no(is)
			if next.items += len(c.Items); refused == "" && next.items > shop.MaxItems {
				refused = ErrTooLarge.Error()
			}
		case CancelOrder:
			refused = no(is)
			next.status = Cancelled
		}
		if refused != "" {
			return want.refused == refused, is
		}
		next.version++
		return want.refused == "" && want.version == next.version, next
	},
	DescribeOperation: func(input, output any) string { return fmt.Sprintf("%T: %+v", input, output) },
}

func no(is seen) string {
	switch is.status {
	case "":
		return ErrNoOrder.Error()
	case Cancelled:
		return ErrCancelled.Error()
	}
	return ""
}

// Many customers of one order, at two producers. There must be an order of their commands,
// one after the other, that explains what each of them was told (Herlihy and Wing, 1990).
func TestTheStreamOfAnOrderIsLinearizable(t *testing.T) {
	bothWays(t, "no-version", func(t *testing.T, variant string, red bool) {
		s, pool := onDatabase(t)
		s.Variant = variant
		bad := false
		for again := 0; again < 5 || red && !bad && again < 100; again++ {
			history := chatter(t, []*Producer{NewProducer(pool, s), NewProducer(pool, s)})
			result := porcupine.CheckOperationsTimeout(orderModel, history, patience)
			if result == porcupine.Unknown {
				t.Fatal("there was no time to tell")
			}
			bad = bad || result == porcupine.Illegal
		}
		if bad != red {
			t.Errorf("not linearizable: %t, want %t", bad, red)
		}
	})
}

// chatter lets six customers act on one order, and returns what each was told and when.
func chatter(t *testing.T, producers []*Producer) (history []porcupine.Operation) {
	t.Helper()
	id := uuid.MustParse(newOrder(t, shop.SampleEmail).ID)
	place := PlaceOrder{newOrder(t, shop.SampleEmail)}
	var clock atomic.Int64
	var mu sync.Mutex
	var group sync.WaitGroup
	for customer := range 6 {
		group.Go(func() {
			commands := []Command{place, AddItems{oneMug}, AddItems{oneMug}, AddItems{oneMug}}
			if customer == 0 {
				commands = []Command{place, AddItems{oneMug}, CancelOrder{"no"}, AddItems{oneMug}}
			}
			for _, c := range commands {
				op := porcupine.Operation{ClientId: customer, Input: c, Call: clock.Add(1)}
				done, err := producers[customer%2].Execute(t.Context(), ask(t, id, c))
				op.Return = clock.Add(1)
				op.Output = outcome{version: done.Version, refused: why(t, err)}
				mu.Lock()
				history = append(history, op)
				mu.Unlock()
			}
		})
	}
	group.Wait()
	return history
}

func why(t *testing.T, err error) string {
	// That a history cannot have happened is no answer that the model knows.
	for _, known := range []error{ErrNoOrder, ErrPlaced, ErrCancelled, ErrTooLarge, ErrHistory} {
		if errors.Is(err, known) {
			return known.Error()
		}
	}
	if err != nil {
		t.Error(err)
	}
	return ""
}
