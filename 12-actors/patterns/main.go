// Patterns shows what one does with grains, one idea in each file. They run on one silo, which
// the same engine starts as in the cluster of this step.
//
//	hello.go         a grain is called by its name, activated and deactivated
//	deadlock.go      two grains that wait for each other, and reentrancy
//	streams.go       events that activate their consumers
//	context.go       who asks, carried beside the messages
//	timers.go        a clock that dies with its grain, and one that does not
//	transactions.go  two grains change, or neither: two-phase commit
//	bank.go          the process is killed after each write of those in turn
//	files.go         a store in a folder, so that no server is needed
//	wrong.go         what goes wrong, one wrong way for each idea at least
package main

//go:generate ../protoc.sh patterns.proto

import (
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/asynkron/protoactor-go/cluster"

	"course.example/12-actors/engine"
	"course.example/shop"
)

func main() { shop.Main(run) }

// timeout of a call that will be answered.
const timeout = 20 * time.Second

type settings struct {
	variant string
	idle    time.Duration // of hello
	serve   string        // of hello
	bank    string        // of transactions
	kill    int           // of transactions
}

// pattern is one idea: its variants, the right one first, and what shows it.
type pattern struct {
	variants []string
	show     func(context.Context, io.Writer, settings) error
}

var patterns = map[string]pattern{
	"grains": {[]string{"right", "no-recover"}, showHello},
	"deadlock": {[]string{"right", "call-chain", "deadlock", "blocking-turn", "interleaving"},
		showDeadlock},
	"streams":      {[]string{"right", "subscription-in-memory"}, showStreams},
	"context":      {[]string{"right", "not-forwarded", "variable"}, showContext},
	"timers":       {[]string{"right", "timer-only"}, showTimers},
	"transactions": {[]string{"right", "no-transaction"}, showTransactions},
}

func run(ctx context.Context) error {
	var s settings
	flags := shop.NewFlags("patterns")
	name := flags.String("pattern", "", "one of "+patternNames())
	flags.Env("pattern", "PATTERN")
	flags.StringVar(&s.variant, "variant", "right", "the right way, or a wrong one of the pattern")
	flags.Env("variant", "VARIANT")
	flags.DurationVar(&s.idle, "idle", 2*time.Second, "grains: one is deactivated after `this` long")
	flags.StringVar(&s.serve, "serve", "", "grains: serve GET /hello/{id} at this `address`")
	flags.StringVar(&s.bank, "bank", "", "transactions: be the bank in this `folder`, for a day")
	flags.IntVar(&s.kill, "kill", 0, "with -bank: kill this process after so many `writes`")
	if err := flags.Parse(os.Args[1:]); err != nil {
		return err
	}
	p, err := find(*name, s)
	if err != nil {
		return err
	}
	return p.show(ctx, os.Stdout, s)
}

// find returns a pattern, if the settings are for it.
func find(name string, s settings) (pattern, error) {
	p, known := patterns[name]
	switch {
	case !known:
		return p, usagef("there is no pattern %q: there are %s", name, patternNames())
	case !slices.Contains(p.variants, s.variant):
		return p, usagef("%s has no variant %q: there are %s", name, s.variant,
			strings.Join(p.variants, ", "))
	case s.idle <= 0:
		return p, usagef("-idle must be positive, is %v", s.idle)
	}
	return p, nil
}

func usagef(format string, args ...any) error {
	return &shop.UsageError{Problem: fmt.Sprintf(format, args...)}
}

func patternNames() string { return strings.Join(slices.Sorted(maps.Keys(patterns)), ", ") }

// nameOf is what a grain is known by: Hello/ada.
func nameOf(grain cluster.GrainContext) string {
	return engine.Key(grain.Kind(), grain.Identity())
}

// withHeader puts something beside the message of a call. The engine's messages have headers; a
// copy of the root context writes into them.
func withHeader(silo *cluster.Cluster, name, value string) cluster.GrainCallOption {
	put := func(next actor.SenderFunc) actor.SenderFunc {
		return func(s actor.SenderContext, to *actor.PID, envelope *actor.MessageEnvelope) {
			envelope.SetHeader(name, value)
			next(s, to, envelope)
		}
	}
	return cluster.WithContext(silo.ActorSystem.Root.Copy().WithSenderMiddleware(put))
}
