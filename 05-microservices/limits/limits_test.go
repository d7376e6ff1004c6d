package limits

import (
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

var midnight = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func at(ms int) time.Time { return midnight.Add(time.Duration(ms) * time.Millisecond) }

// All of them at ten a second. What is in the table passes, or must wait so long.
func TestLimits(t *testing.T) {
	t.Parallel()
	const passes = time.Duration(0)
	type ask struct {
		ms, times int // so many requests at that time
		wait      time.Duration
	}
	for name, c := range map[string]struct {
		limit Limit
		asks  []ask
	}{
		"fixed window, and its edge": {NewFixed(10, time.Second), []ask{
			{990, 10, passes}, {995, 1, 5 * time.Millisecond}, {1000, 10, passes}, {1000, 1, time.Second}}},
		"fixed window, time goes back": {NewFixed(10, time.Second), []ask{
			{1000, 10, passes}, {990, 1, 1010 * time.Millisecond}}},
		"sliding window, no edge": {NewSliding(10, time.Second), []ask{
			{990, 10, passes}, {1000, 1, 990 * time.Millisecond}, {1989, 1, time.Millisecond},
			{1990, 10, passes}, {1990, 1, time.Second}}},
		"sliding window, one at a time": {NewSliding(2, time.Second), []ask{
			{0, 1, passes}, {600, 1, passes}, {900, 1, 100 * time.Millisecond},
			{1000, 1, passes}, {1000, 1, 600 * time.Millisecond}, {1600, 1, passes}}},
		"token bucket": {NewBucket(10, time.Second, 10), []ask{
			{990, 10, passes}, {990, 3, 100 * time.Millisecond}, {1040, 1, 50 * time.Millisecond},
			{1090, 1, passes}, {1090, 1, 100 * time.Millisecond}, {9000, 10, passes},
			{9000, 1, 100 * time.Millisecond}}},
		"token bucket, small burst": {NewBucket(10, time.Second, 2), []ask{
			{0, 2, passes}, {0, 1, 100 * time.Millisecond}, {5000, 2, passes},
			{5000, 1, 100 * time.Millisecond}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, a := range c.asks {
				for i := range a.times {
					got := c.limit.Take(at(a.ms)).Wait
					if (got-a.wait).Abs() > time.Microsecond || (got == 0) != (a.wait == 0) {
						t.Errorf("at %d ms, request %d: wait %v, want %v", a.ms, i+1, got, a.wait)
					}
				}
			}
		})
	}
}

func TestConcurrent(t *testing.T) {
	t.Parallel()
	limit := NewConcurrent(2)
	first, second := limit.Take(midnight), limit.Take(midnight)
	if first.Wait > 0 || second.Wait > 0 {
		t.Fatal("two at a time do not pass")
	}
	if limit.Take(midnight).Wait == 0 {
		t.Error("a third passed")
	}
	first.Done()
	first.Done() // once more gives no second place back
	if limit.Take(midnight).Wait > 0 || limit.Take(midnight).Wait == 0 {
		t.Error("one place was given back, and not exactly one more passed")
	}
}

// Nobody gets more through by asking from many goroutines, or less.
func TestNothingPassesTwice(t *testing.T) {
	t.Parallel()
	for name, limit := range map[string]Limit{
		"fixed": NewFixed(50, time.Hour), "sliding": NewSliding(50, time.Hour),
		"bucket": NewBucket(50, time.Hour, 50), "concurrent": NewConcurrent(50),
	} {
		var group sync.WaitGroup
		passed := make(chan struct{}, 800)
		for range 8 {
			group.Go(func() {
				for range 100 {
					if limit.Take(midnight).Wait == 0 {
						passed <- struct{}{}
					}
				}
			})
		}
		group.Wait()
		if len(passed) != 50 {
			t.Errorf("%s: %d passed, want 50", name, len(passed))
		}
	}
}

// Those who are refused at a time must not take tokens from those who come later.
func TestRefusalsCostNoTokens(t *testing.T) {
	t.Parallel()
	limit := NewBucket(10, time.Second, 1)
	limit.Take(at(0))
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 200 {
				limit.Take(at(0))
			}
		})
	}
	group.Wait()
	if wait := limit.Take(at(101)).Wait; wait > 0 {
		t.Errorf("a token had come, and the next one waits for %v", wait)
	}
}

func TestEachCustomerHasAnOwnLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		limiter := newPerCustomer(t, 2, func() Limit { return NewSliding(1, time.Minute) })
		for _, c := range []struct {
			customer string
			passes   bool
		}{
			{"ada", true}, {"ada", false}, {"grace", true}, {"grace", false}, {"ada", false},
			{"linus", true}, {"grace", true}, // grace was forgotten for linus, ada was not
		} {
			if got := limiter.Take(t.Context(), c.customer).Wait == 0; got != c.passes {
				t.Errorf("%s passes: %v, want %v", c.customer, got, c.passes)
			}
		}
		time.Sleep(time.Minute) // the bubble's clock
		if limiter.Take(t.Context(), "grace").Wait > 0 {
			t.Error("a minute later grace does not pass")
		}
	})
	if _, err := NewPerCustomer(0, nil); err == nil {
		t.Error("limits for nobody are no error")
	}
}

func newPerCustomer(t testing.TB, most int, fresh func() Limit) *PerCustomer {
	t.Helper()
	limiter, err := NewPerCustomer(most, fresh)
	if err != nil {
		t.Fatal(err)
	}
	return limiter
}

// most is how many of the requests at these times pass within any second.
func most(limit Limit, times []time.Time) int {
	var passed []time.Time
	highest := 0
	for _, now := range times {
		if limit.Take(now).Wait > 0 {
			continue
		}
		passed = append(passed, now)
		for now.Sub(passed[0]) >= time.Second {
			passed = passed[1:]
		}
		highest = max(highest, len(passed))
	}
	return highest
}

// Whatever comes, no second has more than the limit; a fixed window lets twice as
// much pass.
func TestTwiceAsMuchAtTheEdge(t *testing.T) {
	t.Parallel()
	if n := most(NewFixed(10, time.Second), edge()); n != 20 {
		t.Errorf("fixed window: %d in a second, want 20, or it is not wrong", n)
	}
	if n := most(NewSliding(10, time.Second), edge()); n != 10 {
		t.Errorf("sliding window: %d in a second, want 10", n)
	}
}

func ExampleLimit() {
	fmt.Println("10 a second; 20 requests come around the edge of two windows")
	draw("requests", nil)
	draw("fixed window", NewFixed(10, time.Second))
	draw("sliding window", NewSliding(10, time.Second))
	draw("token bucket", NewBucket(10, time.Second, 10))
	draw("  burst of 3", NewBucket(10, time.Second, 3))
	// Output:
	// 10 a second; 20 requests come around the edge of two windows
	// requests       ................55|55................  20
	// fixed window   ................55|55................  20
	// sliding window ................55|..................  10
	// token bucket   ................55|1.................  11
	//   burst of 3   ................3.|1.................  4
}

// edge are 20 requests, 10 ms apart, around a full second.
func edge() []time.Time {
	var times []time.Time
	for i := range 20 {
		times = append(times, at(900+10*i))
	}
	return times
}

// draw has a digit for 50 ms: how many requests pass.
func draw(name string, limit Limit) {
	const cell, cells = 50, 18 // on each side of the edge
	var passed [2 * cells]int
	n := 0
	for _, now := range edge() {
		if limit == nil || limit.Take(now).Wait == 0 {
			passed[(now.Sub(at(1000)).Milliseconds()+cell*cells)/cell]++
			n++
		}
	}
	fmt.Printf("%-14s ", name)
	for i, p := range passed {
		if i == cells {
			fmt.Print("|")
		}
		if p == 0 {
			fmt.Print(".")
		} else {
			fmt.Print(p)
		}
	}
	fmt.Printf("  %d\n", n)
}

var sink Answer

// What a request costs, beside a mutex alone: go test -run '^$' -bench Take ./limits
func BenchmarkTake(b *testing.B) {
	var mu sync.Mutex
	b.Run("mutex", func(b *testing.B) {
		for b.Loop() {
			mu.Lock()
			sink = Answer{}
			mu.Unlock()
		}
	})
	for _, c := range []struct {
		name  string
		limit Limit
	}{
		{"fixed", NewFixed(1e6, time.Second)}, {"sliding", NewSliding(1e6, time.Second)},
		{"bucket", NewBucket(1e6, time.Second, 1e6)}, {"concurrent", NewConcurrent(10)},
	} {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				if sink = c.limit.Take(time.Now()); sink.Done != nil {
					sink.Done()
				}
			}
		})
	}
}
