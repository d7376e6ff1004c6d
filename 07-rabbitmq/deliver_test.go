package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"course.example/shop"
	amqp "github.com/rabbitmq/amqp091-go"
)

// answers takes the place of the broker at the end of a delivery, and keeps what
// it was told.
type answers struct {
	mu    sync.Mutex
	given []string
}

func (a *answers) Ack(uint64, bool) error { return a.note("ack") }

func (a *answers) Nack(_ uint64, _, requeue bool) error {
	return a.note(fmt.Sprint("nack, requeue ", requeue))
}

func (a *answers) Reject(_ uint64, requeue bool) error {
	return a.note(fmt.Sprint("reject, requeue ", requeue))
}

func (a *answers) note(what string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.given = append(a.given, what)
	return nil
}

func (a *answers) are(want ...string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Equal(a.given, want)
}

func (a *answers) String() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return fmt.Sprint(a.given)
}

// delivery is an order as a consumer gets it, and what becomes of it.
func delivery(t *testing.T) (amqp.Delivery, *answers) {
	t.Helper()
	m, err := encode(newOrder(t, shop.SampleEmail))
	if err != nil {
		t.Fatal(err)
	}
	d, a := delivered(m), new(answers)
	d.Acknowledger = a
	return d, a
}

func TestAcknowledgementComesAfterTheEffect(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d, told := delivery(t)
		s := NewSubscriber(DefaultSettings(), func(context.Context, shop.Order) error {
			if !told.are() {
				t.Errorf("the broker was told %s before the effect", told)
			}
			return nil
		})
		s.deliver(t.Context(), d)
		if !told.are("ack") {
			t.Errorf("the broker was told %s", told)
		}
	})
}

// A dead letter must be safe with the broker before the original is acknowledged,
// and where the broker refuses it, or says nothing, the original comes again.
func TestOriginalIsKeptUntilTheDeadLetterIsSafe(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answer, want string
		err          error
	}{
		"confirmed":   {"yes", "ack", nil},
		"refused":     {"no", "reject, requeue true", ErrRefused},
		"no answer":   {"", "reject, requeue true", nil},
		"unavailable": {"away", "reject, requeue true", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				d, told := delivery(t)
				d.Type = "order.placed.v9"
				s := NewSubscriber(DefaultSettings(), newTally().handle)
				if c.answer != "away" {
					s.dead.setReady(nil)
				}
				ended := make(chan struct{})
				go func() {
					defer close(ended)
					s.deliver(t.Context(), d)
				}()
				if c.answer != "away" {
					letter := <-s.dead.outgoing
					synctest.Wait()
					if !told.are() {
						t.Errorf("the broker was told %s before it had the dead letter", told)
					}
					if c.answer != "" {
						letter.answer <- c.err
					}
				}
				<-ended
				if !told.are(c.want) {
					t.Errorf("the broker was told %s, want %s", told, c.want)
				}
			})
		})
	}
}

// What cannot be dead-lettered goes round no faster than putBackPause allows.
func TestPuttingBackTakesItsTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d, told := delivery(t)
		began := time.Now()
		NewSubscriber(DefaultSettings(), newTally().handle).putBack(t.Context(), d)
		if took := time.Since(began); took != putBackPause || !told.are("reject, requeue true") {
			t.Errorf("told %s after %s", told, took)
		}
	})
}

// An order that cannot be finished is not begun: a consumer that is asked to end
// before it has a way to the dead letters has not even asked for orders.
func TestNothingIsTakenWithoutAWayToTheDeadLetters(t *testing.T) {
	t.Parallel()
	s := onBroker(t)
	conn, err := connect(t.Context(), s, "test", quorumOrders)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := conn.close(); err != nil {
			t.Error(err)
		}
	}()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	sub := NewSubscriber(s, newTally().handle)
	starting := errors.New("the broker is starting")
	sub.dead.setReady(starting)
	if err := sub.consume(ctx, conn); !errors.Is(err, starting) {
		t.Errorf("got %v, want the reason why there is no way to the dead letters", err)
	}
}
