package async

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"course.example/shop"
)

var variants = map[string]func(*Caller){
	"right":             func(*Caller) {},
	"leak":              func(c *Caller) { c.call = leakyCall },
	"dropped-error":     func(c *Caller) { c.begin = forgottenTasks },
	"sequential-awaits": func(c *Caller) { c.begin = tasksOneByOne },
}

// WrongVariants are the names of the wrong ways, with commas between.
func WrongVariants() string {
	names := slices.Sorted(maps.Keys(variants))
	names = slices.DeleteFunc(names, func(name string) bool { return name == "right" })
	return strings.Join(names, ", ")
}

// NewCaller returns the caller of that variant; "" is the right one.
func NewCaller(variant string) (Caller, error) {
	right := Caller{call: awaitedCall, begin: awaitedTasks}
	if variant == "" {
		return right, nil
	}
	change, known := variants[variant]
	if !known {
		return right, &shop.UsageError{Problem: fmt.Sprintf(
			"variant %q is unknown; there are: right, %s", variant, WrongVariants())}
	}
	change(&right)
	return right, nil
}

// leakyCall is a future by hand, in which the result has to be handed over: an
// unbuffered channel wants a receiver for every send.
//
// What goes wrong: when the caller has given up there is none. The work ends as
// it should, its goroutine does not: it waits to be rid of the result for as
// long as the process lives, and keeps everything that it refers to alive. Room
// for one result, make(chan result, 1), is all that is missing.
func leakyCall(ctx context.Context, work Work) (int, error) {
	type result struct {
		value int
		err   error
	}
	results := make(chan result)
	go func() {
		value, err := work(ctx)
		results <- result{value, err}
	}()
	select {
	case r := <-results:
		return r.value, r.err
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
}

// forgottenTasks begins everything and tells the customer that all is well:
// "fire and forget", in C# _ = PlaceAsync(). (async void in C# and a promise
// without catch in Node are louder: there the error ends the process.)
//
// What goes wrong: an error is a result, and nobody awaits it. No log, no exit
// code and no customer will ever tell.
func forgottenTasks(ctx context.Context, tasks []Task) error {
	beginAll(ctx, tasks)
	return nil
}

// tasksOneByOne awaits each task before it begins the next. The words are all
// there, asynchronous and await, and the program is as slow as one without them.
//
// What goes wrong: the customer waits for the sum of the tasks where the longest
// would do. Every task that is added makes everybody wait longer.
func tasksOneByOne(ctx context.Context, tasks []Task) error {
	for _, task := range tasks {
		if _, err := beginAll(ctx, []Task{task})[0].Await(ctx); err != nil {
			return err
		}
	}
	return nil
}
