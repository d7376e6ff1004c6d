package serialization

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"course.example/lab/services/servicestest"
	"course.example/shop"
	amqp "github.com/rabbitmq/amqp091-go"
	"go.uber.org/goleak"
)

// patience bounds every wait in the tests. None takes nearly as long.
const patience = 30 * time.Second

// onBroker returns settings for a vhost of the test's own with queues that take
// messages. On a busy machine a quorum queue that has just been declared refuses
// the first of them (basic.nack).
func onBroker(t testing.TB) Settings {
	t.Helper()
	s := onEmptyVhost(t)
	on, err := connect(t.Context(), s.URL, "test")
	if err != nil {
		t.Fatal(err)
	}
	l := lineOn(t, on)
	for _, queue := range []string{Queue, DeadQueue} {
		eventually(t, queue+" takes messages", func() bool {
			return l.put(t.Context(), queue, amqp.Publishing{}) == nil
		})
		if _, err := on.channel.QueuePurge(queue, false); err != nil {
			t.Fatal(err)
		}
	}
	if err := on.close(); err != nil {
		t.Fatal(err)
	}
	return s
}

func lineOn(t testing.TB, on *session) *line {
	t.Helper()
	l, err := newLine(context.WithoutCancel(t.Context()), on)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func onEmptyVhost(t testing.TB) Settings {
	t.Helper()
	s := DefaultSettings()
	s.URL = servicestest.RabbitMQ(t).URL
	return s
}

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

// start runs something until the test ends, or until the function that it
// returns is called.
func start(t testing.TB, run func(context.Context) error) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("Run: %v", err)
			}
		case <-time.After(patience):
			t.Error("Run does not end")
		}
	})
	t.Cleanup(stop)
	return stop
}

func startPublisher(t testing.TB, s Settings) *Publisher {
	t.Helper()
	p, err := NewPublisher(s)
	if err != nil {
		t.Fatal(err)
	}
	start(t, p.Run)
	eventually(t, "publisher ready", func() bool { return p.Ready(t.Context()) == nil })
	return p
}

func startConsumer(t testing.TB, s Settings, handle Handler) (stop func()) {
	t.Helper()
	c, err := NewConsumer(s, handle)
	if err != nil {
		t.Fatal(err)
	}
	return start(t, c.Run)
}

// place publishes n orders and returns their ids. As a customer does, it asks
// again with a new order when the shop says "not now": a busy machine may take
// longer than the publisher waits.
func place(t testing.TB, s Settings, n int) []string {
	t.Helper()
	p := startPublisher(t, s)
	var ids []string
	for range n {
		eventually(t, "order taken", func() bool {
			order, err := shop.NewOrder(shop.SampleEmail, shop.SampleItems()...)
			if err != nil {
				t.Fatal(err)
			}
			if err := p.Publish(t.Context(), order); err != nil {
				t.Logf("asking again: %v", err)
				return false
			}
			ids = append(ids, order.ID)
			return true
		})
	}
	return ids
}

// done collects the orders whose effect happened.
type done struct {
	mu    sync.Mutex
	times map[string]int
}

func (d *done) handle(_ context.Context, e OrderPlaced) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.times == nil {
		d.times = map[string]int{}
	}
	d.times[e.OrderID]++
	return nil
}

func (d *done) count(ids []string) (n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, id := range ids {
		n += d.times[id]
	}
	return n
}

func admin(t testing.TB, s Settings) *amqp.Channel {
	t.Helper()
	conn, err := connect(t.Context(), s.URL, "test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := conn.close(); err != nil {
			t.Error(err)
		}
	})
	return conn.channel
}

// take waits for n messages in a queue and takes them out.
func take(t testing.TB, s Settings, queue string, n int) []amqp.Delivery {
	t.Helper()
	channel := admin(t, s)
	var taken []amqp.Delivery
	eventually(t, queue+" gives its messages", func() bool {
		for len(taken) < n {
			d, ok, err := channel.Get(queue, true)
			if err != nil {
				t.Fatal(err)
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

// One consumer reads all formats, and each message says which one it is in.
func TestEveryCodecGoesThroughTheBroker(t *testing.T) {
	t.Parallel()
	s := onBroker(t)
	reader := s
	reader.Codec = "json,protobuf,msgpack,cbor,gob"
	var seen done
	startConsumer(t, reader, seen.handle)
	for _, c := range Codecs {
		s.Codec = c.Name
		ids := place(t, s, 3)
		eventually(t, c.Name+" done", func() bool { return seen.count(ids) == len(ids) })
	}
}

func TestOldAndNewTogether(t *testing.T) {
	t.Parallel()
	for _, codec := range []string{"json", "protobuf"} {
		t.Run(codec, func(t *testing.T) {
			t.Parallel()
			s := onBroker(t)
			s.Codec = codec
			old := s
			old.Schema = 1
			var seen done
			startConsumer(t, s, seen.handle)
			startConsumer(t, old, seen.handle)
			ids := append(place(t, s, 20), place(t, old, 20)...)
			eventually(t, "all done", func() bool { return seen.count(ids) == len(ids) })
		})
	}
}

// A consumer that cannot read a message hands it on as it is, with the reason.
func TestAnotherCodecEndsInTheDeadLetters(t *testing.T) {
	t.Parallel()
	s := onBroker(t)
	reader := s
	reader.Codec = "protobuf"
	var seen done
	startConsumer(t, reader, seen.handle)
	ids := place(t, s, 3)
	for _, d := range take(t, s, DeadQueue, 3) {
		why, _ := d.Headers[HeaderReason].(string)
		if !strings.Contains(why, ErrForeignCodec.Error()) || d.ContentType != "application/json" {
			t.Errorf("%s: %s", d.ContentType, why)
		}
		// Whoever reads JSON can still do the work.
		if e, err := (Reader{Codecs: []Codec{JSON}, Version: 2}).Read(d); err != nil ||
			e.OrderID != d.MessageId {
			t.Errorf("the dead letter is not what it was: %v", err)
		}
	}
	if n := seen.count(ids); n > 0 {
		t.Errorf("%d were done", n)
	}
}

func TestUnknownVersionEndsInTheDeadLetters(t *testing.T) {
	t.Parallel()
	s := onBroker(t)
	m, err := Writer{JSON, Current}.Write(plain(1))
	if err != nil {
		t.Fatal(err)
	}
	m.Headers = amqp.Table{HeaderVersion: int32(9), HeaderReader: int32(9)}
	put(t, s, m)
	var seen done
	startConsumer(t, s, seen.handle)
	d := take(t, s, DeadQueue, 1)[0]
	if why, _ := d.Headers[HeaderReason].(string); !strings.Contains(why, "version 9 needs") ||
		!bytes.Equal(d.Body, m.Body) {
		t.Errorf("%s: %s", why, d.Body)
	}
}

func put(t *testing.T, s Settings, m amqp.Publishing) {
	t.Helper()
	conn, err := connect(t.Context(), s.URL, "test")
	if err != nil {
		t.Fatal(err)
	}
	if err := lineOn(t, conn).put(t.Context(), Queue, m); err != nil {
		t.Error(err)
	}
	if err := conn.close(); err != nil {
		t.Error(err)
	}
}

func TestHostileMessagesEndInTheDeadLettersAndTheQueueGoesOn(t *testing.T) {
	t.Parallel()
	s := onBroker(t)
	reader := s
	reader.Codec = "json,protobuf"
	if err := Inject(t.Context(), s, 20); err != nil {
		t.Fatal(err)
	}
	ids := place(t, s, 5)
	var seen done
	startConsumer(t, reader, seen.handle)
	eventually(t, "good ones done", func() bool { return seen.count(ids) == len(ids) })
	reasons := map[string]bool{}
	for _, d := range take(t, s, DeadQueue, 20) {
		why, _ := d.Headers[HeaderReason].(string)
		reasons[why] = true
	}
	if len(reasons) < 9 || reasons[""] {
		t.Errorf("the reasons do not tell ten kinds apart: %v", reasons)
	}
}

// A message that comes twice to one consumer is done once.
func TestOrderNumberIsDoneOnce(t *testing.T) {
	t.Parallel()
	s := onBroker(t)
	e := plain(1)
	m, err := Writer{JSON, Current}.Write(e)
	if err != nil {
		t.Fatal(err)
	}
	put(t, s, m)
	put(t, s, m)
	var seen done
	startConsumer(t, s, seen.handle)
	after := place(t, s, 1)
	eventually(t, "the last one done", func() bool { return seen.count(after) == 1 })
	if n := seen.count([]string{e.OrderID}); n != 1 {
		t.Errorf("done %d times", n)
	}
}

func TestFailingOrderBecomesADeadLetter(t *testing.T) {
	t.Parallel()
	s := onBroker(t)
	place(t, s, 1)
	startConsumer(t, s, func(context.Context, OrderPlaced) error { return shop.ErrBounced })
	d := take(t, s, DeadQueue, 1)[0]
	if why, _ := d.Headers[HeaderReason].(string); !strings.Contains(why, "failed 3 times") {
		t.Error(why)
	}
}

// Without a broker an order is refused, and the reason says what to look at.
func TestDeadServerIsAClearError(t *testing.T) {
	t.Parallel()
	s := DefaultSettings()
	s.URL = "amqp://guest:guest@127.0.0.1:1/"
	p, err := NewPublisher(s)
	if err != nil {
		t.Fatal(err)
	}
	stop := start(t, p.Run)
	order, err := shop.NewOrder(shop.SampleEmail, shop.SampleItems()...)
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "it says what to look at", func() bool { // after its first try to connect
		err := p.Publish(t.Context(), order)
		if err == nil {
			t.Fatal("an order was taken without a broker")
		}
		return strings.Contains(err.Error(), "AMQP_URL")
	})
	if _, err := connect(t.Context(), s.URL, "test"); err == nil ||
		!strings.Contains(err.Error(), "AMQP_URL") {
		t.Errorf("error %v", err)
	}
	stop()
}

func TestAnotherQueueOfThatNameIsAClearError(t *testing.T) {
	t.Parallel()
	s := onEmptyVhost(t)
	conn, err := amqp.Dial(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	channel, err := conn.Channel()
	if err == nil {
		_, err = channel.QueueDeclare(Queue, true, false, false, false, nil) // a classic one
	}
	if err := errors.Join(err, conn.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := connect(t.Context(), s.URL, "test"); err == nil ||
		!strings.Contains(err.Error(), `another queue named "orders.placed"`) {
		t.Errorf("error %v", err)
	}
}

// Not parallel: the goroutines of another test would be taken for a leak.
func TestNothingIsLeftRunning(t *testing.T) {
	s := onBroker(t)
	others := goleak.IgnoreCurrent()
	t.Run("scene", func(t *testing.T) {
		var seen done
		startConsumer(t, s, seen.handle)
		ids := place(t, s, 5)
		eventually(t, "all done", func() bool { return seen.count(ids) == len(ids) })
	})
	goleak.VerifyNone(t, others)
}

// A queue that has lost its leader does not answer while the connection lives on.
// A consumer that is asked to end meanwhile ends.
func TestUnansweredSubscribingEndsWithItsContext(t *testing.T) {
	t.Parallel()
	s := onBroker(t)
	address, silence := servicestest.Silenced(t, s.URL)
	c, err := NewConsumer(s, func(context.Context, OrderPlaced) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	on, err := connect(t.Context(), address, "test")
	if err != nil {
		t.Fatal(err)
	}
	silence()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	began := time.Now()
	if _, err := c.subscribe(ctx, on); err == nil {
		t.Error("subscribed without an answer")
	}
	// The heartbeat finds a silent broker out later than this.
	if took := time.Since(began); took > heartbeat {
		t.Errorf("it took %s to give up", took)
	}
}
