package rabbitmq

// PlacedExchange tells every receiver of every order:
//
//	producer ──▶ (orders.placed) ──▶ [orders.placed.email]      ──▶ consumers
//	                             ──▶ [orders.placed.statistics] ──▶ consumers
//	                             ──▶ [orders.placed.shipping]   ──▶ consumers
//
// It copies each message into all queues that are bound to it now, and keeps nothing. A
// receiver that joins later has missed what came before.
const PlacedExchange = "orders.placed"

// receiver is the queue of one kind of receiver. It is durable, and stays when nobody
// consumes: a receiver that is down misses nothing. Its suspects are its own, too, or
// the e-mail would be sent by shipping.
func receiver(name string) topology {
	return topology{
		queue: PlacedExchange + "." + name, suspects: PlacedExchange + "." + name + ".suspects",
		args: quorumOrders.args, exchange: PlacedExchange,
	}
}

// NewAnnouncer returns a publisher to all receivers. It knows none of them. The broker's
// confirm says that all their queues have the order; with no queue at all there is none.
// A refusal may come from one queue of three, so who publishes again may tell some twice.
func NewAnnouncer(settings Settings) *Publisher {
	p := newPublisher("producer", settings)
	p.topology = topology{exchange: PlacedExchange}
	return p
}

// NewReceiver returns a subscriber that is told of every order. Those of one name share
// a queue and compete; each name has all orders.
func NewReceiver(settings Settings, name string, handle Handler) *Subscriber {
	return newSubscriber(settings, receiver(name), handle)
}
