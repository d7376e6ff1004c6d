// Package eventloop is JavaScript's way to wait: one thread, a call stack, and
// somebody else who watches the clocks. It prints every step it takes, in the
// spirit of Philip Roberts' "loupe". The order of the callbacks is that of Node.
package eventloop

import (
	"context"
	"slices"
	"time"
)

// Loop is one thread with everything that JavaScript needs around it. All of its
// methods belong to the goroutine that calls [Loop.Run]: a callback runs there
// as well, so it may use them, and needs no lock for anything it touches.
type Loop struct {
	// Speed is how many times faster than by the clock the timers run; 0 is 1.
	Speed float64

	table      table
	turns      int
	stack      []string // the functions that are running, the innermost last
	webAPI     []task   // timers that run outside of the thread, the next first
	microtasks []task   // what promises have to say, before the next callback
	queue      []task   // callbacks whose time has come, waiting for an empty stack
	rejected   []*Promise
}

type task struct {
	name string
	call func()
	at   time.Time // when its timer ends
}

// Call runs a function now, on top of whatever is running.
func (l *Loop) Call(name string, function func()) {
	returned := false
	l.stack = append(l.stack, name)
	defer func() {
		l.stack = l.stack[:len(l.stack)-1] // also when it panics
		if returned {
			l.show("return from " + name)
		}
	}()
	l.show("call " + name)
	function()
	returned = true
}

// SetTimeout hands a timer to the web API and returns at once. The callback is
// not called when the timer ends. It is queued then, and called when the stack
// is empty: the delay is the least it waits, not the most. Node makes a
// millisecond of every shorter delay, so that 1, 0 and -5 keep their order; here
// it is over before anybody can look.
func (l *Loop) SetTimeout(name string, callback func(), delay time.Duration) {
	shown := delay.Milliseconds()
	if delay <= time.Millisecond {
		delay = 0
	}
	if l.Speed > 0 {
		delay = time.Duration(float64(delay) / l.Speed)
	}
	l.webAPI = append(l.webAPI, task{name, callback, time.Now().Add(delay)})
	// Stable: of two timers with the same end the one set first comes first.
	slices.SortStableFunc(l.webAPI, func(a, b task) int { return a.at.Compare(b.at) })
	l.row("setTimeout(%s, %d)", name, shown)
}

// QueueMicrotask has the callback called as soon as the stack is empty, before
// any callback of a timer.
func (l *Loop) QueueMicrotask(name string, callback func()) {
	l.microtasks = append(l.microtasks, task{name: name, call: callback})
}

// Log prints as console.log does.
func (l *Loop) Log(text string) { l.show("log    " + text) }

// Run runs main, and then takes turns until nothing is left to do: each takes
// one callback from the queue and runs it to its end. After main, and after each
// callback, all microtasks come first. That is the whole event loop.
//
// It returns early, only while the stack is empty, with the reason when ctx ends
// and with an [*UnhandledRejection], as Node does.
func (l *Loop) Run(ctx context.Context, main func()) error {
	l.Call("main", main)
	for {
		if err := l.runMicrotasks(ctx); err != nil {
			return err
		}
		if len(l.queue) == 0 && len(l.webAPI) == 0 {
			l.note("nothing on the stack, nothing to wait for: the program ends")
			return nil
		}
		if err := l.idle(ctx); err != nil {
			return err
		}
		next := l.queue[0]
		l.queue = l.queue[1:]
		l.turns++
		l.note("turn %d: the stack is empty, take %s from the queue", l.turns, next.name)
		l.Call(next.name, next.call)
	}
}

// runMicrotasks goes on until there is none, those included that a microtask has
// queued: one that always queues another keeps every timer from being heard.
func (l *Loop) runMicrotasks(ctx context.Context) error {
	for len(l.microtasks) > 0 {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		next := l.microtasks[0]
		l.microtasks = l.microtasks[1:]
		l.note("the stack is empty, take %s from the microtasks", next.name)
		l.Call(next.name, next.call)
	}
	return l.unhandled()
}

// idle waits until the queue has something. It is the only place where the
// thread waits, and a browser answers the mouse here.
func (l *Loop) idle(ctx context.Context) error {
	for l.expire(); len(l.queue) == 0; l.expire() {
		l.row("idle: a timer is running")
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
