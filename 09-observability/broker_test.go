package observability

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	wmamqp "github.com/ThreeDotsLabs/watermill-amqp/v3/pkg/amqp"
	"github.com/ThreeDotsLabs/watermill/message"
	amqp "github.com/rabbitmq/amqp091-go"
)

// Does Watermill's publisher keep the promise that nothing accepted is lost? Asked of a queue
// that is full and refuses: as we configure it, yes; with its defaults, no.
func TestPublishWaitsForTheConfirm(t *testing.T) {
	t.Parallel()
	for confirm, red := range map[bool]bool{false: true, true: false} {
		w := newWorld(t)
		config := brokerConfig(w.s)
		config.Publish.ConfirmDelivery = confirm
		p, err := wmamqp.NewPublisher(config, frameworkLog())
		must(t, err)
		channel, err := p.Connection().Channel()
		must(t, err)
		_, err = channel.QueueDeclare("full", true, false, false, false, amqp.Table{
			amqp.QueueMaxLenArg: 1, amqp.QueueOverflowArg: amqp.QueueOverflowRejectPublish,
		})
		must(t, err)
		var refused error
		for range 20 { // the broker lets one or two more in than it should
			refused = errors.Join(refused, p.Publish("full", message.NewMessage("1", nil)))
		}
		if lost := refused == nil; lost != red {
			t.Errorf("confirms %v: twenty messages into a queue for one: %v", confirm, refused)
		}
		must(t, p.Close())
	}
}

// What the confirm does not say: that a queue has the message. The broker confirms what nobody
// wants, and Watermill does not ask to be told. That is why [Connect] declares the queues.
func TestAMessageThatNoQueueWantsIsConfirmed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
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
	w := newWorld(t)
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
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- Drain(ctx, router) }()
	must(t, b.publisher.Publish(OrdersTopic, message.NewMessage("1", nil)))
	<-inHand
	cancel()
	eventually(t, "the router is ending", func() bool {
		closed := make(chan bool, 1)
		go func() { closed <- router.IsClosed() }()
		select {
		case is := <-closed:
			return is
		case <-time.After(200 * time.Millisecond):
			return true // it does not answer while it waits for the message in hand
		}
	})
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

func TestConnectSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	wrong := w.s
	wrong.URL = strings.Replace(w.s.URL, "guest:guest", "guest:wrong", 1)
	if _, err := Connect(t.Context(), wrong); err == nil ||
		!strings.Contains(err.Error(), "refuses the user or password") {
		t.Errorf("a wrong password: %v", err)
	}
	wrong.URL = "amqp://guest:guest@127.0.0.1:1/"
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := Connect(ctx, wrong); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a dead broker, and no more time: %v", err)
	}
	if err := Inject(t.Context(), w.s, "flowers", 1); err == nil ||
		!strings.Contains(err.Error(), "garbage, duplicate") {
		t.Errorf("an unknown kind: %v", err)
	}
}
