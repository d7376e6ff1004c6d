package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		if err := os.RemoveAll(programs.dir); err != nil && code == 0 {
			fmt.Fprintln(os.Stderr, "remove the programs of the tests:", err)
			code = 1
		}
		os.Exit(code)
	}))
}

// The same conversation, whichever way it is held.
func TestThreeWays(t *testing.T) {
	t.Parallel()
	const want = "  Counter: 1 with result: 2\n" +
		"  Counter: 2 with result: 4\n  Counter: 3 with result: 6\n"
	ways := map[string]func(*strings.Builder) error{
		"call": func(out *strings.Builder) error {
			return Call(t.Context(), out, &Consumer{}, 3)
		},
		"dispatch": func(out *strings.Builder) error {
			return Dispatch(t.Context(), out, &Consumer{}, 3)
		},
		"mailbox": func(out *strings.Builder) error {
			mailbox := NewMailbox()
			defer open(t.Context(), mailbox, &Consumer{})()
			return Exchange(t.Context(), out, mailbox, 3)
		},
	}
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out strings.Builder
			if err := way(&out); err != nil || out.String() != want {
				t.Errorf("got %v and\n%s", err, &out)
			}
		})
	}
}

// The receiver chooses: the sender's code is the same, the answers are not.
func TestReceiverChooses(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	err := Dispatch(t.Context(), &out, Multiplier{}, 3)
	if err != nil || !strings.HasSuffix(out.String(), "Counter: 3 with result: 9\n") {
		t.Errorf("got\n%s", &out)
	}
}

// The promise of the step. Its red twin is TestSharedMemoryLosesUpdates. With
// -race it also shows that the counter is never touched by two at once.
func TestNoLostUpdate(t *testing.T) {
	t.Parallel()
	handled, err := TwoProducers(t.Context(), perProducer)
	if err != nil || handled != 2*perProducer {
		t.Errorf("%d of %d messages were counted, %v", handled, 2*perProducer, err)
	}
}

// A signal in the middle of the third conversation ends it, and what would come next.
func TestSignalEndsTheConversation(t *testing.T) {
	t.Parallel()
	ctx, signal := context.WithCancel(t.Context())
	defer signal()
	const n = 100
	out := &interrupted{after: 2*(n+2) + n/2, signal: signal}
	if err := show(ctx, out, n, 0); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if text := out.String(); !strings.Contains(text, "Through a mailbox") ||
		strings.Contains(text, "Two producers") {
		t.Errorf("printed\n%s", text)
	}
}

// interrupted is a terminal at which somebody presses Ctrl-C after so many lines.
type interrupted struct {
	strings.Builder
	after  int
	signal func()
}

func (i *interrupted) Write(line []byte) (int, error) {
	if i.after--; i.after == 0 {
		i.signal()
	}
	return i.Builder.Write(line)
}

// slow takes a second for an answer: in a bubble of its clock, and no time of ours.
type slow struct{}

func (slow) Elaborate(a, b int) int { return (&Consumer{takes: time.Second}).Elaborate(a, b) }

// A mailbox does not make the sender wait less: five messages, five seconds, as
// with five calls. This is the question that step 02 answers.
func TestTheProducerWaits(t *testing.T) {
	t.Parallel()
	for name, way := range map[string]func(context.Context, io.Writer) error{
		"call": func(ctx context.Context, out io.Writer) error {
			return Dispatch(ctx, out, slow{}, 5)
		},
		"mailbox": func(ctx context.Context, out io.Writer) error {
			mailbox := NewMailbox()
			defer open(ctx, mailbox, slow{})()
			return Exchange(ctx, out, mailbox, 5)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				var out strings.Builder
				if err := way(t.Context(), &out); err != nil {
					t.Fatal(err)
				}
				if waited := time.Since(began); waited != 5*time.Second {
					t.Errorf("the producer waited %v", waited)
				}
				if !strings.HasSuffix(out.String(), "Counter: 5 with result: 10\n") {
					t.Errorf("it printed\n%s", &out)
				}
			})
		})
	}
}

// A sender that gives up is not waited for: the receiver serves the next one.
func TestReceiverOutlivesImpatientSender(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		mailbox := NewMailbox()
		stop := open(t.Context(), mailbox, slow{})
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if _, err := mailbox.Ask(ctx, 1, 1); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a sender without patience got %v", err)
		}
		if result, err := mailbox.Ask(t.Context(), 1, 1); err != nil || result != 2 {
			t.Errorf("the next sender got %d, %v", result, err)
		}
		stop()
	})
}

// Who stops a mailbox and then reads what its owner counted must be alone with it:
// stop returns when the owner has put down what it had in progress, and not before.
func TestStopWaitsForTheOwner(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		mailbox := NewMailbox()
		stop := open(t.Context(), mailbox, slow{})
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if _, err := mailbox.Ask(ctx, 1, 1); err == nil ||
			!strings.Contains(err.Error(), "nobody answered the message") {
			t.Errorf("a sender without patience got %v", err)
		}
		stop()
		if took := time.Since(began); took != time.Second {
			t.Errorf("the owner was busy for a second, and stop returned after %v", took)
		}
	})
}

// Why a conversation ended, such as a signal, is in its error.
func TestAskSaysWhyItGaveUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		why := errors.New("the sender hung up")
		ctx, hangUp := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Millisecond, func() { hangUp(why) })
		mailbox := NewMailbox()
		defer open(t.Context(), mailbox, slow{})()
		if err := Exchange(ctx, io.Discard, mailbox, 1); !errors.Is(err, why) {
			t.Errorf("in progress: %v", err)
		}
		if err := Exchange(ctx, io.Discard, NewMailbox(), 1); !errors.Is(err, why) {
			t.Errorf("not taken: %v", err)
		}
	})
}

// Nobody reads the mailbox: the messages lie there until it is full.
func TestNobodyThere(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		mailbox := NewMailbox()
		for n := range room + 1 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
			_, err := mailbox.Ask(ctx, 1, 1)
			cancel()
			want := "nobody answered the message"
			if n == room {
				want = "the mailbox is full"
			}
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("message %d: got %v", n+1, err)
			}
		}
	})
}

// A signal is obeyed between two calls: the one in progress is finished.
func TestSignalEndsTheCalls(t *testing.T) {
	t.Parallel()
	for name, way := range map[string]func(context.Context, io.Writer) error{
		"call": func(ctx context.Context, out io.Writer) error {
			return Call(ctx, out, &Consumer{takes: time.Second}, 100)
		},
		"dispatch": func(ctx context.Context, out io.Writer) error {
			return Dispatch(ctx, out, Multiplier{time.Second}, 100)
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
			defer cancel()
			began := time.Now()
			err := way(ctx, io.Discard)
			if took := time.Since(began); !errors.Is(err, context.DeadlineExceeded) ||
				took != 2*time.Second {
				t.Errorf("%s: %v after %v", name, err, took)
			}
		})
	}
}
