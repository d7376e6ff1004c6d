// Package eventloop is JavaScript's way to wait: one thread, a call stack, and
// somebody else who watches the clocks. It prints every step it takes, in the
// spirit of Philip Roberts' "loupe".
package eventloop

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// Loop is one thread with everything that JavaScript needs around it. All of its
// methods belong to the goroutine that calls [Loop.Run]: a callback runs there
// as well, so it may use them, and needs no lock for anything it touches.
type Loop struct {
	out    io.Writer
	turns  int
	stack  []string // the functions that are running, the innermost last
	webAPI []task   // timers that run outside of the thread, the next first
	queue  []task   // callbacks whose time has come, waiting for an empty stack
	header bool
}

type task struct {
	name string
	call func()
	at   time.Time // when its timer ends
}

// New returns a loop that prints its steps to out; nil prints nothing.
func New(out io.Writer) *Loop {
	if out == nil {
		out = io.Discard
	}
	return &Loop{out: out}
}

// Call runs a function now, on top of whatever is running.
func (l *Loop) Call(name string, function func()) {
	l.stack = append(l.stack, name)
	l.show("call " + name)
	function()
	l.stack = l.stack[:len(l.stack)-1]
	l.show("return from " + name)
}

// SetTimeout hands a timer to the web API and returns at once. The callback is
// not called when the timer ends. It is queued then, and called when the stack
// is empty: the delay is the least it waits, not the most.
func (l *Loop) SetTimeout(name string, callback func(), delay time.Duration) {
	l.webAPI = append(l.webAPI, task{name, callback, time.Now().Add(delay)})
	// Stable: of two timers with the same end the one set first comes first.
	slices.SortStableFunc(l.webAPI, func(a, b task) int { return a.at.Compare(b.at) })
	l.line(fmt.Sprintf("setTimeout(%s, %d)", name, delay.Milliseconds()))
}

// Log prints as console.log does.
func (l *Loop) Log(text string) { l.show("log    " + text) }

// Run runs main, and then takes turns until nothing is left to do: each takes
// one callback from the queue and runs it to its end. That is the whole event
// loop. It returns early, with the reason, only between two turns, when ctx ends.
func (l *Loop) Run(ctx context.Context, main func()) error {
	l.Call("main", main)
	for len(l.queue) > 0 || len(l.webAPI) > 0 {
		if err := l.idle(ctx); err != nil {
			return err
		}
		next := l.queue[0]
		l.queue = l.queue[1:]
		l.turns++
		l.note(fmt.Sprintf("turn %d: the stack is empty, take %s from the queue",
			l.turns, next.name))
		l.Call(next.name, next.call)
	}
	l.note("nothing on the stack, nothing to wait for: the program ends")
	return nil
}

// idle waits until the queue has something. It is the only place where the
// thread waits, and a browser answers the mouse here.
func (l *Loop) idle(ctx context.Context) error {
	for l.expire(); len(l.queue) == 0; l.expire() {
		l.note("idle: the stack and the queue are empty, a timer is running")
		timer := time.NewTimer(time.Until(l.webAPI[0].at))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return context.Cause(ctx)
		}
	}
	return nil
}

// expire queues the callbacks whose timers have ended. In a browser that happens
// at the same time as the thread works; here it happens whenever we look, which
// nobody can tell apart, since the queue is only read when the stack is empty.
func (l *Loop) expire() {
	now := time.Now()
	for len(l.webAPI) > 0 && !now.Before(l.webAPI[0].at) {
		l.queue = append(l.queue, l.webAPI[0])
		l.webAPI = l.webAPI[1:]
	}
}

// show prints a step and what it left, after the timers had a chance to end.
func (l *Loop) show(step string) {
	l.expire()
	l.line(step)
}

func (l *Loop) line(step string) {
	if !l.header {
		l.header = true
		l.row("what happens", "call stack", "web API", "callback queue")
		l.row(dashes(26), dashes(22), dashes(12), dashes(14))
	}
	l.row(step, strings.Join(l.stack, " "), names(l.webAPI), names(l.queue))
}

func (l *Loop) row(step, stack, webAPI, queue string) {
	row := fmt.Sprintf("%-26s │ %-22s │ %-12s │ %s", step, stack, webAPI, queue)
	l.print(strings.TrimRight(row, " "))
}

func (l *Loop) note(text string) { l.print("── " + text) }

func (l *Loop) print(line string) {
	_, _ = fmt.Fprintln(l.out, line) // what cannot be shown is not worth failing for
}

func names(tasks []task) string {
	all := make([]string, len(tasks))
	for i, t := range tasks {
		all[i] = t.name
	}
	return strings.Join(all, " ")
}

func dashes(n int) string { return strings.Repeat("─", n) }
