package eventloop_test

import (
	"context"
	"fmt"
	"os"

	"course.example/02-async/eventloop"
)

// The lecture's example, with a clock that runs thirty times faster. Read the third
// column: while the stack is empty, the timer runs outside of the thread.
func Example_lecture() {
	loop := eventloop.New(os.Stdout)
	loop.Speed = 30
	if err := loop.Run(context.Background(), eventloop.Lecture(loop)); err != nil {
		fmt.Println(err)
	}
	// Output:
	// what happens                 │ call stack       │ web API    │ microtasks │ callback queue
	// ──────────────────────────── │ ──────────────── │ ────────── │ ────────── │ ──────────────
	// call main                    │ main             │            │            │
	// call foo                     │ main foo         │            │            │
	// call bar                     │ main foo bar     │            │            │
	// call baz                     │ main foo bar baz │            │            │
	// setTimeout(printHello, 3000) │ main foo bar baz │ printHello │            │
	// return from baz              │ main foo bar     │ printHello │            │
	// return from bar              │ main foo         │ printHello │            │
	// return from foo              │ main             │ printHello │            │
	// return from main             │                  │ printHello │            │
	// idle: a timer is running     │                  │ printHello │            │
	// ── turn 1: the stack is empty, take printHello from the queue
	// call printHello              │ printHello       │            │            │
	// log    Hello from baz        │ printHello       │            │            │
	// return from printHello       │                  │            │            │
	// ── nothing on the stack, nothing to wait for: the program ends
}

// setTimeout(…, 0) comes first and its callback last: all of main is before it, and
// all microtasks.
func Example_queues() {
	loop := eventloop.New(os.Stdout)
	if err := loop.Run(context.Background(), eventloop.Queues(loop)); err != nil {
		fmt.Println(err)
	}
	// Output:
	// what happens                 │ call stack       │ web API    │ microtasks │ callback queue
	// ──────────────────────────── │ ──────────────── │ ────────── │ ────────── │ ──────────────
	// call main                    │ main             │            │            │
	// setTimeout(timeout, 0)       │ main             │ timeout    │            │
	// log    main                  │ main             │            │ promise    │ timeout
	// return from main             │                  │            │ promise    │ timeout
	// ── the stack is empty, take promise from the microtasks
	// call promise                 │ promise          │            │            │ timeout
	// log    promise               │ promise          │            │            │ timeout
	// return from promise          │                  │            │            │ timeout
	// ── turn 1: the stack is empty, take timeout from the queue
	// call timeout                 │ timeout          │            │            │
	// log    timeout               │ timeout          │            │            │
	// return from timeout          │                  │            │            │
	// ── nothing on the stack, nothing to wait for: the program ends
}

// A callback that sets a timer does not recurse: the next one begins with an
// empty stack, so that a chain of callbacks can be as long as it likes.
func ExampleLoop_SetTimeout() {
	loop := eventloop.New(os.Stdout)
	second := func() { loop.Log("second") }
	first := func() {
		loop.Log("first")
		loop.SetTimeout("second", second, 0)
	}
	err := loop.Run(context.Background(), func() { loop.SetTimeout("first", first, 0) })
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// what happens                 │ call stack       │ web API    │ microtasks │ callback queue
	// ──────────────────────────── │ ──────────────── │ ────────── │ ────────── │ ──────────────
	// call main                    │ main             │            │            │
	// setTimeout(first, 0)         │ main             │ first      │            │
	// return from main             │                  │            │            │ first
	// ── turn 1: the stack is empty, take first from the queue
	// call first                   │ first            │            │            │
	// log    first                 │ first            │            │            │
	// setTimeout(second, 0)        │ first            │ second     │            │
	// return from first            │                  │            │            │ second
	// ── turn 2: the stack is empty, take second from the queue
	// call second                  │ second           │            │            │
	// log    second                │ second           │            │            │
	// return from second           │                  │            │            │
	// ── nothing on the stack, nothing to wait for: the program ends
}
