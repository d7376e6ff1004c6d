package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"course.example/shop"
	amqp "github.com/rabbitmq/amqp091-go"
)

func TestEveryOrderIsHandledOnce(t *testing.T) {
	t.Parallel()
	s := onBroker(t)
	ids := place(t, s, 200)
	seen := newTally()
	_, b := subscriber(t, s, seen.handle)
	eventually(t, "all handled", func() bool { return seen.missing(ids) == 0 })
	b.end(t)
	if _, total := seen.count(); total != len(ids) {
		t.Errorf("%d orders were handled %d times", len(ids), total)
	}
	a := admin(t, s)
	a.waitFor(OrdersQueue, 0)
	a.waitFor(DeadLetterQueue, 0)
}

func TestWorkersShareAConsumer(t *testing.T) {
	t.Parallel()
	s := onBroker(t)
	s.Workers = 4
	place(t, s, s.Workers)
	inProgress, release := make(chan string, s.Workers), make(chan struct{})
	subscriber(t, s, func(_ context.Context, order shop.Order) error {
		inProgress <- order.ID
		<-release
		return nil
	})
	for range s.Workers { // none of them finishes before all have begun
		receive(t, "order in progress", inProgress)
	}
	close(release)
	admin(t, s).waitFor(OrdersQueue, 0)
}

func TestBadMessagesBecomeDeadLetters(t *testing.T) {
	t.Parallel()
	for kind, c := range map[string]struct{ reason, body string }{
		"garbage":       {"body is not an order", "not JSON"},
		"wrong-version": {`message type "order.placed.v9"`, `"order_id"`},
	} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			s := onBroker(t)
			admin(t, s).declare(quorumOrders)
			if err := Inject(t.Context(), s, kind, 3); err != nil {
				t.Fatal(err)
			}
			ids := place(t, s, 20) // behind the bad ones
			seen := newTally()
			subscriber(t, s, seen.handle)
			eventually(t, "good orders handled", func() bool { return seen.missing(ids) == 0 })

			for _, d := range admin(t, s).take(DeadLetterQueue, 3) {
				checkDeadLetter(t, d, c.reason)
				if !contains(string(d.Body), c.body) {
					t.Errorf("the dead letter's body is %q", d.Body)
				}
			}
		})
	}
}

func checkDeadLetter(t *testing.T, d amqp.Delivery, reason string) {
	t.Helper()
	if got, _ := d.Headers[HeaderReason].(string); !contains(got, reason) {
		t.Errorf("%s is %q, want it to say %q", HeaderReason, got, reason)
	}
	if got := number(d.Headers[HeaderDeliveries]); got < 1 {
		t.Errorf("%s is %v", HeaderDeliveries, d.Headers[HeaderDeliveries])
	}
}

func TestFailingOrderIsTriedThenDeadLettered(t *testing.T) {
	t.Parallel()
	s := onBroker(t)
	s.Attempts = 3
	p, _ := publisher(t, s)
	bad := newOrder(t, "nobody@"+shop.BounceDomain)
	if err := p.Publish(t.Context(), bad); err != nil {
		t.Fatal(err)
	}
	good := place(t, s, 5)
	seen := newTally()
	subscriber(t, s, func(ctx context.Context, order shop.Order) error {
		return errors.Join(seen.handle(ctx, order), shop.Work(ctx, order, 0))
	})
	letter := admin(t, s).take(DeadLetterQueue, 1)[0]
	checkDeadLetter(t, letter, "failed 3 times: e-mail to nobody@bounce.test")
	if letter.MessageId != bad.ID {
		t.Errorf("dead letter %s, want %s", letter.MessageId, bad.ID)
	}
	eventually(t, "good orders handled", func() bool { return seen.missing(good) == 0 })
	if got := seen.times[bad.ID]; got != s.Attempts {
		t.Errorf("tried %d times, want %d", got, s.Attempts)
	}
}

// diesWith lets consumers die, so many times, with all messages of the queue in progress.
func diesWith(t *testing.T, s Settings, queue string, messages, times int) {
	t.Helper()
	for range times {
		a := admin(t, s)
		a.waitFor(queue, messages)
		if err := a.channel.Qos(messages, 0, false); err != nil {
			t.Fatal(err)
		}
		pushed, err := a.channel.Consume(queue, "dies", false, false, false, false, nil)
		if err != nil {
			t.Fatal(err)
		}
		for range messages {
			receive(t, "message of "+queue, pushed)
		}
		if err := a.channel.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// Most of what a killed consumer had was only prefetched. It comes back again and
// again, as often as the consumer is killed, and is done in the end.
func TestPrefetchedOrdersAreNotGuilty(t *testing.T) {
	t.Parallel()
	s := onBroker(t)
	ids := place(t, s, 10)
	diesWith(t, s, OrdersQueue, len(ids), maxDeliveries+1)
	seen := newTally()
	subscriber(t, s, seen.handle)
	eventually(t, "all are handled", func() bool { return seen.missing(ids) == 0 })
	a := admin(t, s)
	a.waitFor(SuspectsQueue, 0)
	a.waitFor(DeadLetterQueue, 0)
}

// A message that was begun again and again without an answer may be what kills its
// consumers: it must not reach the handler once more.
func TestKillerMessageIsDeadLettered(t *testing.T) {
	t.Parallel()
	s := onBroker(t)
	killer := newOrder(t, shop.SampleEmail)
	m, err := encode(killer)
	if err != nil {
		t.Fatal(err)
	}
	p, _ := publisher(t, s)
	if err := p.publish(t.Context(), amqp.DefaultExchange, SuspectsQueue, m); err != nil {
		t.Fatal(err)
	}
	diesWith(t, s, SuspectsQueue, 1, maxBeginnings)
	seen := newTally()
	subscriber(t, s, seen.handle)
	a := admin(t, s)
	eventually(t, "it is given up, or handled", func() bool {
		return a.inspect(DeadLetterQueue).Messages > 0 || seen.missing([]string{killer.ID}) == 0
	})
	if seen.missing([]string{killer.ID}) == 0 {
		t.Fatal("the handler got the message")
	}
	letter := a.take(DeadLetterQueue, 1)[0]
	checkDeadLetter(t, letter, fmt.Sprintf("begun %d times without an answer", maxBeginnings))
}

func TestDeadLetterLeavesTwoPropertiesBehind(t *testing.T) {
	t.Parallel()
	s := onBroker(t)
	a := admin(t, s)
	a.declare(quorumOrders)
	err := a.channel.PublishWithContext(t.Context(), "", OrdersQueue, true, false,
		amqp.Publishing{
			Expiration: "60000", UserId: "guest", AppId: "foreign", Body: []byte("?"),
			Headers: amqp.Table{"colour": "green"},
		})
	if err != nil {
		t.Fatal(err)
	}
	subscriber(t, s, newTally().handle)
	letter := a.take(DeadLetterQueue, 1)[0]
	if letter.Expiration != "" || letter.UserId != "" {
		t.Errorf("expiration %q, user id %q", letter.Expiration, letter.UserId)
	}
	if letter.AppId != "foreign" || letter.Headers["colour"] != "green" {
		t.Errorf("app id %q, headers %v", letter.AppId, letter.Headers)
	}
}

// While nothing can be dead-lettered the message waits in the queue, and goes
// round no faster than putBackPause allows.
func TestDeadLetterExchangeAway(t *testing.T) {
	t.Parallel()
	direct := onBroker(t)
	s, network := through(t, direct)
	sub := NewSubscriber(direct, newTally().handle)
	sub.dead = newPublisher("dead letters", s)
	rounds := newTally()
	giveUp := sub.giveUp
	sub.giveUp = func(ctx context.Context, d amqp.Delivery, o shop.Order, reason error) {
		if err := rounds.handle(ctx, o); err != nil {
			t.Error(err)
		}
		giveUp(ctx, d, o, reason)
	}
	start(t, sub.Run)
	ready(t, sub.dead)
	a := admin(t, direct)
	eventually(t, "it consumes", func() bool { return a.inspect(OrdersQueue).Consumers == 1 })
	network.setAway(true)
	eventually(t, "no way to dead letters", func() bool {
		return sub.dead.Ready(t.Context()) != nil
	})
	began := time.Now()
	if err := Inject(t.Context(), direct, "garbage", 1); err != nil {
		t.Fatal(err)
	}
	total := func() int { _, n := rounds.count(); return n }
	eventually(t, "it comes round", func() bool { return total() >= 2 })
	if took := time.Since(began); took < putBackPause {
		t.Errorf("two rounds in %s", took)
	}
	network.setAway(false)
	checkDeadLetter(t, a.take(DeadLetterQueue, 1)[0], "not an order")
}

func TestDrainFinishesWhatIsInHand(t *testing.T) {
	t.Parallel()
	s := onBroker(t)
	s.Workers, s.Prefetch = 2, 10
	ids := place(t, s, 20)
	seen := newTally()
	inProgress, release := make(chan string, len(ids)), make(chan struct{})
	_, b := subscriber(t, s, func(ctx context.Context, order shop.Order) error {
		inProgress <- order.ID
		<-release
		if ctx.Err() != nil {
			t.Error("an order in progress was interrupted")
		}
		return seen.handle(ctx, order)
	})
	receive(t, "first order", inProgress)
	receive(t, "second order", inProgress)
	a := admin(t, s)
	a.waitFor(OrdersQueue, 10) // ten are pushed ahead
	b.stop()
	close(release)
	b.end(t)
	if _, total := seen.count(); total != s.Workers {
		t.Fatalf("%d orders were handled, want the %d in progress", total, s.Workers)
	}
	a.waitFor(OrdersQueue, len(ids)-s.Workers)
}

func TestTwoSubscribersShare(t *testing.T) {
	t.Parallel()
	s := onBroker(t)
	seen := newTally()
	release := make(chan struct{})
	holding := func(inProgress chan<- string) Handler {
		return func(ctx context.Context, order shop.Order) error {
			inProgress <- order.ID
			<-release
			return seen.handle(ctx, order)
		}
	}
	one, two := make(chan string, 100), make(chan string, 100)
	subscriber(t, s, holding(one))
	subscriber(t, s, holding(two))
	ids := place(t, s, 100)
	receive(t, "order for the one, while the other is busy", one)
	receive(t, "order for the other, while the one is busy", two)
	close(release)
	eventually(t, "all handled", func() bool { return seen.missing(ids) == 0 })
	if _, total := seen.count(); total != len(ids) {
		t.Errorf("%d orders were handled %d times", len(ids), total)
	}
}

// What the client had in its buffer when the connection died is somebody else's
// by then: only the order in progress is done twice.
func TestCutConnectionRepeatsOnlyWhatWasInHand(t *testing.T) {
	t.Parallel()
	direct := onBroker(t)
	s, network := through(t, direct)
	s.Prefetch = 50
	ids := place(t, direct, 100)
	seen := newTally()
	inProgress, release := make(chan string, len(ids)*2), make(chan struct{})
	subscriber(t, s, func(ctx context.Context, order shop.Order) error {
		inProgress <- order.ID
		<-release
		return seen.handle(ctx, order)
	})
	first := receive(t, "first order", inProgress)
	a := admin(t, direct)
	a.waitFor(OrdersQueue, len(ids)-s.Prefetch)
	network.cut()
	a.waitFor(OrdersQueue, len(ids)) // all of them are back
	close(release)
	eventually(t, "all handled", func() bool { return seen.missing(ids) == 0 })
	a.waitFor(OrdersQueue, 0)
	if _, total := seen.count(); total != len(ids)+1 || seen.times[first] != 2 {
		t.Errorf("%d orders were handled %d times, the one in progress %d times",
			len(ids), total, seen.times[first])
	}
}

// What a worker takes up in the instant in which the connection dies is another's,
// too.
func TestNothingOfADeadConnectionIsBegun(t *testing.T) {
	t.Parallel()
	s := onBroker(t)
	conn, err := connect(t.Context(), s, "test", quorumOrders)
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.close(); err != nil {
		t.Fatal(err)
	}
	d, told := delivery(t)
	deliveries := make(chan amqp.Delivery, 1)
	deliveries <- d
	close(deliveries)
	seen := newTally()
	sub := NewSubscriber(s, seen.handle)
	sub.work(t.Context(), conn, deliveries, sub.deliver)
	if _, total := seen.count(); total != 0 || !told.are() {
		t.Errorf("%d orders were handled, and the broker was told %s", total, told)
	}
}

// A connection that freezes is given up by both sides after the heartbeat. The
// orders go to another consumer, and the frozen one does not do them again.
func TestFrozenConsumerLosesNothing(t *testing.T) {
	t.Parallel()
	direct := onBroker(t)
	s, network := through(t, direct)
	s.Prefetch, s.Heartbeat = 20, time.Second
	ids := place(t, direct, 40)
	conn, err := connect(t.Context(), s, "test", quorumOrders)
	if err != nil {
		t.Fatal(err)
	}
	frozen, other := newTally(), newTally()
	inProgress, release := make(chan string, len(ids)), make(chan struct{})
	c := NewSubscriber(s, func(ctx context.Context, order shop.Order) error {
		inProgress <- order.ID
		<-release
		return frozen.handle(ctx, order)
	})
	ended := make(chan error, 1)
	go func() { ended <- c.consume(t.Context(), conn) }()
	c.dead.setReady(nil)
	receive(t, "first order", inProgress)
	admin(t, direct).waitFor(OrdersQueue, len(ids)-s.Prefetch)
	network.freeze(true, true)
	subscriber(t, direct, other.handle)
	eventually(t, "the other one does all", func() bool { return other.missing(ids) == 0 })
	eventually(t, "the frozen one has noticed", conn.dead)
	close(release)
	if err := receive(t, "end of the frozen one", ended); err != nil {
		t.Error(err)
	}
	if _, twice := frozen.count(); twice != 1 {
		t.Errorf("the frozen consumer did %d orders, want the one in its hand", twice)
	}
}

func TestDeletedQueueIsDeclaredAnew(t *testing.T) {
	t.Parallel()
	s := onBroker(t)
	seen := newTally()
	subscriber(t, s, seen.handle)
	consumed := func() bool {
		q, err := admin(t, s).channel.QueueDeclarePassive(
			OrdersQueue, true, false, false, false, nil)
		return err == nil && q.Consumers == 1
	}
	eventually(t, "the queue has a consumer", consumed)
	if _, err := admin(t, s).channel.QueueDelete(OrdersQueue, false, false, false); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the queue and its consumer are back", consumed)
	ids := place(t, s, 10)
	eventually(t, "orders are handled", func() bool { return seen.missing(ids) == 0 })
}

// A queue that has lost its leader lets the question for deliveries wait while the
// connection lives. Here the network is silent instead, and no heartbeat tells: a
// consumer that is asked to end, ends.
func TestUnansweredSubscribingEndsWithItsContext(t *testing.T) {
	t.Parallel()
	s, network := through(t, onBroker(t))
	s.Heartbeat = time.Hour
	conn, err := connect(t.Context(), s, "test", quorumOrders)
	if err != nil {
		t.Fatal(err)
	}
	network.freeze(true, false)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	c := NewSubscriber(s, newTally().handle)
	began := time.Now()
	if _, err := c.subscribe(ctx, conn, conn.channel, OrdersQueue, 1); err == nil {
		t.Error("subscribed without an answer")
	}
	if took := time.Since(began); took > answerTimeout {
		t.Errorf("it took %s to give up", took)
	}
}

// The same for one that has subscribed, and whose wish to end is not answered.
func TestUnansweredCancelEndsTheConsumer(t *testing.T) {
	t.Parallel()
	direct := onBroker(t)
	place(t, direct, 1)
	s, network := through(t, direct)
	s.Heartbeat = time.Hour
	conn, err := connect(t.Context(), s, "test", quorumOrders)
	if err != nil {
		t.Fatal(err)
	}
	handled := make(chan string, 1)
	c := NewSubscriber(s, func(_ context.Context, order shop.Order) error {
		handled <- order.ID
		return nil
	})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	c.dead.setReady(nil)
	ended := make(chan error, 1)
	go func() { ended <- c.consume(ctx, conn) }()
	receive(t, "order, which tells that it has subscribed", handled)
	network.freeze(true, false)
	cancel()
	if err := receive(t, "the end of the consumer", ended); err != nil {
		t.Error(err)
	}
}
