// Package observability is step 09: an application of three processes, built with a framework,
// and seen from outside.
//
// The producer publishes an order. The consumer sends the e-mail and publishes that it was
// sent. The shipper hears of it and packs the parcel. None of them knows the others. What
// became of one order is told by one trace, by the log lines that carry the trace's identity,
// and by metrics.
//
// Where to look, one idea per file:
//
//	router.go      Watermill: the router and its middleware, in their order
//	producer.go    the producer: publish, a few lines
//	consumer.go    the consumer: work, and return the follow-up event
//	shipper.go     the second consumer, which works in batches
//	tracing.go     spans around a message, and the context in its headers
//	batch.go       many traces meet in one span: links
//	telemetry.go   the SDK: where the three signals go, and that they never stand in the way
//	logs.go        one line to the console for people, and one with its trace to the backend
//	metrics.go     counters, a histogram with exemplars, observed gauges
//	publisher.go   Watermill's Publisher: one channel, deferred confirms, a deadline
//	subscriber.go  Watermill's Subscriber: workers, an end, and no circle without one
//	marshal.go     a message of Watermill's as one of AMQP
//	broker.go      one connection after the other, and the queues
//	socket.go      many messages in one write (step 07's)
//	wrong.go       the wrong variants, each a small change to the right one
package observability
