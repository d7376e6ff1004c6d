package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"course.example/shop"
)

func main() { shop.Main(run) }

func run(ctx context.Context) error {
	flags := shop.NewFlags("01-message-passing")
	n := flags.Int("n", 3, fmt.Sprintf("how many `messages` a producer sends, at most %d; "+
		"the wrong variants have numbers of their own", maxMessages))
	takes := flags.Duration("delay", time.Second, "how long a receiver takes for an answer")
	flags.Env("delay", "DELAY")
	variant := flags.String("variant", "right",
		"right, shared-memory, panic-in-call or panic-in-mailbox")
	flags.Env("variant", "VARIANT")
	if err := flags.Parse(os.Args[1:]); err != nil {
		return err
	}
	if *n < 0 || *n > maxMessages {
		return &shop.UsageError{Problem: fmt.Sprintf(
			"-n %d: a producer sends 0 to %d messages", *n, maxMessages)}
	}
	if *takes < 0 || *takes > maxDelay {
		return &shop.UsageError{Problem: fmt.Sprintf(
			"-delay %s: a receiver takes 0s to %s", *takes, maxDelay)}
	}
	switch out := os.Stdout; *variant {
	case "right":
		return show(ctx, out, *n, *takes)
	case "shared-memory":
		showSharedMemory(out)
		return nil
	case "panic-in-call":
		return showPanicInCall(ctx, out)
	case "panic-in-mailbox":
		return showPanicInMailbox(ctx, out)
	default:
		return &shop.UsageError{Problem: fmt.Sprintf("there is no variant %q: there are "+
			"right, shared-memory, panic-in-call and panic-in-mailbox", *variant)}
	}
}

// maxDelay bounds what a signal has to wait for: nobody can break off a call, so a
// program that is asked to end finishes the one in progress.
const (
	maxMessages = 10_000
	maxDelay    = 10 * time.Second
)

// show holds the conversation three ways.
func show(ctx context.Context, out io.Writer, n int, takes time.Duration) error {
	for _, way := range []struct {
		title string
		hold  func() error
	}{
		{"A method call: the sender knows the receiver", func() error {
			return Call(ctx, out, &Consumer{takes: takes}, n)
		}},
		{"\nThrough an interface: the receiver chooses the behaviour", func() error {
			return Dispatch(ctx, out, Multiplier{takes}, n)
		}},
		{"\nThrough a mailbox: the receiver has a thread of its own", func() error {
			mailbox := NewMailbox()
			defer open(ctx, mailbox, &Consumer{takes: takes})()
			return Exchange(ctx, out, mailbox, n)
		}},
	} {
		fmt.Fprintln(out, way.title)
		began := time.Now()
		if err := way.hold(); err != nil {
			return err
		}
		fmt.Fprintf(out, "  the producer waited %.1f s, and did nothing else\n",
			time.Since(began).Seconds())
	}

	fmt.Fprintln(out, "\nTwo producers, one mailbox: the receiver owns its counter")
	handled, err := TwoProducers(ctx, perProducer)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "  sent %d, counted %d, lost %d\n",
		2*perProducer, handled, 2*perProducer-handled)
	return nil
}

// perProducer is how many messages each of two producers sends.
const perProducer = 1000

// TwoProducers lets two producers send n messages each to one mailbox, and
// returns how many its owner has counted.
func TwoProducers(ctx context.Context, n int) (int, error) {
	mailbox, consumer := NewMailbox(), &Consumer{}
	stop := open(ctx, mailbox, consumer)
	producers, ctx := errgroup.WithContext(ctx)
	for range 2 {
		producers.Go(func() error { return Exchange(ctx, io.Discard, mailbox, n) })
	}
	err := producers.Wait()
	// Only after its owner has ended may another goroutine read the counter.
	stop()
	return consumer.handled, err
}

// open gives the mailbox a goroutine that serves it. The caller ends it with
// stop, which returns when the goroutine has ended.
func open(ctx context.Context, mailbox Mailbox, receiver Elaborator) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var owner sync.WaitGroup
	owner.Go(func() { mailbox.Serve(ctx, receiver) })
	return func() {
		cancel()
		owner.Wait()
	}
}
