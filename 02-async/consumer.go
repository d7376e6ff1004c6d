package async

import (
	"context"
	"fmt"
	"time"

	"course.example/02-async/internal/timeline"
)

// Consumer elaborates numbers, slowly, as the lecture's does: it waits as one
// that asks a database waits, and does not compute.
type Consumer struct {
	Delay time.Duration      // how long one Elaborate takes
	Line  *timeline.Timeline // where it shows when it works; may be nil
}

// Elaborate returns the sum after the delay, or an error when ctx ends first.
// Its caller waits. It is safe for concurrent use.
func (c *Consumer) Elaborate(ctx context.Context, a, b int) (int, error) {
	defer c.Line.Working(fmt.Sprintf("Elaborate(%d, %d)", a, b))()
	if err := Sleep(ctx, c.Delay); err != nil {
		return 0, fmt.Errorf("elaborate %d and %d: %w", a, b, err)
	}
	return a + b, nil
}

// ElaborateAsync is the same, and its caller does not wait. It is the same
// function in a goroutine: in Go there are no two kinds of functions, of which
// one may only be awaited by its like.
func (c *Consumer) ElaborateAsync(ctx context.Context, a, b int) *Future[int] {
	return Go(ctx, func(ctx context.Context) (int, error) {
		return c.Elaborate(ctx, a, b)
	})
}
