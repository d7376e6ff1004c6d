package actors

import (
	"cmp"
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

// KindView is one type of grain, over all silos.
type KindView struct {
	Kind        string         `json:"kind"`
	Activations int            `json:"activations"`
	Calls       int64          `json:"calls"`
	Errors      int64          `json:"errors"`
	Stale       int64          `json:"stale"`
	CallsPerSec float64        `json:"calls_per_s"`
	P50Micros   int64          `json:"p50_us"` // the worst silo's
	P99Micros   int64          `json:"p99_us"` // the worst silo's
	BySilo      map[string]int `json:"by_silo"`
}

// AuditView is what the last audit has found, see audit.go.
type AuditView struct {
	Promised   int64 `json:"promised"`
	Missing    int64 `json:"missing"`
	Surplus    int64 `json:"surplus"`
	Overwrites int64 `json:"overwrites"`
}

const (
	remembered = time.Minute // how long a silo that is gone is shown
	logLines   = 200
)

// view answers GET /cluster. It is safe for concurrent use.
type view struct {
	node     *Node
	table    *Table
	counter  *counter
	settings Settings
	audit    func() verdict

	mu   sync.Mutex
	last map[string]seenSilo // by identity
}

type seenSilo struct {
	member Member
	at     time.Time // when it was last in the table
}

func newView(n *Node, t *Table, c *counter, s Settings, audit func() verdict) *view {
	return &view{
		node: n, table: t, counter: c, settings: s, audit: audit, last: map[string]seenSilo{},
	}
}

func (v *view) serve(w http.ResponseWriter, r *http.Request) {
	now := time.Now().UTC()
	found := v.audit()
	answer := View{
		Time: now, Web: v.settings.Name, Lease: v.settings.Lease.String(),
		Store: v.settings.Store, Variant: cmp.Or(v.settings.Variant, "right"),
		Silos: v.silos(now), Grains: []KindView{}, Log: []Event{},
		Audit: AuditView(found),
	}
	answer.Grains = byKind(answer.Silos)
	for _, k := range v.counter.look(now).Kinds {
		answer.Front = k
	}
	log, err := v.table.Log(r.Context(), logLines)
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
func (v *view) silos(now time.Time) []SiloView {
	v.mu.Lock()
	defer v.mu.Unlock()
	up := map[string]bool{}
	for _, m := range v.node.Members() {
		up[m.ID] = true
		v.last[m.ID] = seenSilo{m, now}
	}
	silos := []SiloView{}
	for id, s := range v.last {
		if now.Sub(s.at) > remembered {
			delete(v.last, id)
			continue
		}
		silos = append(silos, siloView(s.member, up[id], v.settings.Lease, now))
	}
	slices.SortFunc(silos, func(a, b SiloView) int {
		return cmp.Or(cmp.Compare(len(a.Name), len(b.Name)), cmp.Compare(a.Name, b.Name),
			a.Started.Compare(b.Started))
	})
	return silos
}

func siloView(m Member, up bool, lease time.Duration, now time.Time) SiloView {
	s := SiloView{
		Name: m.Name, ID: m.ID, State: "gone", Address: m.Address, PID: m.PID,
		Started: m.Started, Kinds: []KindCensus{},
	}
	if m.Told.IsZero() {
		m.Told = m.Started // it has joined and not reported yet
	}
	s.SilentMillis = now.Sub(m.Told).Milliseconds()
	s.UptimeSeconds = m.Told.Sub(m.Started).Seconds()
	if !up {
		return s
	}
	s.State = "up"
	if now.Sub(m.Told) > lease/2 {
		s.State = "late"
	}
	s.UptimeSeconds = now.Sub(m.Started).Seconds()
	s.Goroutines, s.HeapBytes = m.Census.Goroutines, m.Census.HeapBytes
	s.Kinds = append(s.Kinds, m.Census.Kinds...)
	for _, k := range m.Census.Kinds {
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

func (v *KindView) add(silo string, k KindCensus) {
	v.Activations += k.Activations
	v.Calls += k.Calls
	v.Errors += k.Errors
	v.Stale += k.Stale
	v.CallsPerSec += k.CallsPerSec
	v.P50Micros = max(v.P50Micros, k.P50Micros)
	v.P99Micros = max(v.P99Micros, k.P99Micros)
	v.BySilo[silo] += k.Activations
}
