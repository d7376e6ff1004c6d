package saga

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cenkalti/backoff/v5"
	amqp "github.com/rabbitmq/amqp091-go"

	"course.example/lab/services/servicestest"
)

// answers records what a consumer says to the broker.
type answers []string

func (a *answers) Ack(uint64, bool) error { *a = append(*a, "ack"); return nil }
func (a *answers) Nack(_ uint64, _, requeue bool) error {
	*a = append(*a, map[bool]string{true: "requeue", false: "nack"}[requeue])
	return nil
}

func (a *answers) Reject(_ uint64, requeue bool) error {
	*a = append(*a, map[bool]string{true: "requeue", false: "reject"}[requeue])
	return nil
}

func (a *answers) are(want ...string) bool {
	if len(*a) != len(want) {
		return false
	}
	for i, w := range want {
		if (*a)[i] != w {
			return false
		}
	}
	return true
}

// A message is acknowledged when what it changed is committed, and not before: until
// then it would come again, to whoever is there.
func TestAcknowledgedAfterTheCommit(t *testing.T) {
	t.Parallel()
	body, err := json.Marshal(Message{ID: "m", Kind: OrderPlaced, Order: newOrder(t, clients[0])})
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		b := newBus(DefaultSettings(), "queue", nil)
		said := new(answers)
		tries := 0
		b.deliver(t.Context(), amqp.Delivery{Acknowledger: said, Body: body},
			func(context.Context, Message) error {
				if tries++; !said.are() {
					t.Errorf("try %d: before the end of it was said %v", tries, *said)
				}
				if tries < 3 {
					return errConflict
				}
				return nil
			})
		if tries != 3 || !said.are("ack") {
			t.Errorf("after %d tries was said %v", tries, *said)
		}
		said = new(answers)
		ctx, stop := context.WithCancel(t.Context())
		b.deliver(ctx, amqp.Delivery{Acknowledger: said, Body: body},
			func(context.Context, Message) error {
				stop()
				return errors.New("no database")
			})
		if !said.are() {
			t.Errorf("of what was not done was said %v", *said)
		}
		b.deliver(t.Context(), amqp.Delivery{Acknowledger: said, Body: []byte("{")},
			func(context.Context, Message) error { return nil })
		if !said.are("reject") {
			t.Errorf("of what nobody can read was said %v", *said)
		}
	})
}

// What has begun is finished while the program drains, and not waited for without
// end; what will never succeed is not tried again.
func TestPatience(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		begun := time.Now()
		err := patiently(ctx, "test", func(ctx context.Context) error {
			stop()
			<-ctx.Done()
			return context.Cause(ctx)
		})
		if took := time.Since(begun); err == nil || took != databaseTimeout {
			t.Errorf("asked to end, it ended after %v with %v", took, err)
		}
		tries := 0
		err = patiently(t.Context(), "test", func(context.Context) error {
			tries++
			return backoff.Permanent(errors.New("never"))
		})
		if err == nil || tries != 1 {
			t.Errorf("%d tries of what will never succeed: %v", tries, err)
		}
	})
}

// onBroker returns a bus that publishes, with one queue of the test's own, and a
// channel to look at it.
func onBroker(t *testing.T, args amqp.Table) (*bus, *amqp.Channel) {
	t.Helper()
	s := DefaultSettings()
	s.AMQPURL = servicestest.RabbitMQ(t).URL
	b := newBus(s, "queue", map[string][]Kind{"queue": {ChargePayment}})
	conn, channel, err := b.dial("test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := closeBroker(conn); err != nil {
			t.Error(err)
		}
	})
	if args != nil { // another queue than the program's own
		if _, err := channel.QueueDeclare("queue", true, false, false, false, args); err != nil {
			t.Fatal(err)
		}
		b.bindings = nil
	}
	if err := b.declare(channel); err != nil {
		t.Fatal(err)
	}
	if err := channel.QueueBind("queue", string(ChargePayment), exchange, false, nil); err != nil {
		t.Fatal(err)
	}
	out, err := conn.Channel()
	if err != nil {
		t.Fatal(err)
	}
	if err := out.Confirm(false); err != nil {
		t.Fatal(err)
	}
	b.set(out)
	return b, channel
}

func charges(t *testing.T, n int) []Message {
	t.Helper()
	messages := make([]Message, n)
	for i := range messages {
		messages[i] = Message{ID: string(rune('a' + i)), Kind: ChargePayment,
			Order: newOrder(t, clients[0])}
	}
	return messages
}

// Published is what the broker has taken: a no, a message without a queue and a
// connection that is not there are errors.
func TestPublishedIsWhatTheBrokerHas(t *testing.T) {
	t.Parallel()
	b, channel := onBroker(t, amqp.Table{
		amqp.QueueTypeArg: "classic", "x-max-length": 1, "x-overflow": "reject-publish",
	})
	if err := b.publish(t.Context(), charges(t, 1)); err != nil {
		t.Fatal(err)
	}
	if err := b.publish(t.Context(), charges(t, 1)); err == nil {
		t.Error("the broker refused a message, and it counts as published")
	}
	d, ok, err := channel.Get("queue", true)
	if err != nil || !ok || d.DeliveryMode != amqp.Persistent || d.MessageId != "a" {
		t.Errorf("the broker has %v %+v, %v", ok, d, err)
	}
	nobodys := []Message{{ID: "n", Kind: RefundPayment}}
	if err := b.publish(t.Context(), nobodys); err == nil {
		t.Error("no queue wants a message, and it counts as published")
	}
	if err := b.publish(t.Context(), charges(t, 1)); err != nil {
		t.Errorf("the next one pays for it: %v", err)
	}
	b.set(nil)
	if err := b.publish(t.Context(), charges(t, 1)); !errors.Is(err, errNotConnected) {
		t.Errorf("without a connection: %v", err)
	}
}

// A program has a few messages at a time, two for each worker; who is asked to end
// finishes the one in hand and leaves the others to the next.
func TestDrainFinishesTheMessageInHand(t *testing.T) {
	t.Parallel()
	b, channel := onBroker(t, nil)
	const all = 9
	if err := b.publish(t.Context(), charges(t, all)); err != nil {
		t.Fatal(err)
	}
	b.settings.Workers = 1
	running := newBus(b.settings, "queue", nil)
	inHand, release := make(chan string, all), make(chan struct{})
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- running.run(ctx, func(ctx context.Context, m Message) error {
			inHand <- m.ID
			<-release
			return ctx.Err()
		})
	}()
	left := func() int {
		q, err := channel.QueueDeclarePassive("queue", true, false, false, false, nil)
		if err != nil {
			t.Fatal(err)
		}
		return q.Messages
	}
	<-inHand
	eventually(t, "it has as many as it may", func() bool {
		if n := left(); n < all-2 {
			t.Fatalf("%d of %d are left to others, want %d", n, all, all-2)
		}
		return left() == all-2
	})
	stop()
	for range 100 { // its work goes on for as long as this takes
		left()
	}
	close(release)
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if len(inHand) > 0 {
		t.Fatal("it took another message after it was asked to end")
	}
	eventually(t, "the others are there for the next", func() bool { return left() >= all-1 })
	if n := left(); n != all-1 {
		t.Errorf("%d messages are left, want all but the one in hand", n)
	}
}
