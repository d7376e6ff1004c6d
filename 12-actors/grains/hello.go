package main

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/asynkron/protoactor-go/cluster"

	"course.example/12-actors/engine"
)

// Greeter is the service that a HelloGrain uses. A test puts another in its place.
type Greeter interface {
	// Greet answers a greeting. It may take its time, and is called by many
	// grains at once.
	Greet(id, greeting string) (string, error)
}

// HelloGrain is the lecture's grain. It is written as if there were one caller:
// the engine lets one call in at a time, so its fields need no lock.
type HelloGrain struct {
	engine.Hooks
	service Greeter
	events  io.Writer
	calls   int32
}

// HelloKind makes HelloGrains, each on its first call. A grain that nobody calls
// for as long as idle is deactivated: its memory is free, its name is not gone.
func HelloKind(service Greeter, events io.Writer, idle time.Duration) *cluster.Kind {
	return NewHelloKind(func() Hello {
		return &HelloGrain{service: service, events: events}
	}, idle)
}

// Init is the hook of the activation: the place to load state.
func (g *HelloGrain) Init(ctx cluster.GrainContext) {
	fmt.Fprintf(g.events, "  Hello/%s: activated\n", ctx.Identity())
}

// Terminate is the hook of the deactivation. Nobody promises that it runs: a
// killed silo runs no hooks. What must be kept has to be written before.
func (g *HelloGrain) Terminate(ctx cluster.GrainContext) {
	fmt.Fprintf(g.events, "  Hello/%s: deactivated after %s\n",
		ctx.Identity(), calls(g.calls))
}

// SayHello answers one call. Notice what is not here: no lock, no lookup, no
// thread, no address.
func (g *HelloGrain) SayHello(
	req *HelloRequest, ctx cluster.GrainContext,
) (*HelloReply, error) {
	text, err := g.service.Greet(ctx.Identity(), req.GetGreeting())
	if err != nil {
		return nil, fmt.Errorf("%s cannot greet: %w", ctx.Identity(), err)
	}
	g.calls++
	return &HelloReply{Text: text, Calls: g.calls}, nil
}

func calls(n int32) string {
	if n == 1 {
		return "1 call"
	}
	return fmt.Sprintf("%d calls", n)
}

// Polite is the greeter of the course. It has a bug: one word is too much for it.
type Polite struct{}

// Greet answers in the lecture's words.
func (Polite) Greet(id, greeting string) (string, error) {
	if greeting == "boo" {
		panic("what a fright")
	}
	return fmt.Sprintf("%s said: '%s', so HelloGrain says: Hello!", id, greeting), nil
}

// log lets many grains write lines at once. Safe for concurrent use.
type log struct {
	mu  sync.Mutex
	out io.Writer
}

func (l *log) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.out.Write(line)
}
