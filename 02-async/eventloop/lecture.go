package eventloop

import "time"

// Lecture is the main function of the lecture's example:
//
//	function printHello() { console.log("Hello from baz") }
//	function baz() { setTimeout(printHello, 3000) }
//	function bar() { baz() }
//	function foo() { bar() }
//
//	foo()
//
// For three seconds the stack is empty and the timer runs, outside of the thread.
func Lecture(l *Loop) func() {
	printHello := func() { l.Log("Hello from baz") }
	baz := func() { l.SetTimeout("printHello", printHello, 3*time.Second) }
	bar := func() { l.Call("baz", baz) }
	foo := func() { l.Call("bar", bar) }
	return func() { l.Call("foo", foo) }
}

// Queues is who comes first:
//
//	setTimeout(() => console.log("timeout"), 0)
//	Promise.resolve().then(() => console.log("promise"))
//	console.log("main")
//
// The timer was set first and has ended at once. It is called last: first all of
// main, then all microtasks, then a callback from the queue.
func Queues(l *Loop) func() {
	return func() {
		l.SetTimeout("timeout", func() { l.Log("timeout") }, 0)
		l.Resolved(nil).Then("promise", func(any) (any, error) {
			l.Log("promise")
			return nil, nil
		})
		l.Log("main")
	}
}
