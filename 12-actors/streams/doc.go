// Streams shows events from a grain to grains that nobody has subscribed: a
// stream's consumers are activated by its events.
//
// Where to look, in this order:
//
//	implicit.go   who consumes a stream follows from its name
//	producer.go   a grain that emits events
//	consumer.go   grains that get them
//	wrong.go      a subscription that somebody has to remember
package main

//go:generate ../protoc.sh streams.proto
