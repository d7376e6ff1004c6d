package observability

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"course.example/lab/services/servicestest"
	"course.example/shop"
	wmamqp "github.com/ThreeDotsLabs/watermill-amqp/v3/pkg/amqp"
	"github.com/ThreeDotsLabs/watermill/message"
	amqp "github.com/rabbitmq/amqp091-go"
)

// Does Watermill's publisher keep the promise that nothing accepted is lost? Asked of a queue
// that is full before the first message and refuses it (basic.nack), and of a queue that is not
// there: with its defaults, no; with confirms, half. Ours does.
func TestPublishWaitsForTheConfirm(t *testing.T) {
	t.Parallel()
	w := newUnseenWorld(t)
	on, err := connect(t.Context(), w.s, "test")
	must(t, err)
	_, err = on.channel.QueueDeclare("full", true, false, false, false, amqp.Table{
		amqp.QueueMaxLenArg: 0, amqp.QueueOverflowArg: amqp.QueueOverflowRejectPublish,
	})
	must(t, err)
	must(t, on.close())
	theirs := func(confirms bool) message.Publisher {
		config := wmamqp.NewDurableQueueConfig(w.s.URL)
		config.Publish.ConfirmDelivery = confirms
		p, err := wmamqp.NewPublisher(config, frameworkLog())
		must(t, err)
		t.Cleanup(func() { check(t, p.Close()) })
		return p
	}
	for name, c := range map[string]struct {
		message.Publisher
		losesRefused, losesUnroutable bool
	}{
		"ours":                      {w.connect2(t).publisher, false, false},
		"Watermill's":               {theirs(false), true, true},
		"Watermill's, and confirms": {theirs(true), false, true},
	} {
		for range 3 {
			for queue, loses := range map[string]bool{
				"full": c.losesRefused, "nowhere": c.losesUnroutable, OrdersTopic: true,
			} {
				err := c.Publish(queue, message.NewMessage("1", nil))
				if taken := err == nil; taken != loses {
					t.Errorf("%s: a message into %s: %v", name, queue, err)
				}
			}
		}
	}
}

func TestQueuesAreDeclared(t *testing.T) {
	t.Parallel()
	w := newUnseenWorld(t)
	b := w.connect2(t)
	for _, queue := range []string{OrdersTopic, EmailedTopic, PoisonTopic} {
		if _, err := b.Depth(queue); err != nil {
			t.Errorf("Connect did not declare %s: %v", queue, err)
		}
	}
	if _, err := b.Depth("nowhere"); err == nil {
		t.Error("the depth of a queue that is not there")
	}
	if n, err := b.Depth(OrdersTopic); n != 0 || err != nil {
		t.Errorf("asked again after an error: %d, %v", n, err)
	}
}

// A header that is no text comes with what a quorum queue delivers again. Watermill's own
// marshaler refuses it, puts the message back and gets it again, forever.
func TestAMessageThatIsDeliveredAgainCanBeRead(t *testing.T) {
	t.Parallel()
	d := amqp.Delivery{
		Acknowledger: new(amqp.Channel), Body: []byte("{}"), MessageId: "1", CorrelationId: "2",
		Headers: amqp.Table{"x-delivery-count": int64(3), "traceparent": "00-1-2-01",
			"x-number": int64(7), "x-long": strings.Repeat("x", 2*maxHeaders)},
	}
	if _, err := (wmamqp.DefaultMarshaler{}).Unmarshal(d); err == nil {
		t.Error("Watermill reads it by itself now: ours is not needed any more")
	}
	m := unmarshal(d)
	want := message.Metadata{"traceparent": "00-1-2-01", "x-number": "7", "correlation_id": "2"}
	if !maps.Equal(m.Metadata, want) || m.UUID != "1" {
		t.Errorf("read %v of %s", m.Metadata, m.UUID)
	}
	if again := marshal(m); again.MessageId != "1" || again.CorrelationId != "2" ||
		again.DeliveryMode != amqp.Persistent {
		t.Errorf("written again: %+v", again)
	}
}

// A count on a first delivery was written by a stranger.
func TestForgedCountIsNotBelieved(t *testing.T) {
	t.Parallel()
	d := amqp.Delivery{Headers: amqp.Table{
		"x-delivery-count": int64(50), "x-acquired-count": int64(7)}}
	if n := roundsOf(d); n != 0 {
		t.Errorf("a first delivery has come back %d times", n)
	}
	d.Redelivered = true
	if n := roundsOf(d); n != 50 {
		t.Errorf("it has come back %d times, want 50", n)
	}
}

// answers takes the place of the broker at the end of a delivery.
type answers chan string

func (a answers) Ack(uint64, bool) error        { a <- "ack"; return nil }
func (a answers) Nack(uint64, bool, bool) error { a <- "nack"; return nil }
func (a answers) Reject(_ uint64, requeue bool) error {
	a <- fmt.Sprint("requeue ", requeue)
	return nil
}

// What nobody can finish comes again after a pause, and in the end the broker moves it. As long
// as nothing can be moved, it is not the message's fault.
func TestWhatCannotBeFinishedGoesRoundNotForEver(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		rounds int64
		ready  error
		acked  bool
		want   string
		after  time.Duration
	}{
		"finished":              {0, nil, true, "ack", 0},
		"at first":              {0, nil, false, "requeue true", putBackPause},
		"in the end":            {maxRounds, nil, false, "requeue false", 0},
		"as long as it must be": {maxRounds, errBlocked, false, "requeue true", putBackPause},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newSubscriber(DefaultSettings(), &Publisher{notReady: c.ready})
				told := make(answers, 1)
				d := amqp.Delivery{Acknowledger: told, Redelivered: true,
					Headers: amqp.Table{"x-delivery-count": c.rounds}}
				m := message.NewMessage("1", nil)
				if m.Nack(); c.acked {
					m = message.NewMessage("1", nil)
					m.Ack()
				}
				began := time.Now()
				s.await(t.Context(), m, d)
				if got := <-told; got != c.want || time.Since(began) != c.after {
					t.Errorf("the broker was told %s after %v, want %s after %v", got,
						time.Since(began), c.want, c.after)
				}
			})
		})
	}
}

// Work that is done is not done again because the event that follows cannot be published.
func TestWhatFollowsIsPublishedInTheEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		tries := 0
		err := insisting{publishes(func() error {
			if tries++; tries < 20 {
				return errBlocked
			}
			return nil
		}), ctx}.Publish(EmailedTopic)
		if err != nil || tries != 20 {
			t.Errorf("after %d tries: %v", tries, err)
		}
		err = insisting{publishes(func() error { return errBlocked }), ctx}.Publish(EmailedTopic)
		if err == nil || ctx.Err() == nil {
			t.Errorf("it gave up before it had to: %v", err)
		}
	})
}

type publishes func() error

func (p publishes) Publish(string, ...*message.Message) error { return p() }
func (publishes) Close() error                                { return nil }

// A process that is asked to end finishes the message in its hand, once. Without our draining
// the framework gives it back while its handler is still working.
func TestDrainFinishesWhatIsInHand(t *testing.T) {
	t.Parallel()
	w := newUnseenWorld(t)
	tel, b := w.telemetry("consumer", "consumer-1"), w.connect()
	inProgress, goOn := make(chan struct{}, 10), make(chan struct{})
	router, err := NewRouter(b, tel, w.s, OrdersTopic, EmailedTopic,
		func(m *message.Message) ([]*message.Message, error) {
			inProgress <- struct{}{}
			<-goOn
			if err := m.Context().Err(); err != nil {
				return nil, err
			}
			return []*message.Message{message.NewMessage("2", nil)}, nil
		})
	must(t, err)
	told := make(chan struct{}, 1)
	router.AddSubscriberDecorators(func(s message.Subscriber) (message.Subscriber, error) {
		return overheard{s, told}, nil
	})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- Drain(ctx, router) }()
	must(t, b.publisher.Publish(OrdersTopic, message.NewMessage("1", nil)))
	<-inProgress
	cancel()
	receive(t, "the router's word to its subscriber that it is over", told)
	close(goOn)
	must(t, <-ended)
	check(t, b.Close())
	tel.Stop()

	after := w.connect2(t)
	if n, err := after.Depth(OrdersTopic); n != 0 || err != nil {
		t.Errorf("%d messages were given back, %v", n, err)
	}
	eventually(t, "the follow-up event", func() bool {
		n, err := after.Depth(EmailedTopic)
		return n == 1 && err == nil
	})
}

// A consumer that loses its connection in the middle of a backlog goes on over the next one, also
// when the broker had pushed more than it can begin.
func TestALostConnectionInABacklog(t *testing.T) {
	t.Parallel()
	w := newUnseenWorld(t)
	w.s.Work = time.Millisecond
	wire := servicestest.NewWire(t, w.s.URL)
	w.s.URL = wire.URL
	w.produce()
	w.order("?count=200", "")
	w.consume("consumer", "consumer-1", NewConsumer)
	for _, n := range []int{20, 60, 100} {
		w.worked("consumer", n)
		wire.Cut()
	}
	w.worked("consumer", 200)
	after := w.connect2(t)
	eventually(t, "an empty queue", func() bool {
		n, err := after.Depth(OrdersTopic)
		return n == 0 && err == nil
	})
}

// overheard says when the router closes its subscriber. The call comes back only after the message
// in progress is done; but to be done it must be followed by an event, which takes a confirm.
type overheard struct {
	message.Subscriber
	told chan<- struct{}
}

func (o overheard) Close() error {
	o.told <- struct{}{}
	return o.Subscriber.Close()
}

// A process that is asked to end while it begins ends, too: here there is no broker.
func TestDrainOfARouterThatCannotBegin(t *testing.T) {
	t.Parallel()
	w := &world{t: t, s: DefaultSettings()}
	w.s.URL = "amqp://guest:guest@127.0.0.1:1/"
	tel, b := w.telemetry("consumer", "consumer-1"), Connect(w.s)
	router, err := NewConsumer(b, tel, w.s)
	must(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	ended := make(chan error, 1)
	go func() { ended <- Drain(ctx, router) }()
	check(t, receive(t, "the end", ended))
	check(t, b.Close())
	tel.Stop()
}

func TestConnectSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	w := newUnseenWorld(t)
	wrong := w.s
	for _, c := range []struct {
		name, want string
		change     func(*url.URL)
	}{
		{"a wrong password", "refuses the user or password", func(u *url.URL) {
			u.User = url.UserPassword(u.User.Username(), "wrong")
		}},
		{"no such vhost", "no such vhost", func(u *url.URL) { u.Path = "/nowhere" }},
	} {
		u, err := url.Parse(w.s.URL)
		must(t, err)
		c.change(u)
		wrong.URL = u.String()
		saysOfHealth(t, wrong, c.want)
	}
	wrong.URL = "amqp://guest:guest@127.0.0.1:1/"
	saysOfHealth(t, wrong, "AMQP_URL")
}

// saysOfHealth waits until a program that is started with these settings says what is wrong.
func saysOfHealth(t *testing.T, s Settings, want string) {
	t.Helper()
	b := Connect(s)
	var last error
	eventually(t, want, func() bool {
		last = b.Ready(t.Context())
		return last != nil && strings.Contains(last.Error(), want)
	})
	check(t, b.Close())
	if u, err := url.Parse(s.URL); err == nil {
		if password, _ := u.User.Password(); password == "wrong" &&
			strings.Contains(last.Error(), password) {
			t.Errorf("it tells the password: %v", last)
		}
	}
}

// A queue of the same name that is not ours is no reason to try again forever.
func TestConnectMeetsAnotherQueue(t *testing.T) {
	t.Parallel()
	s := DefaultSettings()
	s.URL = servicestest.RabbitMQ(t).URL
	conn, err := amqp.Dial(s.URL)
	must(t, err)
	channel, err := conn.Channel()
	must(t, err)
	_, err = channel.QueueDeclare(OrdersTopic, true, false, false, false, nil) // a classic one
	must(t, err)
	must(t, conn.Close())
	saysOfHealth(t, s, `another queue named "orders"`)
}

func TestInjectSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	good := DefaultSettings()
	bad := good
	bad.URL = "http://localhost/"
	for _, c := range []struct {
		s     Settings
		kind  string
		count int
		want  string
	}{
		{good, "flowers", 1, "garbage, duplicate"},
		{good, "garbage", 0, "count must be 1 to"},
		{bad, "garbage", 1, "AMQP_URL is not an AMQP address"},
	} {
		err := Inject(t.Context(), c.s, c.kind, c.count)
		if usage := new(shop.UsageError); !errors.As(err, &usage) ||
			!strings.Contains(err.Error(), c.want) {
			t.Errorf("%s, %d: %v", c.kind, c.count, err)
		}
	}
}
