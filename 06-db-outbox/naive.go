package outbox

import "context"

// naive is how it is done first: look for the oldest message, do it, mark it,
// look again a little later.
//
// It is right for as long as there is one consumer, and one message per poll is
// all that it does. Start a second consumer, and both look at the same row while
// it is not marked yet: both do the order. Nothing in the table says that
// somebody is at it already.
func (w *worker) naive(ctx context.Context) (int, error) {
	messages, err := w.take(ctx, w.pool, w.selectMessages(), 1)
	if err != nil || len(messages) == 0 {
		return 0, err
	}
	return 1, w.apply(ctx, w.work(ctx, messages))
}
