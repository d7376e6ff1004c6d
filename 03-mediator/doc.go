// Package mediator is step 03: in-process, synchronous events.
//
// The producer publishes the event NewOrder to a mediator. The mediator tells
// every handler that has subscribed to it, and returns when all of them have
// answered. Producer and handlers do not know each other: all they share is the
// mediator and the type of the message.
//
// Where to look, one idea per file:
//
//	mediator.go   who wants to be told of what: Subscribe, and a typed Publisher
//	publish.go    publishing: in sequence or in parallel, every error comes back
//	failure.go    which handler failed, which had done its part, what that means
//	guard.go      one call of one handler: a time limit, and a panic caught
//	request.go    Send: a message with one handler, and with an answer
//	behaviour.go  what wraps every call: logging and timing
//	wrong.go      two ways to do it wrong
//	settings.go   what can be set from outside
//
// The shop around it, of which no part imports another:
//
//	messages/            NewOrder and StockLevel, which both sides know
//	producer/            the HTTP controller: it publishes
//	consumer/email/      a handler: it writes to the customer
//	consumer/inventory/  a handler: it takes the goods from the stock
//	server/main.go       the only place that knows all of them
package mediator
