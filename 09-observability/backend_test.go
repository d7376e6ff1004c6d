package observability

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"course.example/shop"
	"go.opentelemetry.io/otel/trace"
)

// backends that do no good, by what is wrong with them.
func backends(t *testing.T) map[string]string {
	t.Helper()
	// Takes connections and requests, and never answers.
	hangs := make(chan struct{})
	tarpit := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-hangs:
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(tarpit.Close)
	t.Cleanup(func() { close(hangs) }) // before Close, which waits for the requests
	broken := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusInternalServerError)
	}))
	t.Cleanup(broken.Close)
	// Nobody listens: the port was ours a moment ago.
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	must(t, listener.Close())
	return map[string]string{
		"hangs": tarpit.URL, "broken": broken.URL, "dead": "http://" + listener.Addr().String(),
	}
}

// Whatever happens to the backend, telling it something costs no order, no time to speak of and
// bounded memory, and the end comes at the deadline. Not parallel: the heap is everybody's.
func TestABadBackendCostsBoundedMemoryAndTime(t *testing.T) {
	const spans = 20_000 // with their lines some 30 MB, were they kept
	for name, url := range backends(t) {
		t.Run(name, func(t *testing.T) {
			w := &world{t: t, s: DefaultSettings(), receiver: url}
			w.s.Flush = time.Second
			tel := w.telemetry("producer", "producer")
			logger := slog.New(bothWays(slog.DiscardHandler, tel.logs))
			before := heap()
			for i := range spans {
				ctx, span := tel.Tracing.tracer.Start(t.Context(), "publish orders",
					trace.WithSpanKind(trace.SpanKindProducer))
				logger.InfoContext(ctx, "order accepted", "order", fmt.Sprint(i))
				tel.accepted(ctx, shop.Order{ID: fmt.Sprint(i)})
				span.End()
			}
			grown := heap() - before
			if grown > 15<<20 {
				t.Errorf("%d spans cost %d MB", spans, grown>>20)
			}
			began := time.Now()
			tel.Stop()
			// Ten times the deadline: this machine may have other things to do.
			if took := time.Since(began); took > 10*w.s.Flush {
				t.Errorf("the end took %v, its deadline is %v", took, w.s.Flush)
			}
		})
	}
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// Orders flow while the backend hangs.
func TestOrdersFlowWithoutABackend(t *testing.T) {
	t.Parallel()
	for name, url := range backends(t) {
		t.Run(name, func(t *testing.T) {
			w := newUnseenWorld(t)
			w.receiver, w.s.Flush = url, time.Millisecond
			w.produce()
			w.consume("consumer", "consumer-1", NewConsumer)
			w.order("?count=100", "")
			w.worked("consumer", 100)
			w.end()
		})
	}
}

// A backend that is away fails every second. It is said once in a while, with how often.
func TestComplaintsAreFew(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		out := new(paper)
		c := newComplaints(slog.New(slog.NewTextHandler(out, nil)), time.Minute)
		for range 130 {
			c.Handle(errors.New("connection refused"))
			time.Sleep(time.Second)
		}
		if got := strings.Count(out.text(), "cannot be sent"); got != 3 {
			t.Errorf("%d complaints in 130 s:\n%s", got, out.text())
		}
		if !strings.Contains(out.text(), "like_it=59") {
			t.Errorf("it does not say how often:\n%s", out.text())
		}
	})
}

// The environment decides where telemetry goes, and says what is wrong with it. Not parallel:
// the environment is everybody's.
func TestTheEnvironmentDecides(t *testing.T) {
	before := slog.Default()
	defer slog.SetDefault(before)
	w := newWorld(t)
	for _, c := range []struct {
		name     string
		env      map[string]string
		arrives  bool
		complain string
	}{
		{"nothing is said", nil, false, ""},
		{"an endpoint", map[string]string{endpointVar: w.receiver}, true, ""},
		{"Seq beside it", map[string]string{
			endpointVar: w.receiver, seqVar: strings.Replace(w.receiver, "127.0.0.1", "localhost", 1),
		}, true, ""},
		{"Seq alone", map[string]string{seqVar: w.receiver}, true, ""},
		{"not by sampling", map[string]string{
			endpointVar: w.receiver, "OTEL_TRACES_SAMPLER": "always_off"}, false, ""},
		{"off", map[string]string{
			endpointVar: w.receiver, "OTEL_TRACES_EXPORTER": "none"}, false, ""},
		{"an unknown exporter", map[string]string{"OTEL_TRACES_EXPORTER": "pigeon"}, false, "pigeon"},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, name := range []string{"OTEL_TRACES_EXPORTER", "OTEL_LOGS_EXPORTER",
				"OTEL_METRICS_EXPORTER", endpointVar, seqVar, "OTEL_TRACES_SAMPLER",
				"OTEL_BSP_SCHEDULE_DELAY", "OTEL_BLRP_SCHEDULE_DELAY", "OTEL_METRIC_EXPORT_INTERVAL"} {
				t.Setenv(name, c.env[name])
			}
			tel, err := StartTelemetry(t.Context(), "producer", w.s)
			if c.complain != "" {
				if err == nil || !strings.Contains(err.Error(), c.complain) {
					t.Errorf("said %v", err)
				}
				return
			}
			must(t, err)
			name := strings.ReplaceAll(c.name, " ", "-")
			ctx, span := tel.Tracing.tracer.Start(t.Context(), name)
			slog.InfoContext(ctx, "order accepted", "order", "1")
			span.End()
			tel.Stop()
			if arrived := len(w.traces(name)) == 1; arrived != c.arrives {
				t.Errorf("arrived: %v", arrived)
			}
		})
	}
}
