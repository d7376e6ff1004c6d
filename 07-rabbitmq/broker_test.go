package rabbitmq

import (
	"context"
	"log/slog"
	"os"
	"sync"
	"testing"
	"time"

	"course.example/lab/services/servicestest"
	"course.example/shop"
	amqp "github.com/rabbitmq/amqp091-go"
)

// patience bounds every wait in the tests. None takes nearly as long.
const patience = 30 * time.Second

func TestMain(m *testing.M) {
	if os.Getenv("LOG") == "" { // LOG=1 shows what the code under test logs
		slog.SetDefault(slog.New(slog.DiscardHandler))
	}
	servicestest.Main(m)
}

// onBroker returns settings for a vhost of the test's own with queues that take
// messages. On a busy machine a quorum queue that has just been declared refuses
// the first of them (basic.nack).
func onBroker(t testing.TB) Settings {
	t.Helper()
	s := onEmptyVhost(t)
	conn, err := connect(t.Context(), s, "test", quorumOrders)
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.channel.Confirm(false); err != nil {
		t.Fatal(err)
	}
	for queue, exchange := range map[string]string{
		OrdersQueue: amqp.DefaultExchange, DeadLetterQueue: DeadLetterExchange,
	} {
		eventually(t, queue+" takes messages", func() bool {
			confirm, err := conn.channel.PublishWithDeferredConfirm(
				exchange, queue, true, false, amqp.Publishing{DeliveryMode: amqp.Persistent})
			if err != nil {
				t.Fatal(err)
			}
			return confirm.Wait()
		})
		if _, err := conn.channel.QueuePurge(queue, false); err != nil {
			t.Fatal(err)
		}
	}
	if err := conn.close(); err != nil {
		t.Fatal(err)
	}
	return s
}

func onEmptyVhost(t testing.TB) Settings {
	t.Helper()
	s := DefaultSettings()
	s.URL = servicestest.RabbitMQ(t).URL
	return s
}

// eventually waits until the condition holds.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for !holds() {
		select {
		case <-again.C:
		case <-deadline.C:
			t.Fatalf("after %s still not: %s", patience, what)
		}
	}
}

// receive waits for a value.
func receive[T any](t testing.TB, what string, from <-chan T) T {
	t.Helper()
	select {
	case value := <-from:
		return value
	case <-time.After(patience):
		t.Fatalf("after %s still no %s", patience, what)
		panic("unreachable")
	}
}

// background is a Run that the test can stop, which waits for its end.
type background struct {
	stop func()
	done chan error
	once sync.Once
	err  error
}

func start(t testing.TB, run func(context.Context) error) *background {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	b := &background{stop: cancel, done: make(chan error, 1)}
	go func() { b.done <- run(ctx) }()
	t.Cleanup(func() { b.end(t) })
	return b
}

func (b *background) end(t testing.TB) {
	t.Helper()
	b.stop()
	b.once.Do(func() { b.err = receive(t, "end of Run", b.done) })
	if b.err != nil {
		t.Errorf("Run: %v", b.err)
	}
}

// publisher returns a running, connected publisher.
func publisher(t testing.TB, s Settings) (*Publisher, *background) {
	t.Helper()
	p := NewPublisher(s)
	b := start(t, p.Run)
	ready(t, p)
	return p, b
}

func ready(t testing.TB, p *Publisher) {
	t.Helper()
	eventually(t, "publisher ready", func() bool { return p.Ready(t.Context()) == nil })
}

// subscriber returns a running subscriber. It may not be consuming yet: a test that
// needs that waits for what only a consumer does. The broker's count of consumers
// is not it, as long as it may still count one that has just gone.
func subscriber(t testing.TB, s Settings, handle Handler) (*Subscriber, *background) {
	t.Helper()
	sub := NewSubscriber(s, handle)
	return sub, start(t, sub.Run)
}

// place publishes n orders and returns their ids.
func place(t testing.TB, s Settings, n int) []string {
	t.Helper()
	p, b := publisher(t, s)
	defer b.end(t)
	ids := make([]string, n)
	var all sync.WaitGroup
	for i := range ids {
		all.Go(func() {
			order, err := shop.NewOrder(shop.SampleEmail, shop.SampleItems()...)
			if err == nil {
				ids[i] = order.ID
				err = p.Publish(t.Context(), order)
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	return ids
}

// operator looks at the broker and changes things, over a connection of its own.
type operator struct {
	t       testing.TB
	channel *amqp.Channel
}

func admin(t testing.TB, s Settings) *operator {
	t.Helper()
	conn, err := amqp.Dial(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := ignoreClosed(conn.Close()); err != nil {
			t.Error(err)
		}
	})
	channel, err := conn.Channel()
	if err != nil {
		t.Fatal(err)
	}
	return &operator{t, channel}
}

func (o *operator) declare(top topology) {
	o.t.Helper()
	if err := top.declare(o.channel); err != nil {
		o.t.Fatal(err)
	}
}

// inspect returns how many messages are ready in the queue, and its consumers.
func (o *operator) inspect(queue string) amqp.Queue {
	o.t.Helper()
	q, err := o.channel.QueueDeclarePassive(queue, true, false, false, false, nil)
	if err != nil {
		o.t.Fatal(err)
	}
	return q
}

func (o *operator) waitFor(queue string, messages int) {
	o.t.Helper()
	last := -1
	defer func() {
		if last != messages {
			o.t.Logf("%s has %d messages", queue, last)
		}
	}()
	eventually(o.t, queue+" holds what it should", func() bool {
		last = o.inspect(queue).Messages
		return last == messages
	})
}

// take removes n messages from the queue and returns them.
func (o *operator) take(queue string, n int) []amqp.Delivery {
	o.t.Helper()
	var taken []amqp.Delivery
	eventually(o.t, queue+" gives its messages", func() bool {
		for len(taken) < n {
			d, ok, err := o.channel.Get(queue, true)
			if err != nil {
				o.t.Fatal(err)
			}
			if !ok {
				return false
			}
			taken = append(taken, d)
		}
		return true
	})
	return taken
}

// tally counts how often each order was handled.
type tally struct {
	mu    sync.Mutex
	times map[string]int
	total int
}

func newTally() *tally { return &tally{times: map[string]int{}} }

func (c *tally) handle(_ context.Context, order shop.Order) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.times[order.ID]++
	c.total++
	return nil
}

func (c *tally) count() (orders, total int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.times), c.total
}

func (c *tally) missing(ids []string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	missing := 0
	for _, id := range ids {
		if c.times[id] == 0 {
			missing++
		}
	}
	return missing
}
