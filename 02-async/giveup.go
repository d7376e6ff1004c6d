package async

import (
	"context"
	"errors"
	"time"
)

// Caller is how a caller deals with what it has begun. The right way is
// [NewCaller]("right"); wrong.go has the others.
type Caller struct {
	call  func(ctx context.Context, work Work) (int, error)
	begin func(ctx context.Context, tasks []Task) error
}

// Work is a question with an answer, Task something to do without one.
type (
	Work func(context.Context) (int, error)
	Task func(context.Context) error
)

// GiveUp asks so many times, each time gives up after limit, and returns how
// often it did. Whoever gives up has to leave nothing behind: a goroutine for
// each customer who has lost patience adds up.
func (c Caller) GiveUp(
	ctx context.Context, times int, limit time.Duration, work Work,
) (gaveUp int, err error) {
	for range times {
		limited, cancel := context.WithTimeout(ctx, limit)
		_, err := c.call(limited, work)
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) {
			return gaveUp, err
		}
		gaveUp++
	}
	return gaveUp, nil
}

// Place begins all that an order asks for, side by side, and returns the first
// error, so that the customer hears of it.
func (c Caller) Place(ctx context.Context, tasks ...Task) error {
	return c.begin(ctx, tasks)
}

func awaitedCall(ctx context.Context, work Work) (int, error) {
	return Go(ctx, work).Await(ctx)
}

func awaitedTasks(ctx context.Context, tasks []Task) error {
	_, err := All(ctx, beginAll(ctx, tasks)...).Await(ctx)
	return err
}

func beginAll(ctx context.Context, tasks []Task) []*Future[struct{}] {
	futures := make([]*Future[struct{}], len(tasks))
	for i, task := range tasks {
		futures[i] = Go(ctx, func(ctx context.Context) (struct{}, error) {
			return struct{}{}, task(ctx)
		})
	}
	return futures
}
