// Package saga is step 11: one order, three services, and no transaction that
// spans them.
//
// An order must be paid for, reserved and shipped, each by a service with a
// database of its own. A saga is the sequence of their local transactions, with a
// compensating transaction for each that has to be taken back (Garcia-Molina and
// Salem, 1987). It stands here twice: led by an orchestrator, and as a
// choreography without one. The part durable has it for the third time, as a
// function that an engine runs.
//
// Where to look, one idea per file:
//
//	machine.go       the saga of one order: a table, and a pure function
//	orchestrator.go  a batch of sagas in one transaction; deadlines
//	choreography.go  the same business, each service reacting to the others
//	service.go       a command that may come twice, late, or after its undo
//	payment.go, inventory.go, shipping.go
//	                 the business of each service
//	message.go       the commands and events
//	participant.go   what all programs have in common: one transaction for a batch
//	outbox.go        messages leave after their transaction has committed; the relay
//	consumer.go      deliveries become batches; acknowledged after the commit
//	database.go      a server that is away, and an error that is permanent
//	website.go       orders, and what customers can see of them
//	direct.go        the services without messages, for the part durable
//	audit.go         adds up money and stock across the services
//	wrong.go         the wrong variants, applied from outside
//	crash.go         where a process can be told to die
//	diagram.go       the picture of the machine, from its table
//	inject.go        messages that no honest program sends
//	bus.go, sql.go, settings.go
//	                 scaffolding
package saga
