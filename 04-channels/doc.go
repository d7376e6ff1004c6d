// Package channels is step 04: a queue in memory between producer and consumer,
// in one process.
//
// The producer puts every order on a bounded channel and answers at once
// ([Producer]). Some workers take from it ([Consumer]). A full channel is told
// to the customer, and what is in the channel is worked off before the program
// ends.
//
// Where to look, one idea per file:
//
//	queue.go     the bounded channel: put, full, closed, how deep
//	producer.go  an order goes in, or the customer is asked to come back
//	consumer.go  N workers take from it; a failure is that of one order
//	drain.go     how long the work may go on after SIGTERM
//	report.go    the depth of the queue, in /healthz and in the log
//	wrong.go     the wrong variants, each a small change to the right one
//	shop/        the program: one process holds all of it
package channels
