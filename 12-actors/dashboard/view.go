package dashboard

import (
	"cmp"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"time"
)

// View is the answer to GET /cluster: all that the dashboard draws.
//
// The silos come in the order of their names. A silo that left or died stays in
// the list for a minute, with its state and without activations. All figures of a
// silo are those of its last report, at most a lease old; rates and latencies are
// those of the last second or two.
type View struct {
	Time    time.Time  `json:"time"`
	Web     string     `json:"web"`   // the name of the process that answers
	Lease   string     `json:"lease"` // a silo silent for so long is taken for dead
	Store   string     `json:"store"`
	Variant string     `json:"variant"`
	Silos   []SiloView `json:"silos"`
	Grains  []KindView `json:"grains"` // by type, over all silos
	Front   KindCensus `json:"front"`  // POST /orders, as the customers see it
	Audit   AuditView  `json:"audit"`
	Log     []Event    `json:"log"` // newest first
	Error   string     `json:"error,omitempty"`
}

// SiloView is one silo.
type SiloView struct {
	Name          string       `json:"name"`
	ID            string       `json:"id"`
	State         string       `json:"state"` // up, late (has missed reports), gone
	Address       string       `json:"address"`
	PID           int          `json:"pid"`
	Started       time.Time    `json:"started"`
	UptimeSeconds float64      `json:"uptime_s"`
	SilentMillis  int64        `json:"silent_ms"` // since its last report
	Goroutines    int          `json:"goroutines"`
	HeapBytes     uint64       `json:"heap_bytes"`
	Activations   int          `json:"activations"`
	CallsPerSec   float64      `json:"calls_per_s"`
	Kinds         []KindCensus `json:"kinds"`
}

// KindView is one type of grain, over all silos. The latencies are the worst silo's.
type KindView = KindCensus

// AuditView is what an audit has found.
type AuditView struct {
	Promised int64 `json:"promised"` // pieces in accepted orders
	Missing  int64 `json:"missing"`  // of them, those that are not in the books
	Surplus  int64 `json:"surplus"`  // orders that have taken their pieces once more
	// Overwrites are writes that are not in the books any more: a second activation has written
	// over them.
	Overwrites int64 `json:"overwrites"`
}

const (
	remembered = time.Minute // how long a silo that is gone is shown
	logLines   = 200
)

// Source is where a board looks.
type Source struct {
	Web, Store, Variant string
	Lease               time.Duration
	// Silos are those that are in the table: what they have told, and since when they are
	// silent. The board adds the rest.
	Silos func() []SiloView
	Log   func(ctx context.Context, limit int64) ([]Event, error)
	Front *Counter // of the web app's front door
	Audit func() AuditView
}

// Board answers GET /cluster. It is safe for concurrent use.
type Board struct {
	source Source

	mu   sync.Mutex
	last map[string]seenSilo // by identity
	past []KindCensus        // what silos have counted that are not shown any more
}

type seenSilo struct {
	silo SiloView
	at   time.Time // when it was last in the table
}

// NewBoard returns one that has not looked yet.
func NewBoard(source Source) *Board {
	return &Board{source: source, last: map[string]seenSilo{}}
}

// ServeHTTP answers with a [View].
func (b *Board) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	now := time.Now().UTC()
	answer := View{
		Time: now, Web: b.source.Web, Lease: b.source.Lease.String(), Store: b.source.Store,
		Variant: cmp.Or(b.source.Variant, "right"), Silos: b.silos(now), Log: []Event{},
		Audit: b.source.Audit(),
	}
	answer.Grains = b.byKind(answer.Silos)
	for _, k := range b.source.Front.Look(now).Kinds {
		answer.Front = k
	}
	log, err := b.source.Log(r.Context(), logLines)
	if err != nil {
		answer.Error = err.Error()
	} else {
		answer.Log = log
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	if err := json.NewEncoder(w).Encode(answer); err != nil {
		slog.DebugContext(r.Context(), "the view was not delivered", "error", err)
	}
}

// silos are those in the table, and those that were not long ago.
func (b *Board) silos(now time.Time) []SiloView {
	b.mu.Lock()
	defer b.mu.Unlock()
	up := map[string]bool{}
	for _, s := range b.source.Silos() {
		up[s.ID] = true
		b.last[s.ID] = seenSilo{s, now}
	}
	silos := []SiloView{}
	for id, s := range b.last {
		if now.Sub(s.at) > remembered {
			delete(b.last, id)
			b.past = append(b.past, counts(s.silo.Kinds)...)
			continue
		}
		silos = append(silos, s.silo.shown(up[id], b.source.Lease, now.Sub(s.at)))
	}
	slices.SortFunc(silos, func(a, b SiloView) int {
		return cmp.Or(cmp.Compare(len(a.Name), len(b.Name)), cmp.Compare(a.Name, b.Name),
			a.Started.Compare(b.Started))
	})
	return silos
}

// byKind sums up the silos that are shown, and those that are not any more.
func (b *Board) byKind(silos []SiloView) []KindView {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.past = byKind([]SiloView{{Kinds: b.past}})
	return byKind(append(slices.Clone(silos), SiloView{Kinds: b.past}))
}

// counts is what stays of a census when its silo has gone: counters do not fall.
func counts(census []KindCensus) []KindCensus {
	kinds := []KindCensus{}
	for _, k := range census {
		kinds = append(kinds, KindCensus{
			Kind: k.Kind, Calls: k.Calls, Errors: k.Errors, Stale: k.Stale,
		})
	}
	return kinds
}

// shown is what is shown of a silo that was last in the table so long ago.
func (s SiloView) shown(up bool, lease, ago time.Duration) SiloView {
	s.SilentMillis += ago.Milliseconds()
	if !up {
		s.State, s.Goroutines, s.HeapBytes, s.Kinds = "gone", 0, 0, counts(s.Kinds)
		return s
	}
	s.State = "up"
	if s.SilentMillis > (lease / 2).Milliseconds() {
		s.State = "late"
	}
	for _, k := range s.Kinds {
		s.Activations += k.Activations
		s.CallsPerSec += k.CallsPerSec
	}
	return s
}

func byKind(silos []SiloView) []KindView {
	kinds := []KindView{}
	for _, s := range silos {
		for _, k := range s.Kinds {
			i := slices.IndexFunc(kinds, func(v KindView) bool { return v.Kind == k.Kind })
			if i < 0 {
				i = len(kinds)
				kinds = append(kinds, KindView{Kind: k.Kind, BySilo: map[string]int{}})
			}
			kinds[i].add(s.Name, k)
		}
	}
	slices.SortFunc(kinds, func(a, b KindView) int { return cmp.Compare(a.Kind, b.Kind) })
	return kinds
}

func (v *KindCensus) add(silo string, k KindCensus) {
	v.Activations += k.Activations
	v.Calls += k.Calls
	v.Errors += k.Errors
	v.Stale += k.Stale
	v.CallsPerSec += k.CallsPerSec
	v.P50Micros = max(v.P50Micros, k.P50Micros)
	v.P99Micros = max(v.P99Micros, k.P99Micros)
	if k.Activations > 0 {
		v.BySilo[silo] += k.Activations
	}
}
