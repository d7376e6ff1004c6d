//go:build exercise

package latereply

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// serve answers each message after so long, until the mailbox is closed. It says when it had to wait to
// put its reply down.
func serve(mailbox <-chan Message, takes time.Duration, waited *time.Duration) {
	for m := range mailbox {
		time.Sleep(takes) // of the test's clock
		began := time.Now()
		select {
		case m.Reply <- Reply{ID: m.ID, Result: m.A + m.B}:
		case <-time.After(time.Hour):
		}
		*waited += time.Since(began)
	}
}

// with runs a test with a client and a receiver that takes a second for each message.
func with(t *testing.T, do func(t *testing.T, c *Client)) {
	synctest.Test(t, func(t *testing.T) {
		mailbox, waited := make(chan Message, 16), time.Duration(0)
		go serve(mailbox, time.Second, &waited)
		do(t, NewClient(mailbox))
		close(mailbox)
		time.Sleep(12 * time.Hour) // of the test's clock: until the receiver is done
		if waited > 0 {
			t.Errorf("the receiver was kept waiting for %v to put its replies down", waited)
		}
	})
}

// ask asks with so much patience.
func ask(t *testing.T, c *Client, n int, patience time.Duration) (int, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	return c.Ask(ctx, n, n)
}

func TestEachMessageHasItsOwnAnswer(t *testing.T) {
	with(t, func(t *testing.T, c *Client) {
		if got, err := ask(t, c, 1, 100*time.Millisecond); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a sender without patience got %d, %v", got, err)
		}
		for n := 2; n <= 4; n++ {
			if got, err := ask(t, c, n, time.Minute); err != nil || got != 2*n {
				t.Errorf("the answer to %d and %d was %d, %v; want %d", n, n, got, err, 2*n)
			}
		}
	})
}

func TestTheReceiverIsNeverKeptWaiting(t *testing.T) {
	with(t, func(t *testing.T, c *Client) {
		for n := range 10 {
			if _, err := ask(t, c, n, time.Millisecond); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("a sender without patience got %v", err)
			}
		}
		if got, err := ask(t, c, 20, time.Minute); err != nil || got != 40 {
			t.Errorf("after ten late replies the answer to 20 and 20 was %d, %v", got, err)
		}
	})
}
