// Mailbox is the actor model by hand: what an actor engine does, on one page.
//
// Where to look, in this order:
//
//	actor.go         the actor: a goroutine, a mailbox, a behaviour, one message at a time
//	queue.go         the mailbox itself: a queue that never makes a sender wait
//	system.go        addresses, and the actors that live here
//	link.go          the same address, another machine
//	conversation.go  the lecture's producer and consumer as two actors
//	life.go          the life of an actor, drawn from what it lived
//	wrong.go         a parent that does not look after its children
package main
