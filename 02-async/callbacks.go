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

// ElaboratePromise is Elaborate as JavaScript writes it: the promise is there at
// once, and the loop tells whoever waits for it.
func (c *Consumer) ElaboratePromise(loop *eventloop.Loop, a, b int) *eventloop.Promise {
	return loop.NewPromise(func(resolve func(any), reject func(error)) {
		c.ElaborateCallback(loop, a, b, func(result int, err error) {
			if err != nil {
				reject(err)
				return
			}
			resolve(result)
		})
	})
}

// Promises does the same as a chain, on the same one thread. It reads from top to
// bottom, and the error of any link comes out at the end, once.
func (p *Producer) Promises(loop *eventloop.Loop, done func(error)) {
	printed := func(counter int, result any) int {
		p.print(counter, result.(int))
		return result.(int)
	}
	p.Consumer.ElaboratePromise(loop, 1, 1).
		Then("second", func(result any) (any, error) {
			last := printed(1, result)
			return p.Consumer.ElaboratePromise(loop, last, last), nil
		}).
		Then("third", func(result any) (any, error) {
			last := printed(2, result)
			return p.Consumer.ElaboratePromise(loop, last, last), nil
		}).
		Await("done", func(result any, err error) {
			if err == nil {
				printed(3, result)
			}
			done(err)
		})
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
