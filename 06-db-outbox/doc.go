// Package outbox is step 06: a database table as the queue.
//
// The producer writes the order and the message about it in one transaction
// ([Producer]). Any number of consumers take messages from the table, and delete
// each in the transaction that holds its effect ([Consumer]): a crash anywhere
// leaves both or neither.
//
// Where to look, one idea per file:
//
//	migrations/    the tables, and how they come into being (migrate.go)
//	producer.go    the order and its message in one statement
//	groupcommit.go   the orders that come during a commit share the next
//	bell.go          NOTIFY after the commit, once for many orders
//	event.go       messages by name and version
//	consumer.go    the loop around the four ways to take a message:
//	naive.go         look, work, mark: for one consumer alone
//	rowlock.go       FOR UPDATE: right, and one at a time
//	skiplocked.go    FOR UPDATE SKIP LOCKED: right, and side by side
//	optimistic.go    no lock, a version that must not have changed
//	search.go      the oldest messages, found without passing over those that are done
//	onebyone.go    a batch that Postgres refuses
//	effect.go      inbox, stock and the end of the messages, in one statement
//	blame.go       whose fault an error of the database is
//	attempts.go    failures counted, pauses, messages parked with their error
//	wait.go        polling, and LISTEN/NOTIFY with a slow poll behind it
//	doubt.go       commits without an answer, and effects without a log line
//	housekeeping.go  old rows are removed, and old snapshots named
//	book.go        what the database knows of all orders
//	crash.go       to die at exactly one line, on purpose
//	wrong.go       the wrong variants, each a small change to the right one
package outbox
