package score

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	amqp "github.com/rabbitmq/amqp091-go"

	"course.example/lab/internal/manifest"
)

// pile makes many orders wait where the step lets orders wait. It copies one that was
// placed at the front door and that nobody has taken yet: what an order looks like there
// is the step's business. The copies differ in their identity alone.
type pile struct {
	how     manifest.Backlog
	address map[string]string
	order   string         // the identity of the one that was placed
	message *amqp.Delivery // in RabbitMQ it looks like this
	made    int            // copies so far
	left    int            // of the pile, when it was looked at last
}

// add makes n more copies wait.
func (p *pile) add(ctx context.Context, n int) (err error) {
	if n <= 0 {
		return nil
	}
	if p.how.Queue != "" {
		err = p.publish(ctx, n)
	} else {
		err = p.insert(ctx, n)
	}
	if err != nil {
		return fmt.Errorf("make %d orders wait: %w", n, err)
	}
	p.made += n
	return nil
}

// identity is the one of the i-th copy: the last twelve digits of the UUID are a number.
func (p *pile) identity(i int) (string, error) {
	last := strings.LastIndex(p.order, "-") + 1
	if last == 0 || len(p.order)-last != 12 {
		return "", fmt.Errorf("the identity of an order is %q, which is no UUID", p.order)
	}
	return fmt.Sprintf("%s%012x", p.order[:last], i), nil
}

// insert lets the database copy rows, by the statements of the manifest.
func (p *pile) insert(ctx context.Context, n int) (err error) {
	conn, err := pgx.Connect(ctx, p.address["DATABASE_URL"])
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close(context.WithoutCancel(ctx))) }()
	for _, statement := range p.how.SQL {
		if !strings.Contains(statement, "$1") {
			if _, err := conn.Exec(ctx, statement); err != nil {
				return err
			}
			continue
		}
		tag, err := conn.Exec(ctx, statement, p.made+1, p.made+n)
		if err != nil {
			return err
		}
		if made := tag.RowsAffected(); made != int64(n) {
			return fmt.Errorf("%d copies were made: does an order wait that can be copied?", made)
		}
	}
	return nil
}

// unconfirmed is how many messages are under way to the broker at a time.
const unconfirmed = 2_000

// publish takes the message that waits in the queue and sends it again and again. The
// message itself goes back into the queue as the connection closes: nobody acknowledges it.
func (p *pile) publish(ctx context.Context, n int) (err error) {
	conn, err := amqp.Dial(p.address["AMQP_URL"])
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	channel, err := conn.Channel()
	if err == nil && p.message == nil {
		err = p.look(channel)
	}
	if err == nil {
		err = channel.Confirm(false)
	}
	if err != nil {
		return err
	}
	var waiting []*amqp.DeferredConfirmation
	for i := range n {
		message, err := p.another(p.made + i + 1)
		if err != nil {
			return err
		}
		confirm, err := channel.PublishWithDeferredConfirmWithContext(
			ctx, amqp.DefaultExchange, p.how.Queue, true, false, message)
		if err != nil {
			return err
		}
		if waiting = append(waiting, confirm); len(waiting) == unconfirmed || i == n-1 {
			if err := allConfirmed(ctx, waiting); err != nil {
				return err
			}
			waiting = waiting[:0]
		}
	}
	return nil
}

// look finds out what an order looks like in the queue.
func (p *pile) look(channel *amqp.Channel) error {
	message, ok, err := channel.Get(p.how.Queue, false)
	switch {
	case err != nil:
		return err
	case !ok:
		return fmt.Errorf("no message waits in the queue %s", p.how.Queue)
	case !bytes.Contains(message.Body, []byte(p.order)):
		return fmt.Errorf("the message in the queue %s is not that of order %s",
			p.how.Queue, p.order)
	}
	p.message = &message
	return nil
}

// another is the i-th copy of the message.
func (p *pile) another(i int) (amqp.Publishing, error) {
	id, err := p.identity(i)
	if err != nil {
		return amqp.Publishing{}, err
	}
	m := p.message
	return amqp.Publishing{
		Headers: m.Headers, Type: m.Type, ContentType: m.ContentType,
		ContentEncoding: m.ContentEncoding, DeliveryMode: m.DeliveryMode,
		Timestamp: m.Timestamp, MessageId: strings.ReplaceAll(m.MessageId, p.order, id),
		Body: bytes.ReplaceAll(m.Body, []byte(p.order), []byte(id)),
	}, nil
}

func allConfirmed(ctx context.Context, all []*amqp.DeferredConfirmation) error {
	for _, confirm := range all {
		ok, err := confirm.WaitContext(ctx)
		if err != nil {
			return err
		}
		if !ok {
			return errors.New("the broker refused a message")
		}
	}
	return nil
}
