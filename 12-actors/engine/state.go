package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
)

// Why a state was not written.
var (
	// ErrStale: another activation of the same grain has written since this one
	// read. What this one remembers is out of date, so it must not write, and
	// must not answer either.
	ErrStale = errors.New("another activation has written this state")
	// ErrDone: the effect that the write stands for is in the store already.
	ErrDone = errors.New("done before")
)

// Record is a grain's state as a [Store] keeps it.
type Record struct {
	Version int64 // counts the writes; 0 is a state that was never written
	Data    []byte
}

// Change is one write: all of it or nothing.
type Change struct {
	// Expect is the version that the writer believes is in the store.
	Expect int64
	Data   []byte
	// Effect names what the write stands for, such as the order for which stock
	// is taken. The store keeps the names of a grain's effects apart from its
	// state, which would grow with them, and takes each of them once. "" is a
	// write without one.
	Effect string
}

// Store keeps the states of grains. Its methods are safe for concurrent use.
type Store interface {
	Read(ctx context.Context, grain string) (Record, error)
	// Write returns [ErrStale] when the version in the store is not the expected
	// one, and else [ErrDone] when the effect is there. The comparison and the
	// write are one step in the store: between two steps there would be room for
	// the other activation.
	Write(ctx context.Context, grain string, change Change) error
}

// State is what one activation of a grain remembers, and its version in the
// store. It is optimistic concurrency control, the ETag of Orleans: nobody is
// locked out, and of two that have read the same version only the first can
// write.
//
// It is for the activation's own use, one call at a time, and not safe for
// concurrent use.
type State[T any] struct {
	store   Store
	grain   string
	version int64
	loaded  bool
	value   T
}

// NewState returns the state of the grain of that name. Nothing is read before
// the first [State.Read].
func NewState[T any](store Store, grain string) *State[T] {
	return &State[T]{store: store, grain: grain}
}

// Read returns what is remembered: from the store at the first time, from memory
// from then on. That is what a grain is faster than a database for, and it is
// right because there is one activation, and checked when it writes.
func (s *State[T]) Read(ctx context.Context) (T, error) {
	if s.loaded {
		return s.value, nil
	}
	return s.Reload(ctx)
}

// Reload is [State.Read] that asks the store in any case.
func (s *State[T]) Reload(ctx context.Context) (T, error) {
	var value T
	record, err := s.store.Read(ctx, s.grain)
	if err != nil {
		return value, fmt.Errorf("read the state of %s: %w", s.grain, err)
	}
	if record.Version > 0 {
		if err := json.Unmarshal(record.Data, &value); err != nil {
			return value, fmt.Errorf("state of %s, version %d: %w",
				s.grain, record.Version, err)
		}
	}
	s.value, s.version, s.loaded = value, record.Version, true
	return value, nil
}

// Write puts a new value into the store and remembers it. With any error, what
// is remembered stays as it was, except that after [ErrStale], or when nobody
// knows whether the store has written, nothing is remembered: the next
// [State.Read] asks the store.
func (s *State[T]) Write(ctx context.Context, value T, effect string) error {
	data, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("encode the state of %s: %w", s.grain, err)
	}
	change := Change{Expect: s.version, Data: data, Effect: effect}
	err = s.store.Write(ctx, s.grain, change)
	if errors.Is(err, ErrDone) {
		return err
	}
	if err != nil {
		s.loaded = false
		return fmt.Errorf("write the state of %s, version %d: %w",
			s.grain, s.version+1, err)
	}
	s.value, s.version = value, s.version+1
	return nil
}

// Version is that of the value in memory.
func (s *State[T]) Version() int64 { return s.version }

// volatile is the store of grains that choose to forget: a state that is lost
// with its activation. Each activation has one of its own.
type volatile struct {
	mu      sync.Mutex
	records map[string]Record
	effects map[string]bool
}

// Volatile returns a store that is as short-lived as the activation that holds
// it, for what is cheap to lose: a cache, a cursor, who is online.
func Volatile() Store {
	return &volatile{records: map[string]Record{}, effects: map[string]bool{}}
}

func (v *volatile) Read(_ context.Context, grain string) (Record, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.records[grain], nil
}

func (v *volatile) Write(_ context.Context, grain string, c Change) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	effect := grain + "\x00" + c.Effect
	switch {
	case v.records[grain].Version != c.Expect:
		return ErrStale
	case c.Effect != "" && v.effects[effect]:
		return ErrDone
	}
	v.records[grain] = Record{Version: c.Expect + 1, Data: c.Data}
	if c.Effect != "" {
		v.effects[effect] = true
	}
	return nil
}
