//go:build exercise

package putback

import (
	"context"
	"fmt"
	"testing"
	"time"

	"course.example/lab/services/servicestest"
	amqp "github.com/rabbitmq/amqp091-go"
)

func TestMain(m *testing.M) { servicestest.Main(m) }

// letters is how many dead letters there are.
const letters = 5

func TestPutBack(t *testing.T) {
	cases := []struct {
		name  string
		to    amqp.Table // the arguments of the queue; nil for a queue that is not there
		moved int
		fails bool
	}{
		{"all of them", amqp.Table{}, letters, false},
		{"a queue with room for two", amqp.Table{
			"x-max-length": 2, amqp.QueueOverflowArg: amqp.QueueOverflowRejectPublish}, 2, true},
		{"a queue that is not there", nil, 0, true},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			conn := connect(t)
			declare(t, conn, "dead", amqp.Table{})
			if c.to != nil {
				declare(t, conn, "orders", c.to)
			}
			fill(t, conn, "dead")
			moved, err := putBack(t, conn)
			if moved != c.moved || (err != nil) != c.fails {
				t.Fatalf("moved %d, error %v; want %d moved, an error: %t", moved, err, c.moved, c.fails)
			}
			if left := take(t, conn, "dead"); len(left) != letters-c.moved {
				t.Errorf("%d are left among the dead letters, want %d", len(left), letters-c.moved)
			}
			if c.to != nil {
				judge(t, take(t, conn, "orders"), c.moved)
			}
		})
	}
}

// putBack calls PutBack on a channel of its own, and closes that.
func putBack(t *testing.T, conn *amqp.Connection) (int, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	channel, err := conn.Channel()
	if err != nil {
		t.Fatal(err)
	}
	defer channel.Close()
	return PutBack(ctx, channel, "dead", "orders")
}

func judge(t *testing.T, got []amqp.Delivery, want int) {
	t.Helper()
	if len(got) != want {
		t.Errorf("%d have come back, want %d", len(got), want)
	}
	for i, d := range got {
		if d.MessageId != id(i) || string(d.Body) != id(i) || d.Type != "order.placed.v1" ||
			d.Headers["kept"] != "yes" {
			t.Errorf("message %d came back as %s %q with the headers %v", i, d.MessageId, d.Body, d.Headers)
		}
		if reason, has := d.Headers["x-reason"]; has {
			t.Errorf("message %d still has the reason %v", i, reason)
		}
	}
}

func id(i int) string { return fmt.Sprintf("order-%d", i) }

func connect(t *testing.T) *amqp.Connection {
	t.Helper()
	conn, err := amqp.Dial(servicestest.RabbitMQ(t).URL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func declare(t *testing.T, conn *amqp.Connection, queue string, args amqp.Table) {
	t.Helper()
	on(t, conn, func(channel *amqp.Channel) error {
		_, err := channel.QueueDeclare(queue, true, false, false, false, args)
		return err
	})
}

func fill(t *testing.T, conn *amqp.Connection, queue string) {
	t.Helper()
	on(t, conn, func(channel *amqp.Channel) error {
		if err := channel.Confirm(false); err != nil {
			return err
		}
		for i := range letters {
			confirm, err := channel.PublishWithDeferredConfirm("", queue, true, false,
				amqp.Publishing{
					MessageId: id(i), Body: []byte(id(i)), Type: "order.placed.v1",
					Headers: amqp.Table{"x-reason": "the mail server was away", "kept": "yes"},
				})
			if err != nil {
				return err
			}
			if ok, err := confirm.WaitContext(t.Context()); err != nil || !ok {
				return fmt.Errorf("message %d was not taken: %w", i, err)
			}
		}
		return nil
	})
}

// take empties a queue.
func take(t *testing.T, conn *amqp.Connection, queue string) (all []amqp.Delivery) {
	t.Helper()
	on(t, conn, func(channel *amqp.Channel) error {
		for {
			d, found, err := channel.Get(queue, true)
			if err != nil || !found {
				return err
			}
			all = append(all, d)
		}
	})
	return all
}

func on(t *testing.T, conn *amqp.Connection, do func(*amqp.Channel) error) {
	t.Helper()
	channel, err := conn.Channel()
	if err != nil {
		t.Fatal(err)
	}
	defer channel.Close()
	if err := do(channel); err != nil {
		t.Fatal(err)
	}
}
