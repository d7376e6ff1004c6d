package dashboard

import (
	"testing"
	"time"
)

// What the page says of a silo follows from when it was last heard of, and from
// whether it is in the table.
func TestSiloView(t *testing.T) {
	t.Parallel()
	const lease = 2 * time.Second
	for _, c := range []struct {
		name        string
		up          bool
		silent, ago time.Duration
		state       string
		activations int
	}{
		{"it tells", true, 300 * time.Millisecond, 0, "up", 8},
		{"it is silent, and its lease runs", true, 1500 * time.Millisecond, 0, "late", 8},
		// Its grains are elsewhere.
		{"its lease has run out", false, 2 * time.Second, 13 * time.Second, "gone", 0},
	} {
		s := SiloView{Name: "silo-1", SilentMillis: c.silent.Milliseconds(), Kinds: []KindCensus{
			{Kind: "Order", Activations: 5, CallsPerSec: 2},
			{Kind: "Stock", Activations: 3, CallsPerSec: 4},
		}}
		got := s.shown(c.up, lease, c.ago)
		if got.State != c.state || got.Activations != c.activations ||
			got.SilentMillis != (c.silent+c.ago).Milliseconds() {
			t.Errorf("%s: %+v", c.name, got)
		}
	}
}

// Counters do not fall: neither when a silo has gone nor when it is not shown any more.
func TestCountersDoNotFall(t *testing.T) {
	t.Parallel()
	var up []SiloView
	b := NewBoard(Source{Lease: time.Second, Silos: func() []SiloView { return up }})
	silo := SiloView{ID: "1", Kinds: []KindCensus{
		{Kind: "Order", Activations: 5, Calls: 7, Errors: 2, Stale: 1, Grains: []string{"x"}},
	}}
	for _, step := range []struct {
		name        string
		up          []SiloView
		now         time.Time
		activations int
	}{
		{"it is up", []SiloView{silo}, time.Now(), 5},
		{"it has gone", nil, time.Now(), 0},
		{"it is not shown any more", nil, time.Now().Add(2 * remembered), 0},
		{"and later", nil, time.Now().Add(3 * remembered), 0},
	} {
		up = step.up
		got := b.byKind(b.silos(step.now))
		if len(got) != 1 || got[0].Calls != 7 || got[0].Errors != 2 || got[0].Stale != 1 ||
			got[0].Activations != step.activations {
			t.Errorf("%s: %+v", step.name, got)
		}
	}
}

// Over all silos counts add up, and of the latencies the worst one stands.
func TestByKind(t *testing.T) {
	t.Parallel()
	silo := func(name string, kinds ...KindCensus) SiloView {
		return SiloView{Name: name, Kinds: kinds}
	}
	got := byKind([]SiloView{
		silo("a", KindCensus{Kind: "Stock", Activations: 2, Calls: 10, Errors: 1, P99Micros: 9}),
		silo("b", KindCensus{Kind: "Stock", Activations: 3, Calls: 20, Stale: 4, P99Micros: 7},
			KindCensus{Kind: "Order", Activations: 1}),
		silo("c"),
	})
	if len(got) != 2 || got[0].Kind != "Order" || got[1].Kind != "Stock" {
		t.Fatalf("got %+v", got)
	}
	stock := got[1]
	if stock.Activations != 5 || stock.Calls != 30 || stock.Errors != 1 || stock.Stale != 4 ||
		stock.P99Micros != 9 || stock.BySilo["a"] != 2 || stock.BySilo["b"] != 3 {
		t.Errorf("the stocks: %+v", stock)
	}
}
