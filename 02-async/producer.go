package async

import (
	"context"
	"fmt"
	"io"

	"course.example/02-async/internal/timeline"
)

// Producer calls the consumer twice, and prints what comes back. Its methods are
// the lecture's three ways to do that, and some more.
type Producer struct {
	Consumer *Consumer
	Line     *timeline.Timeline // where it shows when it waits; may be nil
	Out      io.Writer
}

// Sequence awaits each call before it makes the next. It costs the sum of the
// delays, and being asynchronous has gained nothing.
func (p *Producer) Sequence(ctx context.Context) error {
	for i := 1; i <= 2; i++ {
		future := p.Consumer.ElaborateAsync(ctx, i, i)
		result, err := await(ctx, p, future)
		if err != nil {
			return err
		}
		p.print(i, result)
	}
	return nil
}

// Chain says beforehand what is to follow (ContinueWith in C#, then in
// JavaScript). It costs the sum as well, since the second call still begins when
// the first is done; but the producer waits once, at the end, or not at all.
func (p *Producer) Chain(ctx context.Context) error {
	first := p.Consumer.ElaborateAsync(ctx, 1, 1)
	second := Then(ctx, first, func(ctx context.Context, result int) (int, error) {
		p.print(1, result)
		return p.Consumer.Elaborate(ctx, 2, 2)
	})
	result, err := await(ctx, p, second)
	if err != nil {
		return err
	}
	p.print(2, result)
	return nil
}

// Parallel makes both calls before it awaits either (Task.WaitAll, Promise.all).
// It costs the slowest. It may do so because neither needs the other's result.
func (p *Producer) Parallel(ctx context.Context) error {
	first := p.Consumer.ElaborateAsync(ctx, 1, 1)
	second := p.Consumer.ElaborateAsync(ctx, 2, 2)
	results, err := await(ctx, p, All(ctx, first, second))
	if err != nil {
		return err
	}
	for i, result := range results {
		p.print(i+1, result)
	}
	return nil
}

// await is Await, seen on the time line.
func await[T any](ctx context.Context, p *Producer, f *Future[T]) (T, error) {
	defer p.Line.Waiting("producer")()
	return f.Await(ctx)
}

// print is the lecture's line.
func (p *Producer) print(counter, result int) {
	p.say("Counter: %d with result: %d", counter, result)
}

// say prints a line with the time since the time line began.
func (p *Producer) say(format string, args ...any) {
	// What cannot be shown is not worth failing for.
	_, _ = fmt.Fprintf(p.Out, "%6.2f s  %s\n",
		p.Line.Elapsed().Seconds(), fmt.Sprintf(format, args...))
}
