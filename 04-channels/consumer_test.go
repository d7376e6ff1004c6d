package channels

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"course.example/shop"
)

// working is a handler whose orders take that long, as in the program.
func working(takes time.Duration) Handler {
	return func(ctx context.Context, order shop.Order) error {
		if err := shop.Work(ctx, order, takes); err != nil {
			return err
		}
		shop.Processed(ctx, order.ID)
		return nil
	}
}

// run starts a consumer and returns what SIGTERM does to it, as in the program,
// and a wait for its end.
func run(t *testing.T, c *Consumer) (stop, wait func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { c.Run(ctx) })
	return func() { cancel(); c.queue.Close() }, running.Wait
}

// The same 12 orders of a second each, by 1, 2 and 4 workers.
func TestWorkersShareTheOrders(t *testing.T) {
	t.Parallel()
	for workers, want := range map[int]time.Duration{
		1: 12 * time.Second, 2: 6 * time.Second, 4: 3 * time.Second,
	} {
		synctest.Test(t, func(t *testing.T) {
			s := settings(12, workers)
			q := NewQueue(s)
			ids := fill(t, q, 12)
			q.Close()
			began := time.Now()
			NewConsumer(q, s, working(time.Second)).Run(t.Context())
			if took := time.Since(began); took != want {
				t.Errorf("%d workers took %v, want %v", workers, took, want)
			}
			if n := lines.count(shop.MsgProcessed, ids); n != 12 {
				t.Errorf("%d of 12 were processed", n)
			}
			by := map[string]int{}
			for _, id := range ids {
				by[lines.attr(id, shop.MsgReceived, "worker")]++
			}
			for worker := 1; worker <= workers; worker++ {
				if n := by[strconv.Itoa(worker)]; n != 12/workers {
					t.Errorf("worker %d of %d had %d orders", worker, workers, n)
				}
			}
		})
	}
}

// SIGTERM: what is in the queue is done, if it can be done in time.
func TestDrainFinishesTheQueue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := settings(10, 2)
		q := NewQueue(s)
		ids := fill(t, q, 8)
		stop, wait := run(t, NewConsumer(q, s, working(time.Second)))
		began := time.Now()
		stop()
		wait()
		if took := time.Since(began); took != 4*time.Second {
			t.Errorf("the drain took %v", took)
		}
		if n := lines.count(shop.MsgProcessed, ids); n != 8 {
			t.Errorf("%d of 8 were processed", n)
		}
	})
}

// What cannot be done in time is given up at the deadline, to the nanosecond,
// with a line for each order: those in progress and those never begun.
func TestDrainEndsAtItsDeadline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := settings(10, 2)
		s.Drain = 5 * time.Second
		q := NewQueue(s)
		ids := fill(t, q, 10)
		c := NewConsumer(q, s, working(2*time.Second))
		stop, wait := run(t, c)
		began := time.Now()
		stop()
		wait()
		if took := time.Since(began); took != s.Drain {
			t.Errorf("the drain took %v, its deadline was %v", took, s.Drain)
		}
		processed := lines.count(shop.MsgProcessed, ids)
		failed := lines.count(shop.MsgFailed, ids)
		received := lines.count(shop.MsgReceived, ids)
		// Four were done by two workers, two were in progress, four in the queue.
		if processed != 4 || failed != 6 || received != 6 || c.gaveUp.Load() != 6 {
			t.Errorf("processed %d, failed %d, begun %d, counted as given up %d",
				processed, failed, received, c.gaveUp.Load())
		}
		for _, id := range ids {
			messages, reason := lines.of(id)
			done := slices.Contains(messages, shop.MsgProcessed)
			gaveUp := slices.Contains(messages, shop.MsgFailed)
			if done == gaveUp || gaveUp && reason != errTooLate.Error() {
				t.Errorf("%s: %q, reason %q", id, messages, reason)
			}
		}
	})
}

// What the context says, such as an identity for the log, is in every line.
func TestEveryLineKnowsItsContext(t *testing.T) {
	t.Parallel()
	s := settings(3, 1)
	q := NewQueue(s)
	ids := fill(t, q, 3)
	q.Close()
	good := working(0)
	ctx := context.WithValue(t.Context(), trace{}, ids[0])
	c := NewConsumer(q, s, func(ctx context.Context, order shop.Order) error {
		switch order.ID {
		case ids[1]:
			return errors.New("no such item")
		case ids[2]:
			panic("no such item")
		}
		return good(ctx, order)
	})
	c.Run(ctx)
	for _, line := range []struct{ id, message string }{
		{ids[0], shop.MsgReceived}, {ids[0], shop.MsgProcessed},
		{ids[1], shop.MsgReceived}, {ids[1], shop.MsgFailed},
		{ids[2], "the handler panicked"}, {ids[2], shop.MsgFailed},
	} {
		if of := lines.attr(line.id, line.message, "trace"); of != ids[0] {
			t.Errorf("%s of %q: trace %q", line.message, line.id, of)
		}
	}
	if attempt := lines.attr(ids[0], shop.MsgReceived, "attempt"); attempt != "1" {
		t.Errorf("attempt %q", attempt)
	}
	if lines.drained(ids[0]) != "2" {
		t.Errorf("the end of the drain says that %q were given up", lines.drained(ids[0]))
	}
}

// The work outlives its parent, and not the drain. That nothing waits for the
// deadline afterwards is seen by TestNothingIsLeftRunning.
func TestOutliveEndsWithTheDrain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		parent, sigterm := context.WithCancel(t.Context())
		work, done := outlive(parent, time.Hour, errTooLate)
		sigterm()
		synctest.Wait() // until the deadline has been set
		if work.Err() != nil {
			t.Errorf("the work ends with its parent: %v", work.Err())
		}
		done()
		synctest.Wait()
		if work.Err() == nil {
			t.Error("the work's context is alive after the drain")
		}
	})
}

// One bad order is the failure of that order. The worker goes on.
func TestFailureIsThatOfOneOrder(t *testing.T) {
	t.Parallel()
	bounced := errors.New("the e-mail bounced")
	for name, c := range map[string]struct {
		bad    Handler
		reason string
	}{
		"error": {func(context.Context, shop.Order) error { return bounced }, "bounced"},
		"panic": {func(context.Context, shop.Order) error { panic("no such item") },
			"the handler panicked: no such item"},
		"bug": {func(_ context.Context, order shop.Order) error {
			_ = order.Items[len(order.Items)] // one too far: a panic of the runtime
			return nil
		}, "index out of range"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := settings(5, 1)
			q := NewQueue(s)
			ids := fill(t, q, 5)
			q.Close()
			good := working(0)
			NewConsumer(q, s, func(ctx context.Context, order shop.Order) error {
				if order.ID == ids[1] {
					return c.bad(ctx, order)
				}
				return good(ctx, order)
			}).Run(t.Context())
			if n := lines.count(shop.MsgProcessed, ids); n != 4 {
				t.Errorf("%d of the 4 good orders were processed", n)
			}
			messages, reason := lines.of(ids[1])
			if !slices.Contains(messages, shop.MsgFailed) || !strings.Contains(reason, c.reason) {
				t.Errorf("the bad order: %q, reason %q", messages, reason)
			}
			stack := lines.attr(ids[1], "the handler panicked", "stack")
			if strings.Contains(stack, "consumer_test.go") != (name != "error") {
				t.Errorf("where it panicked: %q", stack)
			}
		})
	}
}

// An order that fails for a reason of its own while the drain goes on keeps that
// reason.
func TestReasonDuringTheDrain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := settings(1, 1)
		q := NewQueue(s)
		order := newOrder(t)
		order.UserEmail = "nobody@" + shop.BounceDomain
		if err := q.Put(order); err != nil {
			t.Fatal(err)
		}
		stop, wait := run(t, NewConsumer(q, s, working(time.Second)))
		stop()
		wait()
		if _, reason := lines.of(order.ID); !strings.Contains(reason, "bounced") {
			t.Errorf("reason %q", reason)
		}
	})
}

// The log tells of a queue that is not empty, once a second, and ends with Run.
// That it ends is checked by synctest, which waits for every goroutine.
func TestReportTellsTheDepthAndEndsWithTheConsumer(t *testing.T) {
	t.Parallel()
	const capacity = 11                  // of no other test, so that the lines can be told apart
	before := len(lines.queue(capacity)) // what an earlier pass of this test has left
	synctest.Test(t, func(t *testing.T) {
		s := settings(capacity, 1)
		q := NewQueue(s)
		fill(t, q, 3)
		c := NewConsumer(q, s, working(1400*time.Millisecond))
		stop, wait := run(t, c)
		go c.Report()
		time.Sleep(2500 * time.Millisecond)
		want := map[string]any{"depth": 1, "capacity": capacity, "in_progress": 1, "workers": 1}
		if got := c.Details(t.Context()); !maps.Equal(got, want) {
			t.Errorf("in the middle of the second of three: %v, want %v", got, want)
		}
		stop()
		wait()
		if c.InProgress() != 0 {
			t.Errorf("%d in progress after the end", c.InProgress())
		}
		// After one second and after two. From then on it was empty.
		told := lines.queue(capacity)[before:]
		if len(told) != 2 || attr(told[0], "depth") != "2" || attr(told[1], "depth") != "1" {
			t.Fatalf("the log told %v", told)
		}
		for _, line := range told {
			if mb, err := strconv.Atoi(attr(line, "memory_mb")); err != nil || mb < 1 ||
				attr(line, "in_progress") != "1" {
				t.Errorf("in progress %q, memory %q MB", attr(line, "in_progress"), attr(line, "memory_mb"))
			}
		}
	})
}
