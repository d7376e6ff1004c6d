package saga

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	amqp "github.com/rabbitmq/amqp091-go"

	"course.example/lab/services/servicestest"
)

// answers records what a consumer says to the broker.
type answers []string

func (a *answers) Ack(_ uint64, all bool) error {
	*a = append(*a, map[bool]string{true: "ack all", false: "ack"}[all])
	return nil
}

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

// stranded is a consumer without servers: what it does with a batch is up to the test.
func stranded(commit func(context.Context, []Message) error) *consumer {
	p := &participant{name: "queue", settings: DefaultSettings(), permanent: permanent}
	p.bus = newBus(p.settings, "queue", map[string][]Kind{"queue": {ChargePayment}})
	p.batch = commit
	return p.newConsumer()
}

func batchOf(t *testing.T, said *answers, n int) (batch []*delivery) {
	t.Helper()
	for i, m := range charges(t, n) {
		batch = append(batch, &delivery{message: m,
			Delivery: amqp.Delivery{Acknowledger: said, DeliveryTag: uint64(i + 1)}})
	}
	return batch
}

// A batch is acknowledged when what it changed is committed, and not before: until
// then it would come again, to whoever is there.
func TestAcknowledgedAfterTheCommit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		said := new(answers)
		tries := 0
		stranded(func(context.Context, []Message) error {
			if tries++; !said.are() {
				t.Errorf("try %d: before the end of it was said %v", tries, *said)
			}
			if tries < 3 {
				return errConflict
			}
			return nil
		}).deliver(t.Context(), batchOf(t, said, 3))
		if tries != 3 || !said.are("ack all") {
			t.Errorf("after %d tries was said %v", tries, *said)
		}
		said = new(answers)
		ctx, stop := context.WithCancel(t.Context())
		stranded(func(context.Context, []Message) error {
			stop()
			return errors.New("no database")
		}).deliver(ctx, batchOf(t, said, 3))
		if !said.are() {
			t.Errorf("of what was not done was said %v", *said)
		}
	})
}

// What will never succeed is set aside. Without a way to the dead letters the broker
// does it; it does not come again in either case, and the others are done.
func TestPoisonedMessageOfABatchIsSetAside(t *testing.T) {
	t.Parallel()
	for _, code := range []string{"22021", "23514", "42804", "54000"} {
		said := new(answers)
		done := 0
		stranded(func(_ context.Context, batch []Message) error {
			if slices.ContainsFunc(batch, func(m Message) bool { return m.ID == "b" }) {
				return fmt.Errorf("decide: %w", &pgconn.PgError{Code: code})
			}
			done += len(batch)
			return nil
		}).deliver(t.Context(), batchOf(t, said, 3))
		if done != 2 || !said.are("reject", "ack", "ack") {
			t.Errorf("%s: %d done, said %v", code, done, *said)
		}
	}
}

// A server that is away, starts up, or waits for its administrator comes back.
func TestWhatIsPermanent(t *testing.T) {
	t.Parallel()
	for code, want := range map[string]bool{
		"22021": true, "22P05": true, "23505": true, "42P01": true, "0A000": true, "54000": true,
		"08006": false, "57P01": false, "57P03": false, "53300": false, "40001": false,
		"40P01": false, "42501": false, "42P05": false, "26000": false, "28P01": false,
		"25006": false, "25P03": false, "55P03": false, "58030": false, "XX000": false,
	} {
		if got := permanent(fmt.Errorf("x: %w", &pgconn.PgError{Code: code})); got != want {
			t.Errorf("%s: permanent is %v, want %v", code, got, want)
		}
	}
	for _, err := range []error{errConflict, context.DeadlineExceeded, io.ErrUnexpectedEOF,
		net.ErrClosed, errNotConnected} {
		if permanent(err) {
			t.Errorf("%v counts as permanent", err)
		}
	}
}

// What has begun is finished while the program drains, and not waited for without
// end; what will never succeed is not tried again.
func TestRetry(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		begun := time.Now()
		err := retry(ctx, "test", permanent, func(ctx context.Context) error {
			stop()
			<-ctx.Done()
			return context.Cause(ctx)
		})
		if took := time.Since(begun); err == nil || took != databaseTimeout {
			t.Errorf("asked to end, it ended after %v with %v", took, err)
		}
		tries := 0
		err = retry(t.Context(), "test", permanent, func(context.Context) error {
			tries++
			return &pgconn.PgError{Code: "22021"}
		})
		if err == nil || tries != 1 {
			t.Errorf("%d tries of what will never succeed: %v", tries, err)
		}
	})
}

// A batch is what is there: nothing is waited for, the order is kept, and what is
// worked on is not taken before its time.
func TestBatchIsWhatIsThere(t *testing.T) {
	t.Parallel()
	c := stranded(nil)
	c.settings.Batch, c.work = 3, time.Second
	arrived := make(chan *delivery, 10)
	ready := func(m string, done ...bool) {
		d := &delivery{message: Message{ID: m}, worked: make(chan bool, 1)}
		for _, is := range done {
			d.worked <- is
		}
		arrived <- d
	}
	for _, m := range []string{"a", "b", "c", "d"} {
		ready(m, true)
	}
	ready("e") // its work is not done
	ready("f", true)
	for i, want := range []string{"abc", "d"} {
		got := ""
		for _, d := range c.next(t.Context(), arrived) {
			got += d.message.ID
		}
		if got != want {
			t.Errorf("batch %d is %q, want %q", i, got, want)
		}
	}
	c.head.worked <- false // the program drains
	if batch := c.next(t.Context(), arrived); len(batch) != 0 {
		t.Error("what came after a message that was given back was taken: " +
			"to acknowledge it would acknowledge both")
	}
}

// Deliveries of a busy queue become batches.
func TestDeliveriesBecomeBatches(t *testing.T) {
	t.Parallel()
	sizes := []int{}
	begun := make(chan struct{})
	c := stranded(func(_ context.Context, batch []Message) error {
		<-begun
		sizes = append(sizes, len(batch))
		return nil
	})
	deliveries := make(chan amqp.Delivery)
	go func() {
		defer close(deliveries)
		for i, m := range charges(t, 2*maxBatch+1) {
			body, err := json.Marshal(m)
			if err != nil {
				t.Error(err)
			}
			deliveries <- amqp.Delivery{Acknowledger: new(answers), Body: body,
				DeliveryTag: uint64(i + 1)}
		}
		close(begun)
	}()
	c.consume(t.Context(), deliveries)
	if len(sizes) > 4 || slices.Max(sizes) != maxBatch {
		t.Errorf("batches of %v", sizes)
	}
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
		messages[i] = Message{ID: string(rune('a' + i%26)), Kind: ChargePayment,
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

// A program has a few messages at a time; who is asked to end finishes the one in progress
// and leaves the others to the next.
func TestDrainFinishesTheMessageInHand(t *testing.T) {
	t.Parallel()
	b, channel := onBroker(t, nil)
	const all = 9
	if err := b.publish(t.Context(), charges(t, all)); err != nil {
		t.Fatal(err)
	}
	const prefetch = 4
	c := stranded(nil)
	c.settings.AMQPURL, c.settings.Batch = b.settings.AMQPURL, 1 // and so four are prefetched
	running := newBus(c.settings, "queue", b.bindings)
	c.bus = running
	inProgress, release := make(chan string, all), make(chan struct{})
	c.batch = func(ctx context.Context, batch []Message) error {
		inProgress <- batch[0].ID
		<-release
		return ctx.Err()
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- running.run(ctx, c) }()
	left := func() int {
		q, err := channel.QueueDeclarePassive("queue", true, false, false, false, nil)
		if err != nil {
			t.Fatal(err)
		}
		return q.Messages
	}
	<-inProgress
	eventually(t, "it has as many as it may", func() bool {
		if n := left(); n < all-prefetch {
			t.Fatalf("%d of %d are left to others, want %d", n, all, all-prefetch)
		}
		return left() == all-prefetch
	})
	stop()
	for range 100 { // its work goes on for as long as this takes
		left()
	}
	close(release)
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if len(inProgress) > 0 {
		t.Fatal("it took another message after it was asked to end")
	}
	eventually(t, "the others are there for the next", func() bool { return left() >= all-1 })
	if n := left(); n != all-1 {
		t.Errorf("%d messages are left, want all but the one in progress", n)
	}
}

// Under a memory alarm customers are served, health says so, messages are consumed,
// and a program that is asked to end ends in time; then everything goes on.
func TestAlarmOfTheBroker(t *testing.T) {
	t.Parallel()
	b, _ := onBroker(t, nil)
	b.alarm(amqp.Blocking{Active: true, Reason: "low on memory"})
	begun := time.Now()
	if err := b.publish(t.Context(), charges(t, 1)); !errors.Is(err, errBlocked) {
		t.Errorf("published under an alarm: %v", err)
	}
	if took := time.Since(begun); took > busTimeout {
		t.Errorf("the answer took %s", took)
	}
	if err := b.ready(); err == nil || !strings.Contains(err.Error(), "low on memory") {
		t.Errorf("health says %v", err)
	}
	b.alarm(amqp.Blocking{})
	if err := b.publish(t.Context(), charges(t, 1)); err != nil {
		t.Errorf("after the alarm: %v", err)
	}
}
