package rabbitmq

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"course.example/shop"
	amqp "github.com/rabbitmq/amqp091-go"
)

func TestAcceptedOrdersAreInTheQueue(t *testing.T) {
	t.Parallel()
	s := onBroker(t)
	ids := place(t, s, 300)
	found := map[string]bool{}
	for _, d := range admin(t, s).take(OrdersQueue, len(ids)) {
		order, err := decode(d)
		if err != nil {
			t.Error(err)
		}
		found[order.ID] = true
		if d.DeliveryMode != amqp.Persistent {
			t.Fatal("the message is not persistent")
		}
	}
	for _, id := range ids {
		if !found[id] {
			t.Errorf("order %s was accepted and is not in the queue", id)
		}
	}
}

// A confirm is the broker's to give: without one nothing is accepted. The network
// carries what is sent, and no answer.
func TestNothingIsAcceptedWithoutAConfirm(t *testing.T) {
	t.Parallel()
	direct := onBroker(t)
	s, network := through(t, direct)
	p, _ := publisher(t, s)
	defer network.thaw() // the publisher's drain waits for the confirms
	network.freeze(true, false)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	answer := make(chan error, 1)
	go func() { answer <- p.Publish(ctx, newOrder(t, shop.SampleEmail)) }()
	admin(t, direct).waitFor(OrdersQueue, 1) // the broker has it, and has said so
	select {
	case err := <-answer:
		t.Errorf("without a confirm the answer was %v", err)
	default:
	}
	cancel()
	if err := receive(t, "answer", answer); !errors.Is(err, ErrUnconfirmed) {
		t.Errorf("got %v, want %v", err, ErrUnconfirmed)
	}
}

// The customer's wait is bounded, whatever holds up the order, and what holds it
// up decides what can be said of it.
func TestPublishEndsInTime(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		ready, taken bool
		after        time.Duration
		unknown      bool
	}{
		"no connection":        {false, false, 0, false},
		"the window is full":   {true, false, publishTimeout, false},
		"no confirm is coming": {true, true, publishTimeout, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p := NewPublisher(DefaultSettings())
				if c.ready {
					p.setReady(nil)
				}
				if c.taken {
					go func() { <-p.outgoing }()
				}
				began := time.Now()
				err := p.Publish(t.Context(), newOrder(t, shop.SampleEmail))
				if took := time.Since(began); err == nil || took != c.after {
					t.Errorf("%v after %s, want an error after %s", err, took, c.after)
				}
				if errors.Is(err, ErrUnconfirmed) != c.unknown {
					t.Errorf("got %v; the outcome is unknown: %t", err, c.unknown)
				}
			})
		})
	}
}

func TestUntilConnectedWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := NewPublisher(DefaultSettings())
		connected := make(chan error, 1)
		go func() { connected <- p.untilConnected(t.Context()) }()
		p.setReady(errors.New("the broker is starting"))
		synctest.Wait()
		if len(connected) > 0 {
			t.Fatal("it did not wait")
		}
		// A broker that is low on memory needs its consumers.
		p.setReady(ErrBlocked)
		if err := <-connected; err != nil {
			t.Error(err)
		}
		p.setReady(nil)
		if err := p.untilConnected(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestWindowBoundsWhatIsUnconfirmed(t *testing.T) {
	t.Parallel()
	direct := onBroker(t)
	s, network := through(t, direct)
	s.Window = 8
	p, _ := publisher(t, s)
	defer network.thaw()
	network.freeze(true, false)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	errs := make(chan error, 20)
	for range cap(errs) {
		go func() { errs <- p.Publish(ctx, newOrder(t, shop.SampleEmail)) }()
	}
	a := admin(t, direct)
	a.waitFor(OrdersQueue, s.Window)
	cancel()
	unconfirmed := 0
	for range cap(errs) {
		if errors.Is(receive(t, "answer", errs), ErrUnconfirmed) {
			unconfirmed++
		}
	}
	if unconfirmed != s.Window {
		t.Errorf("%d orders were sent without waiting, want %d", unconfirmed, s.Window)
	}
	a.waitFor(OrdersQueue, s.Window)
}

// What could not be written whole may have reached the broker all the same.
func TestSendingOnADeadConnectionIsUnconfirmed(t *testing.T) {
	t.Parallel()
	s, err := connect(t.Context(), onBroker(t), "test", quorumOrders)
	if err != nil {
		t.Fatal(err)
	}
	w := openWindow(s, 1)
	if err := s.close(); err != nil {
		t.Fatal(err)
	}
	m := &outgoing{key: OrdersQueue, answer: make(chan error, 1)}
	w.send(m)
	if err := receive(t, "answer", m.answer); !errors.Is(err, ErrUnconfirmed) {
		t.Errorf("got %v, want %v", err, ErrUnconfirmed)
	}
}

func TestFullWindowAdmitsNothing(t *testing.T) {
	t.Parallel()
	w := &window{size: 2, unanswered: map[uint64]*outgoing{1: nil}}
	orders := make(chan *outgoing)
	if w.admit(orders) == nil {
		t.Error("there is room for one more, and it is not let in")
	}
	w.unanswered[2] = nil
	if w.admit(orders) != nil {
		t.Error("the window is full, and one more is let in")
	}
}

// A broker that cannot keep an order says so: basic.nack is no confirm. This
// queue is full before the first, and refuses what is over.
func TestRefusedOrderIsNotAccepted(t *testing.T) {
	t.Parallel()
	s := onBroker(t)
	p := NewPublisher(s)
	p.topology = topology{queue: "orders.full", args: amqp.Table{
		amqp.QueueMaxLenArg: 0, amqp.QueueOverflowArg: amqp.QueueOverflowRejectPublish,
	}}
	start(t, p.Run)
	ready(t, p)
	for range 3 {
		err := p.Publish(t.Context(), newOrder(t, shop.SampleEmail))
		if !errors.Is(err, ErrRefused) {
			t.Errorf("got %v, want %v", err, ErrRefused)
		}
	}
	if n := admin(t, s).inspect("orders.full").Messages; n != 0 {
		t.Errorf("%d orders are in a queue for none", n)
	}
}

func TestDeadConnectionAnswersAtOnce(t *testing.T) {
	t.Parallel()
	direct := onBroker(t)
	s, network := through(t, direct)
	p, _ := publisher(t, s)
	network.freeze(true, false)
	errs := make(chan error, 100)
	for range cap(errs) {
		go func() { errs <- p.Publish(t.Context(), newOrder(t, shop.SampleEmail)) }()
	}
	admin(t, direct).waitFor(OrdersQueue, cap(errs))
	network.setAway(true)
	for range cap(errs) {
		err := receive(t, "answer", errs)
		if !errors.Is(err, ErrUnconfirmed) || errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want %v, and not by waiting for it", err, ErrUnconfirmed)
		}
	}
}

func TestOrderWithoutAQueueIsRefused(t *testing.T) {
	t.Parallel()
	s := onBroker(t)
	p, _ := publisher(t, s)
	a := admin(t, s)
	if _, err := a.channel.QueueDelete(OrdersQueue, false, false, false); err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			err := p.Publish(t.Context(), newOrder(t, shop.SampleEmail))
			if !errors.Is(err, ErrUnroutable) {
				t.Errorf("got %v, want %v", err, ErrUnroutable)
			}
		})
	}
	all.Wait()
	a.declare(quorumOrders)
	if err := p.Publish(t.Context(), newOrder(t, shop.SampleEmail)); err != nil {
		t.Errorf("the queue is back: %v", err)
	}
}

// The whole way of an order while the broker is away, as the customer sees it.
func TestBrokerAwayMeans503(t *testing.T) {
	t.Parallel()
	direct := onBroker(t)
	s, network := through(t, direct)
	p, _ := publisher(t, s)
	counter := shop.Counter{Place: p.Publish, Ready: p.Ready}
	ask := func(method, path string) *httptest.ResponseRecorder {
		answer := httptest.NewRecorder()
		request := httptest.NewRequestWithContext(t.Context(), method, path, nil)
		counter.Handler().ServeHTTP(answer, request)
		return answer
	}
	if got := ask("POST", "/orders").Code; got != http.StatusAccepted {
		t.Fatalf("with a broker: %d", got)
	}

	network.setAway(true)
	eventually(t, "not ready", func() bool { return p.Ready(t.Context()) != nil })
	answer := ask("POST", "/orders")
	if answer.Code != http.StatusServiceUnavailable ||
		answer.Header().Get("Retry-After") == "" {
		t.Errorf("without: %d %v %s", answer.Code, answer.Header(), answer.Body)
	}
	var health struct{ Reason string }
	if err := json.Unmarshal(ask("GET", "/healthz").Body.Bytes(), &health); err != nil {
		t.Error(err)
	}
	if !strings.Contains(health.Reason, "broker") &&
		!strings.Contains(health.Reason, "RabbitMQ") {
		t.Errorf("/healthz gives the reason %q", health.Reason)
	}

	network.setAway(false)
	ready(t, p)
	if got := ask("POST", "/orders").Code; got != http.StatusAccepted {
		t.Errorf("with the broker back: %d", got)
	}
	admin(t, direct).waitFor(OrdersQueue, 2)
}

func TestNothingAcceptedIsLostWhenConnectionsAreCut(t *testing.T) {
	t.Parallel()
	direct := onBroker(t)
	s, network := through(t, direct)
	p, _ := publisher(t, s)

	var mu sync.Mutex
	accepted := map[string]bool{}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var customers sync.WaitGroup
	for range 32 {
		customers.Go(func() {
			for ctx.Err() == nil {
				order := newOrder(t, shop.SampleEmail)
				if p.Publish(t.Context(), order) != nil {
					eventually(t, "ready", func() bool { return p.Ready(ctx) == nil })
					continue
				}
				mu.Lock()
				accepted[order.ID] = true
				mu.Unlock()
			}
		})
	}
	count := func() int {
		mu.Lock()
		defer mu.Unlock()
		return len(accepted)
	}
	for range 3 {
		more := count() + 300
		eventually(t, "orders are accepted", func() bool { return count() > more })
		network.cut()
	}
	cancel()
	customers.Wait()

	a := admin(t, direct)
	for lost := count(); lost > 0; {
		order, err := decode(a.take(OrdersQueue, 1)[0])
		if err != nil {
			t.Fatal(err)
		}
		if accepted[order.ID] {
			lost--
		}
	}
}

func TestPublisherDrains(t *testing.T) {
	t.Parallel()
	direct := onBroker(t)
	s, network := through(t, direct)
	p, b := publisher(t, s)
	network.freeze(true, false)
	errs := make(chan error, 10)
	for range cap(errs) {
		go func() { errs <- p.Publish(t.Context(), newOrder(t, shop.SampleEmail)) }()
	}
	admin(t, direct).waitFor(OrdersQueue, cap(errs)) // sent, confirmed, not yet heard of
	b.stop()
	eventually(t, "shutting down", func() bool {
		return errors.Is(p.Ready(t.Context()), errShuttingDown)
	})
	if err := p.Publish(t.Context(), newOrder(t, shop.SampleEmail)); err == nil {
		t.Error("a publisher that shuts down accepted an order")
	}
	network.thaw()
	for range cap(errs) {
		if err := receive(t, "answer", errs); err != nil {
			t.Errorf("a confirmed order was answered with %v", err)
		}
	}
	b.end(t)
}

// connection.blocked and connection.unblocked (rabbitmq.com/docs/connection-blocked)
// as a broker sends them: type 1, channel 0, size, class 10, method, arguments.
var (
	blockedFrame = append(append([]byte{1, 0, 0, 0, 0, 0, 15, 0, 10, 0, 60, 10},
		"low on mem"...), 0xCE)
	unblockedFrame = []byte{1, 0, 0, 0, 0, 0, 4, 0, 10, 0, 61, 0xCE}
)

func TestBlockedConnectionMeansNotReady(t *testing.T) {
	t.Parallel()
	s, network := through(t, onBroker(t))
	p, _ := publisher(t, s)
	network.freeze(false, true) // a broker with an alarm reads nothing
	network.forge(t, blockedFrame)
	eventually(t, "not ready", func() bool {
		err := p.Ready(t.Context())
		return errors.Is(err, ErrBlocked) && strings.Contains(err.Error(), "low on mem")
	})
	err := p.Publish(t.Context(), newOrder(t, shop.SampleEmail))
	if !errors.Is(err, ErrBlocked) {
		t.Errorf("got %v, want %v", err, ErrBlocked)
	}
	network.thaw()
	network.forge(t, unblockedFrame)
	ready(t, p)
	if err := p.Publish(t.Context(), newOrder(t, shop.SampleEmail)); err != nil {
		t.Error(err)
	}
}

// A broker that does not answer any more is not believed to be well because its
// connection lives. Heartbeats would find it out, much later.
func TestConnectionWithoutConfirmsIsGivenUp(t *testing.T) {
	t.Parallel()
	s, network := through(t, onBroker(t))
	s.Heartbeat = time.Minute
	p, _ := publisher(t, s)
	network.freeze(true, false)
	began := time.Now()
	if err := p.Publish(t.Context(), newOrder(t, shop.SampleEmail)); !errors.Is(err, ErrUnconfirmed) {
		t.Errorf("got %v, want %v", err, ErrUnconfirmed)
	}
	eventually(t, "not ready", func() bool { return p.Ready(t.Context()) != nil })
	if took := time.Since(began); took > s.Heartbeat/2 {
		t.Errorf("ready for %s", took)
	}
	network.thaw()
	ready(t, p)
}

// A frozen broker keeps its connections and reads nothing. The publisher notices
// by the heartbeats, or by a write that is not taken, and every Publish returns.
func TestFrozenBrokerIsNoticed(t *testing.T) {
	t.Parallel()
	s, network := through(t, onBroker(t))
	s.Heartbeat = time.Second
	p, _ := publisher(t, s)
	network.freeze(true, true)
	errs := make(chan error, 64)
	big := newOrder(t, shop.SampleEmail)
	for range shop.MaxItems - 2 {
		big.Items = append(big.Items, shop.SampleItems()[0])
	}
	for range cap(errs) {
		go func() { errs <- p.Publish(t.Context(), big) }()
	}
	for range cap(errs) {
		if receive(t, "answer", errs) == nil {
			t.Error("an order was accepted by a frozen broker")
		}
	}
	eventually(t, "not ready", func() bool { return p.Ready(t.Context()) != nil })
	network.thaw()
	ready(t, p)
}
