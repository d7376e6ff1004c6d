package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"course.example/shop"
)

func main() { shop.Main(run) }

// patience is how long main waits for a conversation of a few microseconds.
const patience = 10 * time.Second

func run(ctx context.Context) error {
	flags := shop.NewFlags("mailbox")
	n := flags.Int("n", 4, "how many `messages` the producer sends")
	variant := flags.String("variant", "right", "right or no-supervisor")
	flags.Env("variant", "VARIANT")
	if err := flags.Parse(os.Args[1:]); err != nil {
		return err
	}
	if *n < 1 {
		return &shop.UsageError{Problem: fmt.Sprintf("-n %d: want at least one message", *n)}
	}
	wait := patience
	supervise := func(create func() Behaviour) func() Behaviour { return create }
	switch *variant {
	case "right":
	case "no-supervisor":
		supervise, wait = Careless, 2*time.Second
	default:
		return &shop.UsageError{Problem: fmt.Sprintf(
			"there is no variant %q: there are right and no-supervisor", *variant)}
	}

	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	fmt.Println("Two actors that know each other's address, and nothing else")
	life, err := Converse(ctx, os.Stdout, *n, supervise)
	fmt.Printf("\nThe life of the consumer, as it was lived\n%s\n", Diagram(life))
	return err
}

// Converse lets producer and consumer talk, and returns the consumer's life.
func Converse(
	ctx context.Context, out io.Writer, n int,
	supervise func(func() Behaviour) func() Behaviour,
) ([]Transition, error) {
	system := NewSystem()
	ctx, done := context.WithCancelCause(ctx)
	finish := func() { done(errFinished) }
	shop := system.Spawn("shop", supervise(Shop(out, n, finish)))
	system.Tell(shop, Open{})
	<-ctx.Done()
	system.Close()
	if err := context.Cause(ctx); !errors.Is(err, errFinished) {
		return system.Life("consumer"),
			fmt.Errorf("the producer waits for an answer that does not come: %w", err)
	}
	return system.Life("consumer"), nil
}

var errFinished = errors.New("finished")
