package grid

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// inProcess answers requests without a network, so that the clock of a bubble can stand
// for days. seen is called after each.
type inProcess struct {
	handler http.Handler
	seen    func()
}

func (p inProcess) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	p.handler.ServeHTTP(w, r)
	if p.seen != nil {
		p.seen()
	}
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	return w.Result(), nil
}

// Whatever a stranger sends gets an answer that says what was wrong.
func TestStrangers(t *testing.T) {
	t.Parallel()
	grid := withUnits(t, rulesOf("right"), 1)
	takes(t, grid, "ada", "1")
	for _, c := range []struct {
		path, body, says string
		status           int
	}{
		{"/units", ``, "body", 400},
		{"/units", `{"worker": 7}`, "body", 400},
		{"/units", `{"worker": "ada", "sudo": true}`, "sudo", 400},
		{"/units", `{}`, "worker", 400},
		{"/units", `{"worker": "` + strings.Repeat("a", maxName+1) + `"}`, "64 bytes", 400},
		{"/units", strings.Repeat(" ", 2*maxBody), "too large", 400},
		{"/results", `{"worker": "ada", "order": "1", "residue": 5}`, "body", 400},
		{"/results", `{"worker": "ada", "order": "1", "prime": true, "residue": "5"}`, "residue", 400},
		{"/results", `{"worker": "ada", "order": "2", "residue": "5"}`, "no such unit", 404},
		{"/results", `{"worker": "eve", "order": "1", "residue": "5"}`, "not given", 403},
		{"/results", `{"worker": "ada", "order": "1", "residue": "5"}`, `"settled":false`, 200},
	} {
		w := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodPost, c.path, strings.NewReader(c.body))
		grid.Handler().ServeHTTP(w, r)
		if w.Code != c.status || !strings.Contains(w.Body.String(), c.says) {
			t.Errorf("%s %.60s: %d %s, want %d and %q", c.path, c.body, w.Code, w.Body, c.status, c.says)
		}
	}
}

// until has workers do all units of a grid, and returns how long it took by the clock of
// the bubble.
func until(t *testing.T, grid *Coordinator, workers ...*Worker) time.Duration {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	seen := func() {
		if grid.Counts().Open == 0 {
			cancel()
		}
	}
	began, done := time.Now(), make(chan error)
	for _, w := range workers {
		w.HTTP = &http.Client{Transport: inProcess{grid.Handler(), seen}}
		go func() { done <- w.Run(ctx) }()
	}
	for range workers {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	return time.Since(began)
}

func crew(n int) (all []*Worker) {
	for i := range n {
		all = append(all, &Worker{Name: string(rune('a' + i)), URL: "http://grid",
			Work: lease / 2, Poll: 10 * time.Millisecond})
	}
	return all
}

// Units need nothing of each other: four times as many workers are four times as fast.
func TestMoreWorkersAreFaster(t *testing.T) {
	t.Parallel()
	took := map[int]time.Duration{}
	for _, n := range []int{2, 4, 8} {
		synctest.Test(t, func(t *testing.T) {
			took[n] = until(t, withUnits(t, rulesOf("right"), 24), crew(n)...)
			t.Logf("%d workers, who take a second for a unit: 24 units, each twice, in %v", n, took[n])
		})
	}
	synctest.Test(t, func(t *testing.T) {
		trusting := until(t, withUnits(t, rulesOf("trust"), 24), crew(2)...)
		t.Logf("2 workers who are believed: in %v", trusting)
		if price := took[2].Seconds() / trusting.Seconds(); price < 1.8 || price > 2.2 {
			t.Errorf("a second opinion takes %.2f times as long, want twice", price)
		}
	})
	for n, want := range map[int]float64{4: 2, 8: 4} {
		if got := took[2].Seconds() / took[n].Seconds(); got < 0.9*want || got > 1.1*want {
			t.Errorf("%d workers are %.2f times as fast as 2, want %.0f", n, got, want)
		}
	}
}

// A cheat among workers who compute: what stands in the end is right.
func TestGridWithACheat(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		grid := withUnits(t, rulesOf("right"), 20)
		workers := crew(4)
		workers[0].Cheat = true
		until(t, grid, workers...)
		n := grid.Counts()
		if len(n.Primes) != 2 || n.Done != 20 || n.Banned != 1 || n.Thrown == 0 {
			t.Errorf("%+v, want 521 and 607, and the cheat banned", n)
		}
	})
}

// Who is asked to end tells the result of what it has begun.
func TestWorkerDrains(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		grid := withUnits(t, rulesOf("trust"), 2)
		worker := crew(1)[0]
		ctx, cancel := context.WithTimeout(t.Context(), worker.Work/2)
		defer cancel()
		worker.HTTP = &http.Client{Transport: inProcess{handler: grid.Handler()}}
		if err := worker.Run(ctx); err != nil {
			t.Error(err)
		}
		if n := grid.Counts(); n.Done != 1 {
			t.Errorf("%d units are done, want the one that it had begun", n.Done)
		}
	})
}

// A coordinator that does not answer keeps nobody from ending.
func TestWorkerEnds(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/units", "/results"} {
		synctest.Test(t, func(t *testing.T) {
			grid := withUnits(t, rulesOf("right"), 1)
			handler := grid.Handler()
			silent := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == path {
					<-r.Context().Done()
				} else {
					handler.ServeHTTP(w, r)
				}
			})
			worker := crew(1)[0]
			worker.HTTP = &http.Client{Transport: inProcess{handler: silent}}
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
			defer cancel()
			began := time.Now()
			if err := worker.Run(ctx); err != nil {
				t.Error(err)
			}
			if took := time.Since(began); took > 3*time.Second+drainIn+callTimeout {
				t.Errorf("%s: it ended after %v", path, took)
			}
		})
	}
}

func TestSettings(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ args, says string }{
		{"-variant trusty", "no variant"}, {"-lease 0s", "-lease"}, {"-quorum 0", "-quorum"},
		{"-from 1", "-from"}, {"-from 1000000", "-from"},
	} {
		_, err := ParseCoordinator(strings.Fields(c.args))
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", c.args, err)
		}
	}
	for _, c := range []struct{ args, says string }{
		{"-coordinator nowhere", "http://host:port"}, {"-work -1s", "-work"}, {"-poll 0s", "-poll"},
		{"-name " + strings.Repeat("a", maxName+1), "longer"},
	} {
		_, err := ParseWorker(strings.Fields(c.args))
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", c.args, err)
		}
	}
	first, err := ParseWorker([]string{"-name", ""})
	if err != nil || first.Name == "" {
		t.Errorf("a worker without a name: %+v, %v", first, err)
	}
}
