package serialization

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"course.example/lab/services/servicestest"
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
	m, err := Writer{JSON, Current}.Write(plain(1))
	if err != nil {
		t.Fatal(err)
	}
	d, a := delivered(m), new(answers)
	d.Acknowledger = a
	return d, a
}

func TestAcknowledgementComesAfterTheEffect(t *testing.T) {
	t.Parallel()
	d, told := delivery(t)
	c, err := NewConsumer(DefaultSettings(), func(context.Context, OrderPlaced) error {
		if !told.are() {
			t.Errorf("the broker was told %s before the effect", told)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	c.deliver(t.Context(), nil, d)
	if !told.are("ack") {
		t.Errorf("the broker was told %s", told)
	}
}

// A dead letter must be safe with the broker before the original is acknowledged.
// Here the broker has it, and its confirm does not arrive.
func TestOriginalIsKeptUntilTheDeadLetterIsSafe(t *testing.T) {
	t.Parallel()
	s := onBroker(t)
	address, silence := servicestest.Silenced(t, s.URL)
	on, err := connect(t.Context(), address, "test")
	if err != nil {
		t.Fatal(err)
	}
	c, err := NewConsumer(s, func(context.Context, OrderPlaced) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	d, told := delivery(t)
	d.Type = "order.paid"
	silence()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		c.deliver(ctx, on, d)
	}()
	take(t, s, DeadQueue, 1)
	if !told.are() {
		t.Errorf("the broker was told %s before it had confirmed the dead letter", told)
	}
	cancel()
	<-ended
	if !told.are() || !on.channel.IsClosed() {
		t.Errorf("told %s, closed %t: want the original to come again", told, on.channel.IsClosed())
	}
}

// A broker that cannot keep a message says so: basic.nack is no confirm. This
// queue is full before the first, and refuses what is over.
func TestRefusedMessageIsNotConfirmed(t *testing.T) {
	t.Parallel()
	s := onBroker(t)
	on, err := connect(t.Context(), s.URL, "test")
	if err != nil {
		t.Fatal(err)
	}
	const full = "full"
	_, err = on.channel.QueueDeclare(full, true, false, false, false, amqp.Table{
		amqp.QueueMaxLenArg: 0, amqp.QueueOverflowArg: amqp.QueueOverflowRejectPublish,
	})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		err := on.put(t.Context(), full, amqp.Publishing{Body: []byte("1")})
		if !errors.Is(err, errRefused) {
			t.Errorf("got %v, want %v", err, errRefused)
		}
	}
	if err := on.close(); err != nil {
		t.Error(err)
	}
}

// Of what was under way when the connection died nobody knows.
func TestDeadConnectionIsUnconfirmed(t *testing.T) {
	t.Parallel()
	s := onBroker(t)
	address, silence := servicestest.Silenced(t, s.URL)
	on, err := connect(t.Context(), address, "test")
	if err != nil {
		t.Fatal(err)
	}
	silence()
	answer := make(chan error, 1)
	go func() { answer <- on.put(t.Context(), Queue, amqp.Publishing{}) }()
	take(t, s, Queue, 1)
	_ = on.conn.CloseDeadline(time.Now())
	err = <-answer
	if !errors.Is(err, errUnconfirmed) || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want %v, and not by waiting for it", err, errUnconfirmed)
	}
}

func TestUnansweredPublishEndsInTime(t *testing.T) {
	t.Parallel()
	address, silence := servicestest.Silenced(t, onBroker(t).URL)
	on, err := connect(t.Context(), address, "test")
	if err != nil {
		t.Fatal(err)
	}
	silence()
	answer := make(chan error, 1)
	go func() { answer <- on.put(context.Background(), Queue, amqp.Publishing{}) }()
	select {
	case err := <-answer:
		if !errors.Is(err, errUnconfirmed) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	case <-time.After(patience):
		t.Error("it does not end")
	}
	// The socket beneath it: in order it would take its time, too.
	_ = on.conn.CloseDeadline(time.Now())
}

func TestDrainFinishesWhatIsInHand(t *testing.T) {
	t.Parallel()
	s := onBroker(t)
	ids := place(t, s, 5)
	var seen done
	inHand, release := make(chan struct{}, len(ids)), make(chan struct{})
	c, err := NewConsumer(s, func(ctx context.Context, e OrderPlaced) error {
		inHand <- struct{}{}
		<-release
		if ctx.Err() != nil {
			t.Error("the order in hand was interrupted")
		}
		return seen.handle(ctx, e)
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	<-inHand
	cancel()
	close(release)
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if n := seen.count(ids); n != 1 {
		t.Fatalf("%d orders were done, want the one in hand", n)
	}
	take(t, s, Queue, len(ids)-1)
}

// A broker that is away is asked again for as long as it takes.
func TestReconnectingNeverEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Minute)
		defer cancel()
		err := keepConnected(ctx, "amqp://guest:guest@127.0.0.1:1/", "test",
			func(context.Context, *session) error { return nil })
		if err != nil || ctx.Err() == nil {
			t.Errorf("it gave up: %v", err)
		}
	})
}

// What fails is tried again, and what fails for good is told with how often.
func TestTryEndsWithTheFirstSuccess(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		failures, calls int
		fails           bool
	}{"at last": {attempts - 1, attempts, false}, "never": {attempts, attempts, true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				calls := 0
				consumer, err := NewConsumer(DefaultSettings(),
					func(context.Context, OrderPlaced) error {
						if calls++; calls <= c.failures {
							return shop.ErrBounced
						}
						return nil
					})
				if err != nil {
					t.Fatal(err)
				}
				err = consumer.try(t.Context(), plain(1))
				if calls != c.calls || (err != nil) != c.fails {
					t.Errorf("%d calls, error %v", calls, err)
				}
			})
		})
	}
}
