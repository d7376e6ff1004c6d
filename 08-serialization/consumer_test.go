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
	c.deliver(t.Context(), d)
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
	c.dead.set(lineOn(t, on), nil)
	d, told := delivery(t)
	d.Type = "order.paid"
	silence()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		c.deliver(ctx, d)
	}()
	take(t, s, DeadQueue, 1)
	if !told.are() {
		t.Errorf("the broker was told %s before it had confirmed the dead letter", told)
	}
	cancel()
	<-ended
	eventually(t, "the original is put back", func() bool { return told.are("reject, requeue true") })
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
	l := lineOn(t, on)
	for range 3 {
		err := l.put(t.Context(), full, amqp.Publishing{Body: []byte("1")})
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
	l := lineOn(t, on)
	silence()
	answer := make(chan error, 1)
	go func() { answer <- l.put(t.Context(), Queue, amqp.Publishing{}) }()
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
	l := lineOn(t, on)
	silence()
	answer := make(chan error, 1)
	go func() { answer <- l.put(context.Background(), Queue, amqp.Publishing{}) }()
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
	inProgress, release := make(chan struct{}, len(ids)), make(chan struct{})
	c, err := NewConsumer(s, func(ctx context.Context, e OrderPlaced) error {
		inProgress <- struct{}{}
		<-release
		if ctx.Err() != nil {
			t.Error("the order in progress was interrupted")
		}
		return seen.handle(ctx, e)
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	<-inProgress
	cancel()
	close(release)
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if n := seen.count(ids); n != 1 {
		t.Fatalf("%d orders were done, want the one in progress", n)
	}
	take(t, s, Queue, len(ids)-1)
}

// A broker that is away is asked again for as long as it takes.
func TestReconnectingNeverEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Minute)
		defer cancel()
		err := keepConnected(ctx, "test", func(context.Context) error { return errNotConnected })
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

// A broker confirms what no queue wants, too: mandatory is how a publisher learns of it.
func TestMessageThatNoQueueWantsIsNotConfirmed(t *testing.T) {
	t.Parallel()
	on, err := connect(t.Context(), onBroker(t).URL, "test")
	if err != nil {
		t.Fatal(err)
	}
	l := lineOn(t, on)
	for queue, want := range map[string]error{"nowhere": errUnroutable, Queue: nil} {
		for range 20 { // with one name for all of them, as strangers may have it
			if err := l.put(t.Context(), queue, amqp.Publishing{}); !errors.Is(err, want) {
				t.Errorf("into %s: got %v, want %v", queue, err, want)
			}
		}
	}
	if err := on.close(); err != nil {
		t.Error(err)
	}
}

// A count on a first delivery was written by a stranger.
func TestForgedCountIsNotBelieved(t *testing.T) {
	t.Parallel()
	d := amqp.Delivery{Headers: amqp.Table{"x-delivery-count": int64(50), "x-acquired-count": int64(7)}}
	if n := attemptOf(d); n != 1 {
		t.Errorf("a first delivery is the %dth", n)
	}
	d.Redelivered = true
	if n := attemptOf(d); n != 51 {
		t.Errorf("after 50 deliveries it is the %dth", n)
	}
}

// What cannot become a dead letter comes again, and in the end the broker moves it.
func TestWhatCannotBeMovedGoesRoundNotForEver(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		times int64
		ready error
		want  string
	}{
		"at first":              {0, nil, "reject, requeue true"},
		"in the end":            {maxMoves, nil, "reject, requeue false"},
		"as long as it must be": {maxMoves, errBlocked, "reject, requeue true"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				consumer, err := NewConsumer(DefaultSettings(), nil)
				if err != nil {
					t.Fatal(err)
				}
				consumer.dead.set(nil, c.ready)
				d, told := delivery(t)
				d.Redelivered, d.Headers["x-delivery-count"] = true, c.times
				consumer.cannotMove(t.Context(), d, errRefused)
				time.Sleep(2 * putBackPause)
				if !told.are(c.want) {
					t.Errorf("the broker was told %s, want %s", told, c.want)
				}
			})
		})
	}
}
