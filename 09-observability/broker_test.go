package observability

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"course.example/lab/services/servicestest"
	"course.example/shop"
	wmamqp "github.com/ThreeDotsLabs/watermill-amqp/v3/pkg/amqp"
	"github.com/ThreeDotsLabs/watermill/message"
	amqp "github.com/rabbitmq/amqp091-go"
)

// Does Watermill's publisher keep the promise that nothing accepted is lost? Asked of a queue
// that is full before the first message and refuses it (basic.nack): as we configure it, yes;
// with its defaults, no.
func TestPublishWaitsForTheConfirm(t *testing.T) {
	t.Parallel()
	w := newUnseenWorld(t)
	ours, defaults := brokerConfig(w.s), brokerConfig(w.s)
	defaults.Publish = wmamqp.NewDurableQueueConfig(w.s.URL).Publish
	for name, config := range map[string]wmamqp.Config{"ours": ours, "defaults": defaults} {
		p, err := wmamqp.NewPublisher(config, frameworkLog())
		must(t, err)
		channel, err := p.Connection().Channel()
		must(t, err)
		_, err = channel.QueueDeclare("full", true, false, false, false, amqp.Table{
			amqp.QueueMaxLenArg: 0, amqp.QueueOverflowArg: amqp.QueueOverflowRejectPublish,
		})
		must(t, err)
		err = p.Publish("full", message.NewMessage("1", nil))
		if lost := err == nil; lost != (name == "defaults") {
			t.Errorf("%s: a message into a queue for none: %v", name, err)
		}
		must(t, p.Close())
	}
}

// What the confirm does not say: that a queue has the message. The broker confirms what nobody
// wants, and Watermill does not ask to be told. That is why [Connect] declares the queues.
func TestAMessageThatNoQueueWantsIsConfirmed(t *testing.T) {
	t.Parallel()
	w := newUnseenWorld(t)
	b := w.connect2(t)
	if err := b.publisher.Publish("nowhere", message.NewMessage("1", nil)); err != nil {
		t.Errorf("Watermill has learned to tell: use it. %v", err)
	}
	for _, queue := range []string{OrdersTopic, EmailedTopic, PoisonTopic} {
		if _, err := b.Depth(queue); err != nil {
			t.Errorf("Connect did not declare %s: %v", queue, err)
		}
	}
	if _, err := b.Depth("nowhere"); err == nil {
		t.Error("the depth of a queue that is not there")
	}
}

// A header that is no text comes with what a quorum queue delivers again. Watermill's own
// marshaler refuses it, puts the message back and gets it again, for ever.
func TestAMessageThatIsDeliveredAgainCanBeRead(t *testing.T) {
	t.Parallel()
	d := amqp.Delivery{
		Acknowledger: new(amqp.Channel), Body: []byte("{}"),
		Headers: amqp.Table{"x-delivery-count": int64(3), "traceparent": "00-1-2-01"},
	}
	if _, err := (wmamqp.DefaultMarshaler{}).Unmarshal(d); err == nil {
		t.Error("Watermill reads it by itself now: ours is not needed any more")
	}
	m, err := marshaler{}.Unmarshal(d)
	must(t, err)
	if m.Metadata.Get("x-delivery-count") != "3" || m.Metadata.Get("traceparent") != "00-1-2-01" {
		t.Errorf("read %v", m.Metadata)
	}
	if _, err := (marshaler{}).Unmarshal(amqp.Delivery{}); err == nil {
		t.Error("what a lost connection leaves behind was taken for a message")
	}
}

// A process that is asked to end finishes the message in its hand, once. Without our draining
// the framework gives it back while its handler is still working.
func TestDrainFinishesWhatIsInHand(t *testing.T) {
	t.Parallel()
	w := newUnseenWorld(t)
	tel, b := w.telemetry("consumer", "consumer-1"), w.connect()
	inHand, goOn := make(chan struct{}, 10), make(chan struct{})
	router, err := NewRouter(b, tel, w.s, OrdersTopic, EmailedTopic,
		func(m *message.Message) ([]*message.Message, error) {
			inHand <- struct{}{}
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
	<-inHand
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

// overheard says when the router closes its subscriber. The call comes back only after the message
// in hand is done; but to be done it must be followed by an event, which takes a confirm.
type overheard struct {
	message.Subscriber
	told chan<- struct{}
}

func (o overheard) Close() error {
	o.told <- struct{}{}
	return o.Subscriber.Close()
}

// A process that is asked to end while it begins ends, too: here the broker is gone before the
// router has subscribed.
func TestDrainOfARouterThatCannotBegin(t *testing.T) {
	t.Parallel()
	w := newUnseenWorld(t)
	tel, b := w.telemetry("consumer", "consumer-1"), w.connect()
	router, err := NewConsumer(b, tel, w.s)
	must(t, err)
	must(t, b.Close())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	ended := make(chan error, 1)
	go func() { ended <- Drain(ctx, router) }()
	select {
	case err := <-ended:
		if err == nil {
			t.Error("it ran without a broker")
		}
	case <-time.After(patience):
		t.Error("it does not end")
	}
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
		if _, err := Connect(t.Context(), wrong); err == nil ||
			!strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	wrong.URL = "amqp://guest:guest@127.0.0.1:1/"
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := Connect(ctx, wrong); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a dead broker, and no more time: %v", err)
	}
}

// A queue of the same name that is not ours is no reason to try again for ever.
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
	if _, err := Connect(t.Context(), s); err == nil ||
		!strings.Contains(err.Error(), `another queue named "orders"`) {
		t.Errorf("said %v", err)
	}
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
