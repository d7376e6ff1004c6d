// Package lock is step 10: a distributed lock in Redis, on one node or on five.
//
// Two programs want the same order: the producer, which took it, and the consumer,
// which bills whatever is still open. Only one may bill it. Each takes the lock
// named after the order ([Locker]), holds it while it works ([Lease]), and writes
// to an account that no lock protects and that believes nobody ([Account]).
//
// Where to look, one idea per file:
//
//	lock.go         taking the lock: redsync, backoff, a deadline or a single try
//	lease.go        holding it: expiry, the watchdog, its loss, release by the owner
//	account.go      the resource: who was in it when, and the fencing token
//	biller.go       what both programs do with lock and account
//	nodes.go        the Redis nodes, their majority, and errors that say which is away
//	accounthttp.go  the account over HTTP, both sides
//	wrong.go        the wrong variants, each a small change to the right one
package lock
