package async

import (
	"context"
	"time"
)

// Hedge asks a replica, and a second one when the first has not answered after
// a while. The first answer wins and the other call is cancelled. Most requests
// are asked once; only the slow ones cost a second call (Dean and Barroso, The
// Tail at Scale, 2013, "hedged requests").
//
// Asking twice must do no harm: reading is safe, charging a card is not.
func Hedge[T any](
	ctx context.Context, after time.Duration, first, second func(context.Context) (T, error),
) *Future[T] {
	return Race(ctx,
		Go(ctx, first),
		Go(ctx, func(ctx context.Context) (T, error) {
			if err := Sleep(ctx, after); err != nil {
				var none T
				return none, err // the first has answered: never asked
			}
			return second(ctx)
		}))
}
