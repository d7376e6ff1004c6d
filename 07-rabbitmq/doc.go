// Package rabbitmq is step 07: a message broker between producer and consumer.
//
// The producer publishes every order to a durable queue and accepts it only
// once the broker has confirmed it ([Publisher]). Any number of consumers
// compete for the orders in the queue, and acknowledge each after its effect
// ([Subscriber]). What cannot be done ends in a dead-letter queue, with the
// reason.
//
// Where to look, one idea per file:
//
//	topology.go    the queues and the exchange, declared by both sides
//	fanout.go      one order for several kinds of receivers (the part fanout)
//	message.go     an order as an AMQP message
//	publisher.go   publishing, and what the customer is told
//	confirms.go    publisher confirms in a bounded window
//	subscriber.go  consuming: prefetch, acknowledgement after the effect, drain
//	attempts.go    retries, redelivery counts, panics
//	deadletter.go  poison messages and orders that failed too often
//	connect.go     one connection and one channel
//	socket.go      the bytes of many orders in one write
//	reconnect.go   the next one, whenever the last has died
//	wrong.go       the wrong variants, each a small change to the right one
package rabbitmq
