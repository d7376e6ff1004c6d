package main

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"
)

// increment is counter++ as the machine does it: read, add, write. What another
// producer writes in between is overwritten, and so lost.
func increment(counter *int, between func()) {
	seen := *counter
	between()
	*counter = seen + 1
}

// SharedMemory lets two producers count in one variable, n times each, without
// synchronisation. It returns what the variable says in the end.
//
// With meet, they meet between reading and writing: both have read, then both
// write. That is no foul play. The machine may choose this schedule at any time;
// here we choose it, so that the loss is certain, on one core too.
func SharedMemory(n int, meet bool) int {
	counter := 0
	between := [2]func(){func() {}, func() {}}
	if meet {
		place := make(chan struct{}) // unbuffered: each waits for the other
		between = [2]func(){func() { place <- struct{}{} }, func() { <-place }}
	}
	var producers sync.WaitGroup
	for _, pause := range between {
		producers.Go(func() {
			for range n {
				increment(&counter, pause)
			}
		})
	}
	producers.Wait()
	return counter
}

func showSharedMemory(out io.Writer) {
	fmt.Fprintln(out, "Two producers add to one variable, and nobody owns it")
	for _, c := range []struct {
		schedule string
		n        int
		meet     bool
	}{
		{"left to chance", 1_000_000, false},
		{"both read, then both write", perProducer, true},
	} {
		counted := SharedMemory(c.n, c.meet)
		fmt.Fprintf(out, "  %s: added %d, counted %d, lost %d\n",
			c.schedule, 2*c.n, counted, 2*c.n-counted)
	}
}

// Fragile is a receiver that breaks at its third message.
type Fragile struct{ handled int }

// Elaborate panics at the third message.
func (f *Fragile) Elaborate(a, b int) int {
	f.handled++
	if f.handled == 3 {
		panic("the receiver breaks at message 3")
	}
	return a + b
}

// showPanicInCall: the receiver runs in the sender's thread, so the sender falls
// with it. Nothing is left in doubt: everybody knows at once.
func showPanicInCall(ctx context.Context, out io.Writer) error {
	fmt.Fprintln(out, "A call to a receiver that panics")
	return Dispatch(ctx, out, &Fragile{}, 5)
}

// patience is how long a sender waits for the answer of a broken receiver.
const patience = 500 * time.Millisecond

// showPanicInMailbox: the receiver's goroutine ends, and the sender is told
// nothing. It waits, and without a deadline it would wait forever.
//
// The panic is recovered here, because in Go one that nobody recovers ends the
// whole program, in whichever goroutine it is. On another machine it would end
// that machine's program alone, and this is what its callers would see.
func showPanicInMailbox(ctx context.Context, out io.Writer) error {
	fmt.Fprintln(out, "A message to a receiver that panics")
	mailbox := NewMailbox()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var receiver sync.WaitGroup
	defer receiver.Wait()
	receiver.Go(func() {
		defer func() {
			fmt.Fprintln(out, "  the receiver is gone:", recover())
		}()
		mailbox.Serve(ctx, &Fragile{})
	})
	return Exchange(ctx, out, mailbox, 5)
}
