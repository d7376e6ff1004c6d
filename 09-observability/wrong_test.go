package observability

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
)

// Each of these runs the same scene twice: the wrong variant must fail in just the way its
// comment says, and the right one must not.

func TestWrongNoPropagationStopsAtTheQueue(t *testing.T) {
	t.Parallel()
	for variant, red := range map[string]bool{"no-propagation": true, "right": false} {
		t.Run(variant, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.s.Variant = variant
			w.produce()
			w.consume("consumer", "consumer-1", NewConsumer)
			w.consume("shipper", "shipper", NewShipper)
			id := w.order("", "")
			w.worked("shipper", 1)
			w.end()
			want := 1
			if red {
				want = 3 // one for each process
			}
			if got := len(w.traces(id)); got != want {
				t.Errorf("the order is in %d traces, want %d", got, want)
			}
		})
	}
}

// Not parallel: the environment is everybody's.
func TestWrongNoFlushLosesTheLastSpans(t *testing.T) {
	// A batch that is not full goes out after an hour, or at the end.
	t.Setenv("OTEL_BSP_SCHEDULE_DELAY", "3600000")
	for variant, red := range map[string]bool{"no-flush": true, "right": false} {
		t.Run(variant, func(t *testing.T) {
			w := newWorld(t)
			w.s.Variant = variant
			producer := w.produce()
			id := w.order("", "")
			w.end()
			if lost := len(w.traces(id)) == 0; lost != red {
				t.Errorf("the last trace is lost: %v", lost)
			}
			// A process that ends takes what still runs with it, and a test does not.
			producer.quiet = false
			producer.Stop()
		})
	}
}

func TestWrongHighCardinalityMakesASeriesForEachOrder(t *testing.T) {
	t.Parallel()
	const orders = 50
	for variant, red := range map[string]bool{"high-cardinality": true, "right": false} {
		t.Run(variant, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.s.Variant = variant
			producer := w.produce()
			w.order("?count=50", "")
			want := 1
			if red {
				want = orders
			}
			page := httptest.NewRecorder()
			producer.Metrics.Handler.ServeHTTP(page, httptest.NewRequest("GET", "/metrics", nil))
			text, err := io.ReadAll(page.Body)
			must(t, err)
			if got := strings.Count(string(text), "\nshop_orders_accepted_total{"); got != want {
				t.Errorf("%d series after %d orders, want %d", got, orders, want)
			}
			w.end()
			if got := w.figures()["series"]; (got >= orders) != red {
				t.Errorf("the most series of a metric at the receiver: %v", got)
			}
		})
	}
}

// The answer to exercise 09.4 is what the receiver's page shows, and the ledger knows nothing of
// it. It does not stand here either.
func TestTheRiddleIsSolvedByThePage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.s.Variant = "riddle"
	w.produce()
	w.consume("consumer", "consumer-1", NewConsumer)
	w.consume("consumer", "consumer-2", NewConsumer)
	const orders = 20
	w.order("?count=20", "")
	w.worked("consumer", orders)
	w.end()
	counts(t, w, orders, orders, 0)
	spans := map[string]map[string]int{} // by process and name
	for _, one := range ask[[]struct {
		Instance, Name string
		Spans          int
	}](t, w.receiver+"/api/workers") {
		if spans[one.Instance] == nil {
			spans[one.Instance] = map[string]int{}
		}
		spans[one.Instance][one.Name] = one.Spans
	}
	var odd []string
	for process, names := range spans {
		for name, n := range names {
			if orders := names["process orders"]; orders > 0 && n != orders {
				odd = append(odd, process+" "+name)
			}
		}
	}
	manifest, err := os.ReadFile("exercises/04-more-parcels/exercise.yaml")
	must(t, err)
	hash := sha256.Sum256([]byte(strings.Join(odd, ", ")))
	if !strings.Contains(string(manifest), hex.EncodeToString(hash[:])) {
		t.Errorf("the page shows %q, which is not the answer of the exercise", odd)
	}
}

func TestEveryVariantIsInTheManifest(t *testing.T) {
	t.Parallel()
	manifest, err := os.ReadFile("lab.yaml")
	must(t, err)
	for name := range variants {
		if name != "" && !strings.Contains(string(manifest), "- name: "+name+"\n") {
			t.Errorf("lab.yaml does not know the variant %s", name)
		}
	}
}
