package async

import (
	"context"
	"fmt"

	"course.example/02-async/eventloop"
)

// ElaborateCallback is Elaborate as one wrote it before there were promises: it
// returns at once, and calls done when it is. The event loop runs done on its
// one thread, so there is nobody to wait for and nothing to lock.
func (c *Consumer) ElaborateCallback(
	loop *eventloop.Loop, a, b int, done func(result int, err error),
) {
	end := c.Line.Working(fmt.Sprintf("Elaborate(%d, %d)", a, b))
	loop.SetTimeout("done", func() {
		end()
		done(a+b, nil)
	}, c.Delay)
}

// Callbacks elaborates three times, each with the result of the last. What
// comes after something stands inside of it: the code grows to the right, every
// level has its own error to handle, and forgetting one is silent. Nothing
// checks that done is called once, either: a slip calls it twice, or never.
func (p *Producer) Callbacks(loop *eventloop.Loop, done func(error)) {
	p.Consumer.ElaborateCallback(loop, 1, 1, func(first int, err error) {
		if err != nil {
			done(err)
			return
		}
		p.print(1, first)
		p.Consumer.ElaborateCallback(loop, first, first, func(second int, err error) {
			if err != nil {
				done(err)
				return
			}
			p.print(2, second)
			p.Consumer.ElaborateCallback(loop, second, second, func(third int, err error) {
				if err != nil {
					done(err)
					return
				}
				p.print(3, third)
				done(nil)
			})
		})
	})
}

// Promises does the same as a chain of futures. It reads from top to bottom, and
// the error of any link comes out at the end, once.
func (p *Producer) Promises(ctx context.Context) error {
	elaborateNext := func(counter int) func(context.Context, int) (int, error) {
		return func(ctx context.Context, last int) (int, error) {
			p.print(counter, last)
			return p.Consumer.Elaborate(ctx, last, last)
		}
	}
	first := p.Consumer.ElaborateAsync(ctx, 1, 1)
	second := Then(ctx, first, elaborateNext(1))
	third := Then(ctx, second, elaborateNext(2))

	result, err := await(ctx, p, third)
	if err != nil {
		return err
	}
	p.print(3, result)
	return nil
}

// Awaited does the same once more, as C# and JavaScript write it today with
// await, and Go always did: a goroutine that waits may simply call.
func (p *Producer) Awaited(ctx context.Context) error {
	last := 1
	for counter := 1; counter <= 3; counter++ {
		result, err := p.Consumer.Elaborate(ctx, last, last)
		if err != nil {
			return err
		}
		p.print(counter, result)
		last = result
	}
	return nil
}
