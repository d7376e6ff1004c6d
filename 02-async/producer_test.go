package async

import (
	"bytes"
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"course.example/02-async/eventloop"
	"course.example/02-async/internal/timeline"
)

// newProducer has a consumer that takes a second, as the lecture's does.
func newProducer() (*Producer, *bytes.Buffer) {
	out, line := new(bytes.Buffer), timeline.New()
	return &Producer{
		Consumer: &Consumer{Delay: time.Second, Line: line}, Line: line, Out: out,
	}, out
}

// What two and three calls print.
const (
	twoByTwo = `  1.00 s  Counter: 1 with result: 2
  2.00 s  Counter: 2 with result: 4
`
	twoAtOnce = `  1.00 s  Counter: 1 with result: 2
  1.00 s  Counter: 2 with result: 4
`
	threeInARow = twoByTwo + `  3.00 s  Counter: 3 with result: 8
`
)

// The pictures of the three ways, which the README shows.
const (
	sequencePicture = `
producer         ▐···················▐···················   waits 1.00 + 1.00 s
Elaborate(1, 1)  ████████████████████                       works 1.00 s
Elaborate(2, 2)                      ████████████████████   works 1.00 s
                 0s                  1s                  2s
`
	chainPicture = `
producer         ▐·······································   waits 2.00 s
Elaborate(1, 1)  ████████████████████                       works 1.00 s
Elaborate(2, 2)                      ████████████████████   works 1.00 s
                 0s                  1s                  2s
`
	parallelPicture = `
producer         ▐···················   waits 1.00 s
Elaborate(1, 1)  ████████████████████   works 1.00 s
Elaborate(2, 2)  ████████████████████   works 1.00 s
                 0s                  1s
`
)

// The lecture's result, exact to the nanosecond: 2 s, 2 s, 1 s.
func TestWaysToCall(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		way     func(*Producer, context.Context) error
		takes   time.Duration
		prints  string
		picture string
	}{
		"sequence":  {(*Producer).Sequence, 2 * time.Second, twoByTwo, sequencePicture},
		"chain":     {(*Producer).Chain, 2 * time.Second, twoByTwo, chainPicture},
		"parallel":  {(*Producer).Parallel, time.Second, twoAtOnce, parallelPicture},
		"errgroup":  {(*Producer).Errgroup, time.Second, twoAtOnce, parallelPicture},
		"callbacks": {callbacks, 3 * time.Second, threeInARow, ""},
		"promises":  {promises, 3 * time.Second, threeInARow, ""},
		"awaited":   {(*Producer).Awaited, 3 * time.Second, threeInARow, ""},
		"channel": {(*Producer).Channel, time.Second,
			"  1.00 s  Counter: 1 with result: 2\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p, out := newProducer()
				wantTime(t, took(func() {
					if err := c.way(p, t.Context()); err != nil {
						t.Error(err)
					}
				}), c.takes)
				if out.String() != c.prints {
					t.Errorf("printed\n%s\nwant\n%s", out, c.prints)
				}
				if got := "\n" + p.Line.Draw(time.Second); c.picture != "" && got != c.picture {
					t.Errorf("drew%s\nwant%s", got, c.picture)
				}
			})
		})
	}
}

func TestThePageShowsThePictures(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, picture := range []string{sequencePicture, chainPicture, parallelPicture} {
		if !strings.Contains(string(page), picture) {
			t.Errorf("not on the page:%s", picture)
		}
	}
}

func callbacks(p *Producer, ctx context.Context) error { return onLoop(ctx, p.Callbacks) }

func promises(p *Producer, ctx context.Context) error { return onLoop(ctx, p.Promises) }

// onLoop runs one of the ways that belong on a loop, to its end.
func onLoop(ctx context.Context, way func(*eventloop.Loop, func(error))) error {
	loop := eventloop.New(nil)
	failed := errors.New("the last callback was never called")
	err := loop.Run(ctx, func() { way(loop, func(err error) { failed = err }) })
	return errors.Join(err, failed)
}

// Every way hands the reason on when its context ends, at that very moment.
func TestEveryWayEndsWithItsContext(t *testing.T) {
	t.Parallel()
	for name, way := range map[string]func(*Producer, context.Context) error{
		"sequence": (*Producer).Sequence, "chain": (*Producer).Chain,
		"parallel": (*Producer).Parallel, "errgroup": (*Producer).Errgroup,
		"channel": (*Producer).Channel, "promises": promises,
		"awaited": (*Producer).Awaited, "callbacks": callbacks,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p, out := newProducer()
				ctx, cancel := context.WithTimeout(t.Context(), 700*time.Millisecond)
				defer cancel()
				wantTime(t, took(func() {
					if err := way(p, ctx); !errors.Is(err, context.DeadlineExceeded) {
						t.Error(err)
					}
				}), 700*time.Millisecond)
				if out.Len() > 0 {
					t.Errorf("printed %s", out)
				}
			})
		})
	}
}

func TestDeadline(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		limit, takes time.Duration
		want         error
	}{
		{time.Second / 2, time.Second / 2, context.DeadlineExceeded},
		{time.Second - 1, time.Second - 1, context.DeadlineExceeded},
		{time.Second + 1, time.Second, nil},
	} {
		synctest.Test(t, func(t *testing.T) {
			p, _ := newProducer()
			wantTime(t, took(func() {
				if err := p.Deadline(t.Context(), c.limit); !errors.Is(err, c.want) {
					t.Error(err)
				}
			}), c.takes)
			synctest.Wait() // the consumer has stopped as well, at the same moment
			if now := p.Line.Draw(time.Second); strings.Count(now, "works") != 1 {
				t.Error(now)
			}
			wantTime(t, p.Line.Elapsed(), c.takes)
		})
	}
}
