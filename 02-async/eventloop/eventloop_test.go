package eventloop

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// seen is which callback was called when.
type seen struct {
	name string
	at   time.Duration
}

// play runs main in a bubble, where time passes only while the loop is idle, and
// returns when its callbacks were called.
func play(t *testing.T, main func(l *Loop, note func(name string) func())) []seen {
	t.Helper()
	var calls []seen
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		l := New(nil)
		note := func(name string) func() {
			return func() { calls = append(calls, seen{name, time.Since(began)}) }
		}
		if err := l.Run(t.Context(), func() { main(l, note) }); err != nil {
			t.Error(err)
		}
	})
	return calls
}

func TestTimersRunSideBySideOnOneThread(t *testing.T) {
	t.Parallel()
	got := play(t, func(l *Loop, note func(string) func()) {
		l.SetTimeout("third", note("third"), 2*time.Second)
		l.SetTimeout("first", note("first"), time.Second)
		l.SetTimeout("second", note("second"), time.Second)
		l.SetTimeout("zero", note("zero"), 0)
	})
	want := []seen{{"zero", 0}, {"first", time.Second}, {"second", time.Second},
		{"third", 2 * time.Second}}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// A callback that computes for a second holds up all the others: the thread is
// the one thing that nobody can share.
func TestABusyCallbackHoldsUpAllOthers(t *testing.T) {
	t.Parallel()
	got := play(t, func(l *Loop, note func(string) func()) {
		l.SetTimeout("busy", func() {
			time.Sleep(time.Second) // stands for computing: it does not return
			note("busy")()
		}, 0)
		l.SetTimeout("zero", note("zero"), 0)
		l.SetTimeout("soon", note("soon"), 300*time.Millisecond)
	})
	want := []seen{{"busy", time.Second}, {"zero", time.Second}, {"soon", time.Second}}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestIdleIsSeenAndTimersStayInTheWebAPI(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		out := new(bytes.Buffer)
		l := New(out)
		if err := l.Run(t.Context(), func() {
			l.SetTimeout("slow", func() {}, time.Second)
		}); err != nil {
			t.Error(err)
		}
		text := out.String()
		for _, want := range []string{
			"setTimeout(slow, 1000)       │ main             │ slow       │            │\n",
			"return from main             │                  │ slow       │            │\n" +
				"idle: a timer is running     │                  │ slow       │            │\n" +
				"── turn 1: the stack is empty, take slow from the queue\n",
		} {
			if !strings.Contains(text, want) {
				t.Errorf("no\n%s\nin\n%s", want, text)
			}
		}
		for line := range strings.Lines(text) {
			if n := len([]rune(line)); n > 93 {
				t.Errorf("%d columns: %s", n, line)
			}
		}
	})
}

func TestRunEndsWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		l := New(nil)
		err := l.Run(ctx, func() {
			l.SetTimeout("never", func() { t.Error("was called") }, time.Hour)
		})
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
	})
}

// The timers of a loop that is twice as fast end in half of the time, and the code
// takes what it takes.
func TestSpeed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		l := New(nil)
		l.Speed = 2
		if err := l.Run(t.Context(), func() {
			l.SetTimeout("slow", func() { time.Sleep(time.Second) }, 3*time.Second)
		}); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took != 2500*time.Millisecond {
			t.Errorf("took %v", took)
		}
	})
}

// A callback that panics leaves nothing on the stack for the next one.
func TestAPanicLeavesNoFrame(t *testing.T) {
	t.Parallel()
	l := New(nil)
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic did not come out")
			}
		}()
		l.Call("outer", func() { l.Call("inner", func() { panic("broken") }) })
	}()
	if len(l.stack) > 0 {
		t.Errorf("on the stack: %v", l.stack)
	}
}

// A microtask that always queues another one keeps the timers waiting, and not the
// one who wants the loop to end.
func TestEndlessMicrotasksEndWithTheContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	l, calls := New(nil), 0
	var again func()
	again = func() {
		if calls++; calls == 1000 {
			cancel()
		}
		l.QueueMicrotask("again", again)
	}
	err := l.Run(ctx, func() {
		l.SetTimeout("never", func() { t.Error("a timer came in between") }, 0)
		again()
	})
	if !errors.Is(err, context.Canceled) || calls != 1000 {
		t.Errorf("%v after %d", err, calls)
	}
}

func TestUnhandledRejectionNamesTheError(t *testing.T) {
	t.Parallel()
	l, broken := New(nil), errors.New("broken")
	err := l.Run(t.Context(), func() { l.Rejected(broken) })
	if unhandled := new(UnhandledRejection); !errors.As(err, &unhandled) || !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}
