// Command shop is producer and consumer in one process, with a channel between
// them.
package main

import (
	"context"
	"os"

	channels "course.example/04-channels"
	"course.example/shop"
	"golang.org/x/sync/errgroup"
)

func main() { shop.Main(run) }

func run(ctx context.Context) error {
	settings, err := channels.ParseSettings(os.Args[1:])
	if err != nil {
		return err
	}
	send := func(ctx context.Context, order shop.Order) error {
		if err := shop.Work(ctx, order, settings.Work); err != nil {
			return err
		}
		shop.Processed(ctx, order.ID)
		return nil
	}
	queue := channels.NewQueue(settings)
	producer := channels.NewProducer(queue)
	consumer := channels.NewConsumer(queue, settings, send)
	counter := shop.Counter{Place: producer.Place, Details: consumer.Details}

	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { consumer.Run(ctx); return nil })
	group.Go(func() error { consumer.Report(); return nil })
	group.Go(func() error { return shop.Serve(ctx, settings.Addr, counter.Handler()) })
	group.Go(func() error {
		// One clock from the door to the last worker: from SIGTERM on nobody is told
		// yes any more, and the workers end when the queue is empty.
		<-ctx.Done()
		queue.Close()
		return nil
	})
	return group.Wait()
}
