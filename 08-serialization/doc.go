// Package serialization is step 08: what an order looks like in bytes.
//
// Producer and consumer are step 07's in short. What is new is what they say to
// each other: a [Codec] turns the event [OrderPlaced] into bytes, the content type
// and the schema version travel beside them, and old and new programs understand
// each other while one takes the other's place.
//
// Where to look, one idea per file:
//
//	codec.go       the interface that all formats have in common
//	formats.go     JSON three times, MessagePack, CBOR, gob
//	protobuf.go    Protobuf, and between the generated types and ours
//	orderpb/       the schemas, and what protoc makes of them
//	event.go       the event, version 2
//	event_v1.go    the event as it was
//	version.go     what travels beside the bytes, and who may read them
//	unknown.go     fields that a program has never heard of
//	breaking.go    which change of a schema breaks whom
//	limits.go      bytes from strangers: size, depth, length, UTF-8
//	publisher.go   from the order to the queue
//	consumer.go    from the queue to the effect
//	deadletter.go  or to the dead letters
//	sender.go      publishing, and whether a queue has it
//	broker.go      one connection after the other
//	wrong.go       the wrong variants
//	bench/         from a benchmark's output to the table and the picture
package serialization
