package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"
)

var errHungUp = errors.New("the window was closed, or what read the output has ended")

// hangUp returns a context that ends when nobody sees the output any more. Both signals may come
// more than once, and neither of them is impatience: the lab still drains.
func hangUp(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGHUP, syscall.SIGPIPE)
	go listen(signals, func() bool { return readerGone(os.Stdout) || readerGone(os.Stderr) },
		func() { cancel(errHungUp) })
	return ctx, func() {
		signal.Stop(signals)
		close(signals)
	}
}

// listen calls end for each signal that means it. A connection that breaks while it is written to
// raises SIGPIPE as well, and the lab breaks connections on purpose: there it is no news, because
// the write returns an error.
func listen(signals <-chan os.Signal, gone func() bool, end func()) {
	for s := range signals {
		if s != syscall.SIGPIPE || gone() {
			end()
		}
	}
}
