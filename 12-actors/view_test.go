package actors

import (
	"testing"
	"time"
)

// What the page says of a silo follows from when it was last heard of, and from
// whether it is in the table.
func TestSiloView(t *testing.T) {
	t.Parallel()
	const lease = 2 * time.Second
	now := time.Now()
	for _, c := range []struct {
		name        string
		up          bool
		silent      time.Duration
		state       string
		activations int
		uptime      float64 // in seconds
	}{
		{"it tells", true, 300 * time.Millisecond, "up", 8, 75},
		{"it is silent, and its lease runs", true, 1500 * time.Millisecond, "late", 8, 75},
		// Its uptime has ended when it was last heard of, and its grains are elsewhere.
		{"its lease has run out", false, 15 * time.Second, "gone", 0, 60},
	} {
		m := Member{
			Name: "silo-1", Started: now.Add(-75 * time.Second), Told: now.Add(-c.silent),
			Census: Census{Kinds: []KindCensus{
				{Kind: "Order", Activations: 5, CallsPerSec: 2},
				{Kind: "Stock", Activations: 3, CallsPerSec: 4},
			}},
		}
		got := siloView(m, c.up, lease, now)
		if got.State != c.state || got.Activations != c.activations ||
			got.UptimeSeconds != c.uptime || got.SilentMillis != c.silent.Milliseconds() {
			t.Errorf("%s: %+v", c.name, got)
		}
	}
	joined := siloView(Member{Started: now.Add(-time.Second / 2)}, true, lease, now)
	if joined.State != "up" || joined.SilentMillis != 500 {
		t.Errorf("it has joined and not told anything yet: %+v", joined)
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
