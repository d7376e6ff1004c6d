package eventloop

// Lecture is the main function of the lecture's example:
//
//	function printHello() { console.log("Hello") }
//	function baz() { console.log("baz") }
//	function bar() { baz() }
//	function foo() { bar() }
//
//	setTimeout(printHello, 0)
//	foo()
//
// The timer is set first and ends at once, and yet printHello comes last: it has
// to wait in the queue until main, with all that main calls, has left the stack.
func Lecture(l *Loop) func() {
	printHello := func() { l.Log("Hello") }
	baz := func() { l.Log("baz") }
	bar := func() { l.Call("baz", baz) }
	foo := func() { l.Call("bar", bar) }
	return func() {
		l.SetTimeout("printHello", printHello, 0)
		l.Call("foo", foo)
	}
}
