// Package eventsourcing is step 13: what is stored is what has happened, and the state is what
// that adds up to.
//
// A command is decided about the order as it is, which is a fold over the events of its
// stream, and what was decided is appended to the log. Projectors read the log and keep read
// models, which are folds as well, each for one question.
//
// Where to look, one idea per file:
//
//	order.go        the write side: Evolve (fold) and Decide, two pure functions
//	projector.go    the read side: in which order the log is read, and how far
//	loop.go         a projector's life: rounds, parts, failures
//	store.go        the log: append with an expected version
//	event.go        the events, by name and version
//	upcast.go       old events become new ones as they are read
//	models.go       the read models: orders of a customer, stock, sales
//	mail.go         a projection with a side effect
//	rebuild.go      building a read model again beside the old one
//	parked.go       an event that cannot be read, and those behind it
//	snapshot.go     the fold of a long stream, kept
//	heldup.go       who keeps all projectors waiting
//	inorder.go      the other way to keep the order: appends that stand in line
//	chain.go        the hash by which a changed event is found
//	forget.go       a key for each customer, which can be deleted
//	audit.go        folds the log by itself, and compares every row
//	wrong.go        the wrong variants, applied from outside
//	producer.go     load, fold, decide, append, and again if another was faster
//	groupcommit.go  many commands, one commit
//	bell.go, wait.go
//	                NOTIFY after the commit, and the slow poll behind it
//	api.go, query.go
//	                what customers can ask
//	customers.go    customers who change their minds
//	crash.go, inject.go, settings.go, database.go
//	                scaffolding
//
// slide/ has all of it on one page, in memory.
package eventsourcing
