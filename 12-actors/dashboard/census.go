package dashboard

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"course.example/12-actors/engine"
	"github.com/HdrHistogram/hdrhistogram-go"
)

// Bounds of what a silo tells: the table is read several times a second.
const (
	maxShown  = 200 // activations of each kind that are named
	MaxEvents = 200 // of one renewal
)

// Census is what a silo knows of itself.
type Census struct {
	Kinds      []KindCensus `json:"kinds"`
	Goroutines int          `json:"goroutines"`
	HeapBytes  uint64       `json:"heap_bytes"`
}

// KindCensus is what a silo knows of its grains of one kind. Calls are counted
// since the silo started; the rates and the latencies are those of the last
// second or two.
type KindCensus struct {
	Kind        string   `json:"kind"`
	Activations int      `json:"activations"` // now
	Activated   int64    `json:"activated"`   // ever
	Calls       int64    `json:"calls"`
	Errors      int64    `json:"errors"`
	Stale       int64    `json:"stale"` // writes that the store refused
	CallsPerSec float64  `json:"calls_per_s"`
	P50Micros   int64    `json:"p50_us"`
	P99Micros   int64    `json:"p99_us"`
	Grains      []string `json:"grains"` // their names, the newest first, at most 200

	BySilo map[string]int `json:"by_silo,omitempty"` // activations; of a sum over silos
}

// Event is a line in the log of the cluster: silo joined, silo left, silo gone,
// activated, deactivated. Of more than a renewal has room for the last one says how
// many there were: 57 more events.
type Event struct {
	Time   time.Time `json:"time"`
	Event  string    `json:"event"`
	Silo   string    `json:"silo"`
	Grain  string    `json:"grain,omitempty"` // Stock/MUG-CHAN
	Reason string    `json:"reason,omitempty"`
}

// ReadEvent also reads the events that the table itself writes, in Redis's time.
func ReadEvent(line string) (Event, error) {
	var e Event
	err := json.Unmarshal([]byte(line), &e)
	if err == nil {
		return e, nil
	}
	var dead struct {
		Time   int64  `json:"time"`
		Event  string `json:"event"`
		Record string `json:"record"`
		Reason string `json:"reason"`
	}
	if err := json.Unmarshal([]byte(line), &dead); err != nil {
		return e, err
	}
	var m struct {
		Name string `json:"name"`
	}
	if err := json.Unmarshal([]byte(dead.Record), &m); err != nil {
		return e, err
	}
	return Event{
		Time: time.UnixMilli(dead.Time), Event: dead.Event, Silo: m.Name,
		Reason: dead.Reason,
	}, nil
}

// Counter counts what the grains of this process do. It is safe for concurrent
// use.
type Counter struct {
	silo string

	mu         sync.Mutex
	kinds      map[string]*kindCounter
	events     []Event
	more       int // events for which there was no room
	inProgress int // calls being served
}

type kindCounter struct {
	active                        map[string]time.Time // since when, by identity
	activated, calls, errs, stale int64
	window, before                *hdrhistogram.Histogram // in microseconds
	windowSince, beforeSince      time.Time
}

// NewCounter returns a counter for the process of that name.
func NewCounter(silo string) *Counter {
	return &Counter{silo: silo, kinds: map[string]*kindCounter{}}
}

// of returns the counter of a kind. It is called with the lock held.
func (c *Counter) of(kind string) *kindCounter {
	k, ok := c.kinds[kind]
	if !ok {
		k = &kindCounter{
			active: map[string]time.Time{},
			window: newWindow(), before: newWindow(), windowSince: time.Now(),
		}
		c.kinds[kind] = k
	}
	return k
}

// newWindow counts from a microsecond to a minute, in two digits.
func newWindow() *hdrhistogram.Histogram {
	return hdrhistogram.New(1, time.Minute.Microseconds(), 2)
}

// Stale notes that the store has refused a write, and returns how many it has by now.
func (c *Counter) Stale(kind string) (refused int64) {
	c.count(kind, func(k *kindCounter) {
		k.stale++
		refused = k.stale
	})
	return refused
}

func (c *Counter) count(kind string, change func(*kindCounter)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change(c.of(kind))
}

// Activated is told by the engine, as are the four methods after it.
func (c *Counter) Activated(grain engine.Name) {
	slog.Debug("activated", "grain", grain.String())
	c.count(grain.Kind, func(k *kindCounter) {
		k.active[grain.ID] = time.Now()
		k.activated++
		c.note(Event{Event: "activated", Grain: grain.String()})
	})
}

func (c *Counter) Deactivated(grain engine.Name) {
	slog.Debug("deactivated", "grain", grain.String())
	c.count(grain.Kind, func(k *kindCounter) {
		delete(k.active, grain.ID)
		c.note(Event{Event: "deactivated", Grain: grain.String()})
	})
}

// Began notes that a call is being served.
func (c *Counter) Began(engine.Name) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.inProgress++
}

// Ended notes that it was served.
func (c *Counter) Ended(grain engine.Name, took time.Duration) {
	c.count(grain.Kind, func(k *kindCounter) {
		c.inProgress--
		k.calls++
		k.turn(time.Now())
		// Out of range is longer than a minute, and no call is.
		_ = k.window.RecordValue(max(1, took.Microseconds()))
	})
}

func (c *Counter) Failed(grain engine.Name) {
	c.count(grain.Kind, func(k *kindCounter) { k.errs++ })
}

// note keeps an event for the next renewal. It is called with the lock held.
func (c *Counter) note(e Event) {
	e.Time, e.Silo = time.Now().UTC(), c.silo
	if len(c.events) == MaxEvents {
		c.more++
		return
	}
	c.events = append(c.events, e)
}

// turn begins a new window every second.
func (k *kindCounter) turn(now time.Time) {
	if now.Sub(k.windowSince) < time.Second {
		return
	}
	k.window, k.before = k.before, k.window
	k.beforeSince, k.windowSince = k.windowSince, now
	k.window.Reset()
}

// Busy is how many calls are being served.
func (c *Counter) Busy() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.inProgress
}

// Active is how many activations there are.
func (c *Counter) Active() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := 0
	for _, k := range c.kinds {
		n += len(k.active)
	}
	return n
}

// Take returns the census, and the events since the last one was taken.
func (c *Counter) Take(now time.Time) (Census, []Event) {
	census := c.Look(now)
	c.mu.Lock()
	defer c.mu.Unlock()
	events := c.events
	if c.more > 0 {
		events = append(events, Event{
			Time: now, Silo: c.silo, Event: fmt.Sprintf("%d more events", c.more),
		})
	}
	c.events, c.more = nil, 0
	return census, events
}

// Look returns the census.
func (c *Counter) Look(now time.Time) Census {
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	census := Census{Goroutines: runtime.NumGoroutine(), HeapBytes: memory.HeapAlloc}
	c.mu.Lock()
	defer c.mu.Unlock()
	for kind, k := range c.kinds {
		census.Kinds = append(census.Kinds, k.census(kind, now))
	}
	slices.SortFunc(census.Kinds, func(a, b KindCensus) int {
		return strings.Compare(a.Kind, b.Kind)
	})
	return census
}

func (k *kindCounter) census(kind string, now time.Time) KindCensus {
	k.turn(now)
	both := hdrhistogram.Import(k.before.Export())
	both.Merge(k.window)
	since := k.beforeSince
	if since.IsZero() {
		since = k.windowSince
	}
	sum := KindCensus{
		Kind: kind, Activations: len(k.active), Activated: k.activated, Calls: k.calls,
		Errors: k.errs, Stale: k.stale, Grains: k.newest(maxShown),
		P50Micros: both.ValueAtQuantile(50), P99Micros: both.ValueAtQuantile(99),
	}
	if span := now.Sub(since).Seconds(); span > 0.1 {
		sum.CallsPerSec = float64(both.TotalCount()) / span
	}
	return sum
}

func (k *kindCounter) newest(limit int) []string {
	names := make([]string, 0, len(k.active))
	for name := range k.active {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int {
		if c := k.active[b].Compare(k.active[a]); c != 0 {
			return c
		}
		return strings.Compare(a, b)
	})
	return names[:min(limit, len(names))]
}
