package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"course.example/12-actors/engine"
	"course.example/12-actors/filestore"
)

// Reminder says when which grain is to be called. Its identity is its name for
// that grain: to set it again is to move it.
type Reminder struct {
	Grain, Name string
	Due         time.Time
	Every       time.Duration // 0 for once
	Done        bool

	version int64 // of the row from which it was read
}

func (r Reminder) key() string { return "Reminder/" + r.Grain + "/" + r.Name }

// Reminders calls grains when they asked to be called. It knows them by name, so
// it does not matter whether they are active: the call activates them. And it
// keeps its table on disk, so it does not matter whether the silo is. Safe for
// concurrent use.
//
// A grain is called at least once: whoever dies between the call and the note that
// it was made will call again.
type Reminders struct {
	dir     *filestore.Dir
	call    func(Reminder) error
	mu      sync.Mutex
	changed chan struct{}
}

// NewReminders keeps its table in dir and calls by call, which it tries again
// when it fails.
func NewReminders(dir *filestore.Dir, call func(Reminder) error) *Reminders {
	return &Reminders{dir: dir, call: call, changed: make(chan struct{}, 1)}
}

// Set returns when the reminder is written down: from then on it will be called.
func (r *Reminders) Set(next Reminder) error {
	if next.Grain == "" || next.Name == "" || next.Every < 0 {
		return errors.New("a reminder wants a grain, a name, and no negative interval")
	}
	if err := r.write(next); err != nil {
		return err
	}
	select {
	case r.changed <- struct{}{}:
	default: // it will look anyway
	}
	return nil
}

func (r *Reminders) write(next Reminder) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	state := engine.NewState[Reminder](r.dir, next.key())
	if _, err := state.Read(context.Background()); err != nil {
		return err
	}
	return state.Write(context.Background(), next, "")
}

// again is how long a call that failed waits for its next try.
const again = 200 * time.Millisecond

// Run calls whoever is due, until ctx ends.
func (r *Reminders) Run(ctx context.Context) error {
	for {
		next, found, err := r.next()
		if err != nil {
			return fmt.Errorf("look for reminders: %w", err)
		}
		due := make(<-chan time.Time) // without a reminder: never
		if found {
			due = time.After(time.Until(next.Due))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-r.changed:
			continue // perhaps there is an earlier one now
		case <-due:
		}
		if err := r.fire(ctx, next); err != nil {
			return err
		}
	}
}

func (r *Reminders) fire(ctx context.Context, due Reminder) error {
	if err := r.call(due); err != nil {
		slog.WarnContext(ctx, "a reminder did not reach its grain; it will be tried again",
			"grain", due.Grain, "reminder", due.Name, "reason", err)
		due.Due = time.Now().Add(again)
		return r.advance(due)
	}
	due.Done = due.Every == 0
	for now := time.Now(); !due.Done && !due.Due.After(now); {
		due.Due = due.Due.Add(due.Every) // what was missed meanwhile is not made up for
	}
	return r.advance(due)
}

// advance notes what became of a reminder, unless the grain has set it anew
// during the call: what the grain says counts.
func (r *Reminders) advance(due Reminder) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	state := engine.NewState[Reminder](r.dir, due.key())
	_, err := state.Read(context.Background())
	if err != nil || state.Version() != due.version {
		return err
	}
	return state.Write(context.Background(), due, "")
}

// next is the reminder that is due first.
func (r *Reminders) next() (first Reminder, found bool, err error) {
	keys, err := r.dir.Keys("Reminder/")
	if err != nil {
		return first, false, err
	}
	for _, key := range keys {
		state := engine.NewState[Reminder](r.dir, key)
		one, err := state.Read(context.Background())
		if err != nil {
			return first, false, err
		}
		one.version = state.Version()
		if !one.Done && (!found || one.Due.Before(first.Due)) {
			first, found = one, true
		}
	}
	return first, found, nil
}
