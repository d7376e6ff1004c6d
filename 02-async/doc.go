// Package async is step 02: the caller does not have to wait.
//
// A call that returns a [Future] returns at once. The answer comes later, and
// whoever needs it awaits it. Between the two the caller is free: to do
// something else, or to begin the next call, so that two waits of a second
// take one second together.
//
// Where to look, one idea per file:
//
//	future.go     a value that will be there later: Go, Await, Cancel, Then
//	combine.go    many of them: All needs every one, Race the first
//	consumer.go   the lecture's Elaborate and ElaborateAsync
//	producer.go   the lecture's three ways to call it: sequence, chain, parallel
//	callbacks.go  the same before there were promises, on an event loop
//	idiomatic.go  the same in idiomatic Go: channel, errgroup, deadline
//	hedge.go      two replicas race for the same answer
//	giveup.go     the caller gives up; an error that somebody must see
//	wrong.go      both of them done wrong, each a small change to the right way
//
// The package eventloop beside it is JavaScript's single thread in a hundred
// lines, and prints every turn it takes.
package async
