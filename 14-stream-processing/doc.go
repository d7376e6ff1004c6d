// Package streams is step 14: a log that many read, and what can be known of it while it still grows.
//
// The producer appends orders to a log ([Producer]), each to the partition of its customer. Consumers of a
// group share the partitions ([Consumer]) and keep sums over windows of event time ([Windows]). The sums
// and the offset up to which they go are one transaction: a crash leaves both or neither. A second group
// reads the same records again and gets the same sums.
//
// Where to look, one idea per file:
//
//	log.go         what a log is: append, read from an offset
//	jetstream.go     NATS JetStream: a replicated stream for each partition
//	kafka.go         the same over Kafka's protocol
//	event.go       the record, its partition, its time
//	window.go      windows, watermark, lateness; what is kept, and for how long
//	join.go          orders and their payments, two streams that never end
//	consumer.go    a batch: read, work, count
//	commit.go        sums and offset in one transaction, and back into memory
//	members.go       who reads which partition
//	producer.go    the front door
//	vary.go        a crowd of customers for the lab
//	results.go     what is known so far, over HTTP
//	book.go        the whole log added up independently, beside the sums
//	bookjoin.go      and its orders joined with their payments
//	inject.go      records that no honest producer would append
//	slide.go       what the slide's code does not show
//	wrong.go       the wrong variants, each a small change to the right one
package streams
