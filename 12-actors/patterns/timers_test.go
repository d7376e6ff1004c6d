package main

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestTimers(t *testing.T) {
	right, wrong := shown(t, "timers", "right"), shown(t, "timers", "timer-only")
	if n := strings.Count(right, "Pot/eggs: rings"); n != 2 {
		t.Errorf("it rang %d times:\n%s", n, right)
	}
	if !strings.HasSuffix(wrong, "and nothing rings\n") {
		t.Errorf("a timer has survived its activation:\n%s", wrong)
	}
}

// calls are the calls that reminders made, and when, as durations since the start.
type calls struct {
	mu    sync.Mutex
	began time.Time
	at    []time.Duration
	fail  int // so many calls fail first
}

func (c *calls) call(Reminder) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = append(c.at, time.Since(c.began))
	if c.fail > 0 {
		c.fail--
		return errors.New("no silo")
	}
	return nil
}

// remindersIn runs reminders over a folder, in a bubble.
func remindersIn(t *testing.T, folder string, c *calls) (r *Reminders, stop func()) {
	t.Helper()
	r = NewReminders(OpenFiles(folder, nil), c.call)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	return r, func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

// In a bubble the clock is ours, and an hour is nothing.
func TestReminders(t *testing.T) {
	t.Parallel()
	const hour = time.Hour
	for name, c := range map[string]struct {
		set  []Reminder // Due is left to in
		in   []time.Duration
		fail int
		want []time.Duration
	}{
		"once":  {[]Reminder{{Name: "a"}}, []time.Duration{hour}, 0, []time.Duration{hour}},
		"never": {nil, nil, 0, nil},
		"two, the later one set first": {[]Reminder{{Name: "a"}, {Name: "b"}},
			[]time.Duration{2 * hour, hour}, 0, []time.Duration{hour, 2 * hour}},
		"moved": {[]Reminder{{Name: "a"}, {Name: "a"}},
			[]time.Duration{hour, 3 * hour}, 0, []time.Duration{3 * hour}},
		"again and again": {[]Reminder{{Name: "a", Every: 2 * hour}},
			[]time.Duration{hour}, 0, []time.Duration{hour, 3 * hour}},
		"failed twice": {[]Reminder{{Name: "a"}}, []time.Duration{hour}, 2,
			[]time.Duration{hour, hour + again, hour + 2*again}},
		"overdue": {[]Reminder{{Name: "a"}}, []time.Duration{-hour}, 0, []time.Duration{0}},
	} {
		folder := t.TempDir()
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				made := &calls{began: time.Now(), fail: c.fail}
				r, stop := remindersIn(t, folder, made)
				for i, one := range c.set {
					one.Grain, one.Due = "eggs", made.began.Add(c.in[i])
					if err := r.Set(one); err != nil {
						t.Fatal(err)
					}
				}
				time.Sleep(4 * hour) // the bubble's clock
				stop()
				if len(made.at) != len(c.want) {
					t.Fatalf("called at %v, want %v", made.at, c.want)
				}
				for i := range c.want {
					if made.at[i] != c.want[i] {
						t.Errorf("called at %v, want %v", made.at, c.want)
					}
				}
			})
		})
	}
}

// What falls due while nobody runs is called when somebody does; what was called
// is not called again.
func TestRemindersSurviveTheirProcess(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		first := &calls{began: time.Now()}
		r, stop := remindersIn(t, folder, first)
		for name, in := range map[string]time.Duration{"a": time.Hour, "b": 3 * time.Hour} {
			if err := r.Set(Reminder{Grain: "eggs", Name: name, Due: first.began.Add(in)}); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(2 * time.Hour)
		stop()
		time.Sleep(2 * time.Hour)
		second := &calls{began: time.Now()}
		_, stop = remindersIn(t, folder, second)
		time.Sleep(time.Minute)
		stop()
		if len(first.at) != 1 || len(second.at) != 1 || second.at[0] != 0 {
			t.Errorf("called at %v and, later, at %v", first.at, second.at)
		}
	})
}

// A grain that sets its reminder anew while it is called is called again: what the
// grain says counts, and not that it was called.
func TestReminderThatIsSetDuringItsCall(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		began, rings := time.Now(), 0
		var r *Reminders
		r = NewReminders(OpenFiles(folder, nil), func(due Reminder) error {
			if rings++; rings > 1 {
				return nil
			}
			return r.Set(Reminder{Grain: due.Grain, Name: due.Name, Due: began.Add(2 * time.Hour)})
		})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- r.Run(ctx) }()
		if err := r.Set(Reminder{Grain: "eggs", Name: "a", Due: began.Add(time.Hour)}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(4 * time.Hour) // the bubble's clock
		cancel()
		if err := <-ended; err != nil || rings != 2 {
			t.Errorf("rang %d times, %v", rings, err)
		}
	})
}

func TestRemindersThatAreNone(t *testing.T) {
	t.Parallel()
	r := NewReminders(OpenFiles(t.TempDir(), nil), nil)
	for _, bad := range []Reminder{
		{}, {Grain: "eggs"}, {Name: "done"}, {Grain: "eggs", Name: "done", Every: -1},
	} {
		if err := r.Set(bad); err == nil {
			t.Errorf("%+v was set", bad)
		}
	}
}
