//go:build exercise

package supervisor

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// fragile breaks at its third message.
type fragile struct{ handled int }

func (f *fragile) Elaborate(a, b int) int {
	if f.handled++; f.handled == 3 {
		panic("the receiver breaks at message 3")
	}
	return a + b
}

var errNobody = errors.New("nobody answered")

func ask(mailbox chan<- Message, n int) Answer {
	reply := make(chan Answer, 1)
	mailbox <- Message{n, n, reply}
	select {
	case answer := <-reply:
		return answer
	case <-time.After(time.Minute): // of the test's clock
		return Answer{Err: errNobody}
	}
}

func TestSupervise(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		mailbox, made := make(chan Message, 16), 0
		go Supervise(ctx, mailbox, func() Receiver { made++; return new(fragile) })
		began := time.Now()
		for n := 1; n <= 7; n++ {
			answer := ask(mailbox, n)
			switch {
			case errors.Is(answer.Err, errNobody):
				t.Fatalf("message %d: nobody answered", n)
			case n%3 == 0 && (answer.Err == nil || !strings.Contains(answer.Err.Error(), "breaks at")):
				t.Errorf("message %d met a panic: got %+v, want an error that says what it said", n, answer)
			case n%3 != 0 && (answer.Err != nil || answer.Result != 2*n):
				t.Errorf("message %d: got %+v, want %d", n, answer, 2*n)
			}
		}
		if took := time.Since(began); took > 0 {
			t.Errorf("the senders waited for %v", took)
		}
		cancel()
		synctest.Wait()
		if made != 3 {
			t.Errorf("%d receivers were made for seven messages, want 3: one at first, two after panics", made)
		}
	})
}
