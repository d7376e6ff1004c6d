// Command 01-message-passing is step 01: one object asks another for something
// and waits for the answer. The same conversation is held three ways.
//
// Where to look, one idea per file, in this order:
//
//	call.go     a method call: the sender knows the receiver
//	dispatch.go a call through an interface: the receiver chooses the behaviour
//	mailbox.go  a goroutine that owns its state and answers messages
//	wrong.go    what goes wrong: shared memory, and receivers that panic
//	main.go     the program that shows them one after the other
package main
