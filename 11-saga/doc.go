// Package saga is step 11: one order, three services, and no transaction that
// spans them.
//
// An order must be paid for, reserved and shipped, each by a service with a
// database of its own. A saga is the sequence of their local transactions, with a
// compensating transaction for each that has to be taken back (Garcia-Molina and
// Salem, 1987). It stands here twice: led by an orchestrator, and as a
// choreography without one.
//
// Where to look, one idea per file:
//
//	machine.go       the saga of one order as a state machine: a pure function
//	orchestrator.go  state, inbox and outbox in one transaction; deadlines
//	choreography.go  the same business, each service reacting to the others
//	service.go       a command that may come twice, late, or after its undo
//	payment.go, inventory.go, shipping.go
//	                 the business of each service
//	message.go       the commands and events
//	participant.go   inbox, effect and outbox in one transaction; the relay
//	website.go       orders, and what customers can see of them
//	audit.go         adds up money and stock across the services
//	wrong.go         the wrong variants
//	crash.go         where a process can be told to die
//	diagram.go       the picture of the machine, from the machine
//	bus.go, database.go, settings.go, memory.go
//	                 scaffolding
package saga
