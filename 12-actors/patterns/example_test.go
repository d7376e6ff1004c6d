package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"course.example/12-actors/engine"
)

// Nobody creates a grain. The first call activates it, a silence deactivates it, and the next
// call activates it again: with what it has stored, which is nothing here.
func Example_activation() {
	greet := func(id, greeting string) (string, error) { return greeting + ", I am " + id, nil }
	silo := engine.StartSilo(HelloKind(greet, io.Discard, time.Minute))
	defer engine.Stop(silo)
	call := func() {
		reply, err := GetHelloGrainClient(silo, "my-id").SayHello(
			&HelloRequest{Greeting: "Hello"}, engine.Within(aLongTime))
		if err != nil {
			fmt.Println(engine.Reason(err))
			return
		}
		fmt.Printf("%s, call %d, active: %d\n", reply.GetText(), reply.GetCalls(),
			engine.Active(silo, "Hello"))
	}
	call()
	call()
	if err := engine.Deactivate(context.Background(), silo, "Hello", "my-id"); err != nil {
		fmt.Println(err)
	}
	fmt.Println("active:", engine.Active(silo, "Hello"))
	call()
	// Output:
	// Hello, I am my-id, call 1, active: 1
	// Hello, I am my-id, call 2, active: 1
	// active: 0
	// Hello, I am my-id, call 1, active: 1
}

// A grain's error reaches its caller, and so does its panic. The caller need not know on which
// silo the grain is.
func Example_location() {
	members := engine.NewMembers()
	host := members.StartSilo(HelloKind(polite, io.Discard, time.Minute))
	defer engine.Stop(host)
	caller := members.StartSilo() // of no kind: a client
	defer engine.Stop(caller)
	for _, greeting := range []string{"good morning", "boo"} {
		reply, err := GetHelloGrainClient(caller, "ada").SayHello(
			&HelloRequest{Greeting: greeting}, engine.Within(aLongTime))
		if err != nil {
			fmt.Println("error:", engine.Reason(err))
			continue
		}
		fmt.Println(reply.GetText())
	}
	// Output:
	// ada said: 'good morning', so HelloGrain says: Hello!
	// error: the grain panicked: what a fright
}
