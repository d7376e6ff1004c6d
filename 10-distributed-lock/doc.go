// Package lock is step 10: a distributed lock in Redis, on one node or on five.
//
// Two programs want the same order: the producer, which took it, and the consumer,
// which bills whatever is still open. Only one may bill it. Each takes the lock
// named after the order ([Locker]), holds it while it works ([Lease]), and writes
// to an account that no lock protects and that believes nobody ([Account]).
//
// Where to look, one idea per file:
//
//	redlock.go      the algorithm by hand: take, extend and give back, on a majority
//	library.go      the same, as a library has it
//	lock.go         waiting with backoff or a single try, and the token
//	lease.go        holding it: expiry, the watchdog, its loss, release by the owner
//	fence.go        the sequencer, which gives out tokens, and the fence, which checks them
//	account.go      the resource: who was in it when
//	biller.go       what both programs do with lock and account
//	nodes.go        the Redis nodes, their votes, and errors that say which cannot lock
//	failover.go     a primary with a replica in place of the nodes
//	database.go     the account in Postgres, accounthttp.go over HTTP, both sides
//	wrong.go        the wrong variants, each a small change to the right one
package lock
