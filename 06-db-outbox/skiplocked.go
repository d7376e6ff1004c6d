package outbox

import "context"

// skipLocked passes over what others have locked, and takes the oldest messages
// that are free. The lock is what says "somebody is at it already", and it needs
// nobody to take it away: it ends with its transaction, by commit or by death.
//
// It is two words more than rowLock. What a plain query must never do, namely to
// give an answer that hangs on who else is asking, is just what a queue wants
// (postgresql.org/docs, SELECT, "The Locking Clause").
func (w *worker) skipLocked(ctx context.Context) (int, error) {
	return w.inTransaction(ctx, w.selectMessages()+` FOR UPDATE SKIP LOCKED`)
}
