package rabbitmq

import (
	"cmp"
	"errors"
	"fmt"

	amqp "github.com/rabbitmq/amqp091-go"
)

// What the broker holds for this step:
//
//	producer ──▶ (default exchange) ──▶ [orders] ──▶ consumers
//	                    │ came back too often           │ cannot be done
//	                    ▼                               ▼
//	            [orders.suspects]         (orders.dead-letters) ──▶ [orders.dead]
//	            one at a time
const (
	OrdersQueue        = "orders"
	SuspectsQueue      = "orders.suspects"
	DeadLetterExchange = "orders.dead-letters"
	DeadLetterQueue    = "orders.dead"
)

// deliveryLimit is how often the broker itself delivers a message before it
// dead-letters it. RabbitMQ 4 has a limit of 20 by default, 3.10 has none: said
// aloud, both do the same. The consumer gives up earlier and says why; this is
// the net below it. It is far below, as it also counts what was only prefetched
// by a consumer that died.
const deliveryLimit = 100

// topology is the one queue that the variants of this step may differ in.
type topology struct {
	queue string
	args  amqp.Table
	found bool // somebody else has declared the queue, in whatever way

	// For fan-out, see fanout.go: a queue of one receiver, bound to this exchange.
	exchange string
	suspects string // "" for SuspectsQueue
}

func (t topology) suspectsQueue() string { return cmp.Or(t.suspects, SuspectsQueue) }

// quorumOrders is the queue of the right variant. A quorum queue writes every
// message to disk, on a majority of the cluster's nodes, before it confirms it:
// the replicated queue type of RabbitMQ (rabbitmq.com/docs/quorum-queues).
var quorumOrders = topology{queue: OrdersQueue, args: amqp.Table{
	amqp.QueueTypeArg:        amqp.QueueTypeQuorum,
	"x-dead-letter-exchange": DeadLetterExchange,
	"x-delivery-limit":       deliveryLimit,
	// Left to itself the broker forgets a message before its dead-letter queue
	// has it. This strategy waits, and wants reject-publish to go with it.
	"x-dead-letter-strategy": "at-least-once",
	amqp.QueueOverflowArg:    amqp.QueueOverflowRejectPublish,
}}

// Declare creates the queues of this step, for programs that are not part of it: an exercise.
func Declare(channel *amqp.Channel) error { return quorumOrders.declare(channel) }

// declare creates what is missing and checks what is there. Both sides do it on
// every connection: whoever comes first finds a broker without queues, and a
// declaration of what exists already changes nothing (AMQP 0-9-1,
// queue.declare). Durable queues survive a restart of the broker.
func (t topology) declare(channel *amqp.Channel) error {
	if t.found {
		_, err := channel.QueueDeclarePassive(t.queue, true, false, false, false, nil)
		return err
	}
	err := channel.ExchangeDeclare(DeadLetterExchange, amqp.ExchangeFanout,
		true, false, false, false, nil)
	if err != nil {
		return mismatch("exchange", DeadLetterExchange, err)
	}
	if t.exchange != "" {
		err := channel.ExchangeDeclare(t.exchange, amqp.ExchangeFanout,
			true, false, false, false, nil)
		if err != nil {
			return mismatch("exchange", t.exchange, err)
		}
	}
	dead := amqp.Table{amqp.QueueTypeArg: amqp.QueueTypeQuorum}
	if _, err := channel.QueueDeclare(
		DeadLetterQueue, true, false, false, false, dead,
	); err != nil {
		return mismatch("queue", DeadLetterQueue, err)
	}
	err = channel.QueueBind(DeadLetterQueue, "", DeadLetterExchange, false, nil)
	if err != nil {
		return fmt.Errorf("bind %s to %s: %w", DeadLetterQueue, DeadLetterExchange, err)
	}
	if t.queue == "" {
		return nil
	}
	for _, queue := range []string{t.queue, t.suspectsQueue()} {
		args := t.args
		if queue == t.suspectsQueue() {
			args = quorumOrders.args
		}
		if _, err := channel.QueueDeclare(
			queue, true, false, false, false, args,
		); err != nil {
			return mismatch("queue", queue, err)
		}
	}
	if t.exchange == "" {
		return nil
	}
	if err := channel.QueueBind(t.queue, "", t.exchange, false, nil); err != nil {
		return fmt.Errorf("bind %s to %s: %w", t.queue, t.exchange, err)
	}
	return nil
}

// mismatch says what to do about the one declaration that a retry cannot mend:
// a queue of the same name with other properties.
func mismatch(kind, name string, err error) error {
	refused := new(amqp.Error)
	if errors.As(err, &refused) && refused.Code == amqp.PreconditionFailed {
		return fmt.Errorf("the broker has another %s named %q, made by an older version "+
			"or another program: delete it on the management page (its messages go "+
			"with it), or use another vhost in AMQP_URL: %w", kind, name, err)
	}
	return fmt.Errorf("declare %s %q: %w", kind, name, err)
}
