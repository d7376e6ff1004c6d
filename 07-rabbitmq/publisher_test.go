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

// A confirm is the broker's to give: without one nothing is accepted.
func TestNothingIsAcceptedWithoutAConfirm(t *testing.T) {
	t.Parallel()
	s, network := through(t, onBroker(t))
	p, _ := publisher(t, s)
	network.freeze(true, false)
	began := time.Now()
	err := p.Publish(t.Context(), newOrder(t, shop.SampleEmail))
	if !errors.Is(err, ErrUnconfirmed) {
		t.Errorf("got %v, want %v", err, ErrUnconfirmed)
	}
	if took := time.Since(began); took > 2*publishTimeout {
		t.Errorf("it took %s", took)
	}
}

func TestWindowBoundsWhatIsUnconfirmed(t *testing.T) {
	t.Parallel()
	direct := onBroker(t)
	s, network := through(t, direct)
	s.Window = 8
	p, _ := publisher(t, s)
	network.freeze(true, false)
	errs := make(chan error, 20)
	for range cap(errs) {
		go func() { errs <- p.Publish(t.Context(), newOrder(t, shop.SampleEmail)) }()
	}
	unconfirmed := 0
	for range cap(errs) {
		if errors.Is(receive(t, "answer", errs), ErrUnconfirmed) {
			unconfirmed++
		}
	}
	if unconfirmed != s.Window {
		t.Errorf("%d orders were sent without waiting, want %d", unconfirmed, s.Window)
	}
	admin(t, direct).waitFor(OrdersQueue, s.Window)
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
	began := time.Now()
	network.setAway(true)
	for range cap(errs) {
		if err := receive(t, "answer", errs); !errors.Is(err, ErrUnconfirmed) {
			t.Errorf("got %v, want %v", err, ErrUnconfirmed)
		}
	}
	if took := time.Since(began); took > publishTimeout/2 {
		t.Errorf("the last pending order had its answer after %s", took)
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
	began := time.Now()
	answer := ask("POST", "/orders")
	if answer.Code != http.StatusServiceUnavailable ||
		answer.Header().Get("Retry-After") == "" {
		t.Errorf("without: %d %v %s", answer.Code, answer.Header(), answer.Body)
	}
	if took := time.Since(began); took > publishTimeout/2 {
		t.Errorf("the answer took %s", took)
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
