package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"sync/atomic"
	"time"

	async "course.example/02-async"
	"course.example/02-async/eventloop"
	"course.example/02-async/internal/timeline"
	"course.example/shop"
	"go.uber.org/goleak"
)

// part is one scene of the lecture.
type part struct {
	name, about string
	run         func(context.Context, *scene) error
}

// parts are in the order of the lecture: the lecture's three ways, the same in
// Go, what bounds a wait, then how it is done with one thread.
var parts = []part{
	{"sequence", "await each call before the next is made", sequence},
	{"chain", "say beforehand what comes next", chain},
	{"parallel", "make both calls, then await both", parallel},
	{"errgroup", "the same in idiomatic Go", inGo},
	{"deadline", "wait for half of the delay, and no longer", deadline},
	{"race", "two replicas, the first answer wins", race},
	{"callbacks", "three calls, each inside the last, on one thread", callbacks},
	{"promises", "the same three as a chain", promises},
	{"loop", "a timer runs, and the stack is empty", loop},
	{"queues", "why setTimeout(0) comes last", queues},
	{"give-up", "ten callers lose their patience", giveUp},
	{"order", "three things to do at once, and one fails", order},
}

// scene is what a part has to work with.
type scene struct {
	settings
	out      io.Writer
	producer *async.Producer
}

func (s *scene) printf(format string, args ...any) {
	// What cannot be shown is not worth failing for.
	_, _ = fmt.Fprintf(s.out, format, args...)
}

// present runs the chosen parts, and says what they took and left behind.
func present(ctx context.Context, out io.Writer, s settings) error {
	running := goleak.IgnoreCurrent()
	calls := map[string]float64{}
	for _, p := range s.parts {
		sc := newScene(s, out)
		sc.printf("── %s: %s\n", p.name, p.about)
		began := time.Now()
		if err := p.run(ctx, sc); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		took := time.Since(began)
		if call := sc.producer.Line.MeanWork(); call > 0 {
			calls[p.name] = took.Seconds() / call.Seconds()
		}
		sc.printf("\n")
	}
	end := newScene(s, out)
	end.compare(calls)
	end.leaks(goleak.Find(running))
	return nil
}

func newScene(s settings, out io.Writer) *scene {
	line := timeline.New()
	consumer := &async.Consumer{Delay: s.delay, Line: line}
	return &scene{settings: s, out: out,
		producer: &async.Producer{Consumer: consumer, Line: line, Out: out}}
}

// compare says the lecture's result in one line: how long the three ways took, in
// calls. The reference is how long a call took in that very part, and the factors
// are rounded: they are about waiting, and not about how busy this machine is.
func (s *scene) compare(calls map[string]float64) {
	if calls["sequence"] == 0 || calls["chain"] == 0 || calls["parallel"] == 0 {
		return
	}
	s.printf("two calls, in the time of one: sequence %.0f ×, chain %.0f ×, parallel %.0f ×\n",
		calls["sequence"], calls["chain"], calls["parallel"])
}

// leaks says which goroutines are still there, and shows one of them.
func (s *scene) leaks(found error) {
	if found == nil {
		s.printf("goroutines left behind: 0\n")
		return
	}
	report := found.Error()
	s.printf("goroutines left behind: %d\n", strings.Count(report, " in state "))
	s.printf("goleak found this one and its like:\n")
	for i, line := range strings.Split(report, "\n")[1:] {
		if i > 0 && strings.Contains(line, " in state ") {
			break // the next one
		}
		s.printf("  %s\n", sourceDir.ReplaceAllString(line, "\t"))
	}
}

// sourceDir is the folder in a line of a stack trace.
var sourceDir = regexp.MustCompile(`^\t.*/`)

// drawn runs a way to call, and draws the time line it has left.
func (s *scene) drawn(ctx context.Context, run func(context.Context) error) error {
	if err := run(ctx); err != nil {
		return err
	}
	s.draw()
	return nil
}

func (s *scene) draw() { s.printf("%s", s.producer.Line.Draw(s.delay)) }

func sequence(ctx context.Context, s *scene) error { return s.drawn(ctx, s.producer.Sequence) }
func chain(ctx context.Context, s *scene) error    { return s.drawn(ctx, s.producer.Chain) }
func parallel(ctx context.Context, s *scene) error { return s.drawn(ctx, s.producer.Parallel) }
func inGo(ctx context.Context, s *scene) error     { return s.drawn(ctx, s.producer.Errgroup) }

func deadline(ctx context.Context, s *scene) error {
	err := s.producer.Deadline(ctx, s.delay/2)
	if ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	s.printf("the producer got: %v\n", err)
	s.draw()
	return nil
}

func race(ctx context.Context, s *scene) error {
	replica := func(name string, takes time.Duration) *async.Future[string] {
		return async.Go(ctx, func(ctx context.Context) (string, error) {
			defer s.producer.Line.Working(name)()
			return name, async.Sleep(ctx, takes)
		})
	}
	slow := replica("replica 1", s.delay)
	quick := replica("replica 2", s.delay/4)
	waited := s.producer.Line.Waiting("producer")
	winner, err := async.Race(ctx, slow, quick).Await(ctx)
	waited()
	if err != nil {
		return err
	}
	s.printf("the answer is from %s\n", winner)
	s.draw()
	return nil
}

// callbacks and promises make three calls, so each takes a quarter of the delay.
func callbacks(ctx context.Context, s *scene) error {
	return s.onLoop(ctx, s.producer.Callbacks)
}

func promises(ctx context.Context, s *scene) error {
	return s.onLoop(ctx, s.producer.Promises)
}

func (s *scene) onLoop(ctx context.Context, way func(*eventloop.Loop, func(error))) error {
	s.producer.Consumer.Delay /= 4
	l := eventloop.New(nil)
	failed := errors.New("the last callback was never called")
	err := l.Run(ctx, func() { way(l, func(err error) { failed = err }) })
	if err = cmp.Or(err, failed); err != nil {
		return err
	}
	s.draw()
	return nil
}

func loop(ctx context.Context, s *scene) error { return s.shown(ctx, eventloop.Lecture) }

func queues(ctx context.Context, s *scene) error { return s.shown(ctx, eventloop.Queues) }

func (s *scene) shown(ctx context.Context, example func(*eventloop.Loop) func()) error {
	l := eventloop.New(s.out)
	l.Speed = s.speed
	return l.Run(ctx, example(l))
}

func giveUp(ctx context.Context, s *scene) error {
	const callers = 10
	gaveUp, err := s.caller.GiveUp(ctx, callers, s.delay/100,
		func(ctx context.Context) (int, error) {
			return s.producer.Consumer.Elaborate(ctx, 1, 1)
		})
	if err != nil {
		return err
	}
	s.printf("%d of %d gave up after %s\n", gaveUp, callers, s.delay/100)
	return nil
}

func order(ctx context.Context, s *scene) error {
	bought, err := shop.NewOrder("nobody@"+shop.BounceDomain, shop.SampleItems()...)
	if err != nil {
		return fmt.Errorf("make an order: %w", err)
	}
	var happened, worked atomic.Int64
	ended := make(chan struct{}, 3)
	task := func(do async.Task) async.Task {
		return func(ctx context.Context) error {
			defer func() { ended <- struct{}{} }()
			began := time.Now()
			err := do(ctx)
			worked.Add(int64(time.Since(began)))
			if errors.Is(err, shop.ErrBounced) {
				happened.Add(1)
			}
			return err
		}
	}
	each := s.delay / 2
	wait := func(ctx context.Context) error { return async.Sleep(ctx, each) }
	mail := func(ctx context.Context) error { return shop.Work(ctx, bought, each) }

	seen := 0
	began := time.Now()
	err = s.caller.Place(ctx, task(wait), task(wait), task(mail))
	waited := time.Since(began)
	if ctx.Err() != nil { // it is we who were asked to end
		return context.Cause(ctx)
	}
	if err != nil {
		seen++
		s.printf("the customer is told: %v\n", err)
	} else {
		s.printf("the customer is told: thank you, all is well\n")
	}
	for range cap(ended) { // only to count: the customer has gone by now
		select {
		case <-ended:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	one := time.Duration(worked.Load()) / time.Duration(cap(ended))
	s.printf("and waited %.0f × the time that one of the three takes\n",
		waited.Seconds()/one.Seconds())
	s.printf("errors that happened: %d, errors that somebody saw: %d\n",
		happened.Load(), seen)
	return context.Cause(ctx) // nil, unless a signal came in between
}
