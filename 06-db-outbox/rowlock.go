package outbox

import "context"

// rowLock locks the rows that it takes. A second consumer that wants the oldest
// message wants the same row, and waits for the lock: until the first has
// committed. Then it sees that the message is done, and takes the next.
//
// Nothing is done twice. But the consumers stand in a queue before the queue:
// ten of them get as much done as one.
func (w *worker) rowLock(ctx context.Context) (int, error) {
	return w.inTransaction(ctx, w.selectMessages()+` FOR UPDATE`)
}
