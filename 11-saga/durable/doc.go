// Package durable is the saga of step 11 for the third time: neither an orchestrator nor a
// choreography, but a function. An engine for durable execution, dbos-transact-golang, keeps in
// Postgres what each of its steps has answered. When the process dies, another one runs the
// function again from the beginning, and gets the answers of the steps that were done.
//
// Where to look, one idea per file:
//
//	workflow.go  the saga: its steps, their compensations, and the pivot
//	release.go   the saga of the next release, while sagas of this one are on their way
//	worker.go    runs sagas; what becomes of them when it ends
//	website.go   order and saga commit together
//	wrong.go     what can be set wrong, from outside
//	migrate.go, settings.go
//	             scaffolding
//
// The services, their tables and the audit are those of step 11.
package durable
