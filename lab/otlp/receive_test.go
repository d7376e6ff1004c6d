package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/contrib/bridges/otelslog"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploggrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploghttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetricgrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	otelmetric "go.opentelemetry.io/otel/metric"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	oteltrace "go.opentelemetry.io/otel/trace"
)

// The SDK's own exporters, over both transports, compressed and not, are what the receiver must
// understand: nothing here is a mock of either side.
func TestTakesWhatTheSDKSends(t *testing.T) {
	t.Parallel()
	for name, make := range map[string]func(*testing.T, addresses) exporters{
		"http":            overHTTP(otlptracehttp.NoCompression),
		"http compressed": overHTTP(otlptracehttp.GzipCompression),
		"grpc":            overGRPC,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, at := receiver(t)
			order := sendAll(t, make(t, at))
			found := get[[]Summary](t, at, "/api/traces?q="+order)
			if len(found) != 1 || !found[0].Whole || !found[0].Failed || found[0].Spans != 2 {
				t.Fatalf("a search for the order finds %+v", found)
			}
			tr := get[Trace](t, at, "/api/traces/"+found[0].Trace)
			if tr.Rows[0].Name != "parent" || tr.Rows[1].Name != "child" || tr.Rows[1].Depth != 1 {
				t.Errorf("rows: %+v", tr.Rows)
			}
			if len(tr.Rows[1].Logs) != 1 || tr.Rows[1].Logs[0].Text != "order processed" {
				t.Errorf("the line of the child is not in its place: %+v", tr.Rows[1].Logs)
			}
			if len(tr.Rows[1].Events) != 1 || !tr.Rows[1].Failed || tr.Rows[1].Status != "no stock" {
				t.Errorf("the error is not there: %+v", tr.Rows[1])
			}
			metrics := get[[]Metric](t, at, "/api/metrics")
			i := slices.IndexFunc(metrics, func(m Metric) bool { return m.Name == "took" })
			if i < 0 || len(metrics[i].Series) != 1 {
				t.Fatalf("metrics: %+v", metrics)
			}
			series := metrics[i].Series[0]
			if series.Count != 1 || series.Instance != "consumer-1" ||
				len(series.Exemplars) != 1 || series.Exemplars[0].Trace != tr.Trace {
				t.Errorf("series: %+v", series)
			}
			if got := s.figures(0)["orders traced"]; got != 1 {
				t.Errorf("orders traced: %v", got)
			}
		})
	}
}

type addresses struct{ web, rpc string }

// receiver runs the handlers of both transports on ports of their own.
func receiver(t *testing.T) (*store, addresses) {
	t.Helper()
	s := newStore(defaultLimits)
	web := httptest.NewServer(newHandler(s))
	t.Cleanup(web.Close)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	rpc := newGRPC(s)
	served := make(chan error, 1)
	go func() { served <- rpc.Serve(listener) }()
	t.Cleanup(func() {
		rpc.Stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return s, addresses{web.URL, listener.Addr().String()}
}

type exporters struct {
	traces  sdktrace.SpanExporter
	logs    sdklog.Exporter
	metrics sdkmetric.Exporter
}

func overHTTP(compression otlptracehttp.Compression) func(*testing.T, addresses) exporters {
	return func(t *testing.T, at addresses) exporters {
		t.Helper()
		ctx := t.Context()
		traces, err1 := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(at.web+"/v1/traces"),
			otlptracehttp.WithCompression(compression))
		logs, err2 := otlploghttp.New(ctx,
			otlploghttp.WithEndpointURL(at.web+"/ingest/otlp/v1/logs"), // as for Seq
			otlploghttp.WithCompression(otlploghttp.Compression(compression)))
		metrics, err3 := otlpmetrichttp.New(ctx,
			otlpmetrichttp.WithEndpointURL(at.web+"/v1/metrics"),
			otlpmetrichttp.WithCompression(otlpmetrichttp.Compression(compression)))
		if err := errors.Join(err1, err2, err3); err != nil {
			t.Fatal(err)
		}
		return exporters{traces, logs, metrics}
	}
}

func overGRPC(t *testing.T, at addresses) exporters {
	t.Helper()
	ctx := t.Context()
	traces, err1 := otlptracegrpc.New(ctx, otlptracegrpc.WithEndpoint(at.rpc),
		otlptracegrpc.WithInsecure(), otlptracegrpc.WithCompressor("gzip"))
	logs, err2 := otlploggrpc.New(ctx, otlploggrpc.WithEndpoint(at.rpc), otlploggrpc.WithInsecure())
	metrics, err3 := otlpmetricgrpc.New(ctx, otlpmetricgrpc.WithEndpoint(at.rpc),
		otlpmetricgrpc.WithInsecure())
	if err := errors.Join(err1, err2, err3); err != nil {
		t.Fatal(err)
	}
	return exporters{traces, logs, metrics}
}

// sendAll sends a trace of two spans with a log line, and a histogram with an exemplar.
func sendAll(t *testing.T, e exporters) (order string) {
	t.Helper()
	order = "0190-order-64737639"
	from := resource.NewSchemaless(attribute.String("service.name", "consumer"),
		attribute.String("service.instance.id", "consumer-1"))
	traces := sdktrace.NewTracerProvider(sdktrace.WithBatcher(e.traces), sdktrace.WithResource(from))
	logs := sdklog.NewLoggerProvider(sdklog.WithResource(from),
		sdklog.WithProcessor(sdklog.NewBatchProcessor(e.logs)))
	metrics := sdkmetric.NewMeterProvider(sdkmetric.WithResource(from),
		sdkmetric.WithReader(sdkmetric.NewPeriodicReader(e.metrics)))
	took, err := metrics.Meter("test").Float64Histogram("took", otelmetric.WithUnit("s"))
	if err != nil {
		t.Fatal(err)
	}
	tracer := traces.Tracer("test")
	ctx, parent := tracer.Start(t.Context(), "parent",
		oteltrace.WithAttributes(attribute.String("order", order)))
	ctx, child := tracer.Start(ctx, "child", oteltrace.WithSpanKind(oteltrace.SpanKindConsumer))
	logger := slog.New(otelslog.NewHandler("test", otelslog.WithLoggerProvider(logs)))
	logger.InfoContext(ctx, "order processed", "order", order)
	took.Record(ctx, 0.2)
	child.RecordError(errors.New("no stock"))
	child.SetStatus(codes.Error, "no stock")
	child.End()
	parent.End()
	for _, end := range []func(context.Context) error{
		traces.Shutdown, logs.Shutdown, metrics.Shutdown,
	} {
		if err := end(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	return order
}

func get[T any](t *testing.T, at addresses, path string) T {
	t.Helper()
	res, err := http.Get(at.web + path)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var v T
	if err := json.NewDecoder(res.Body).Decode(&v); err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s, %v", path, res.Status, err)
	}
	return v
}

const oneSpan = `{"resourceSpans":[{"resource":{"attributes":[{"key":"service.name",
"value":{"stringValue":"shop"}}]},"scopeSpans":[{"spans":[{
"traceId":"5b8efff798038103d269b633813fc60c","spanId":"eee19b7ec3c1b174","name":"<b>buy</b>",
"startTimeUnixNano":"1544712660000000000","endTimeUnixNano":"1544712661000000000","kind":2}]}]}]}`

// The answers are those of the specification, section OTLP/HTTP: what to send again and what
// not.
func TestAnswersOverHTTP(t *testing.T) {
	t.Parallel()
	bomb := zipped(t, bytes.Repeat([]byte(" "), maxBody+1))
	for _, c := range []struct {
		name, kind, encoding string
		body                 string
		want                 int
	}{
		{"JSON", "application/json; charset=utf-8", "", oneSpan, 200},
		{"JSON compressed", "application/json", "gzip", zipped(t, []byte(oneSpan)), 200},
		{"an empty batch", "application/json", "", "{}", 200},
		{"an empty batch in protobuf", "application/x-protobuf", "", "", 200},
		{"not JSON", "application/json", "", "<html>", 400},
		{"not protobuf", "application/x-protobuf", "", "\xff\xff\xff", 400},
		{"not gzip", "application/json", "gzip", "{}", 400},
		{"unknown encoding", "application/json", "br", "{}", 400},
		{"another type", "text/plain", "", "{}", 415},
		{"no type", "", "", "{}", 415},
		{"too large", "application/json", "", strings.Repeat(" ", maxBody+1), 413},
		{"too large once unpacked", "application/json", "gzip", bomb, 413},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, at := receiver(t)
			for _, signal := range []string{"traces", "logs", "metrics"} {
				if c.body == oneSpan && signal != "traces" {
					continue
				}
				req, err := http.NewRequest(http.MethodPost, at.web+"/v1/"+signal,
					strings.NewReader(c.body))
				if err != nil {
					t.Fatal(err)
				}
				if c.kind != "" {
					req.Header.Set("Content-Type", c.kind)
				}
				req.Header.Set("Content-Encoding", c.encoding)
				res, err := http.DefaultClient.Do(req)
				if err != nil {
					t.Fatal(err)
				}
				text, err := io.ReadAll(res.Body)
				if err := errors.Join(err, res.Body.Close()); err != nil {
					t.Fatal(err)
				}
				if res.StatusCode != c.want {
					t.Errorf("%s: %s, want %d: %s", signal, res.Status, c.want, text)
				}
				if c.want == 400 && !strings.Contains(string(text), "cannot read the batch") {
					t.Errorf("%s: the answer does not say why: %q", signal, text)
				}
			}
		})
	}
}

func zipped(t *testing.T, body []byte) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := w.Write(body)
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestTellsClientsToComeAgain(t *testing.T) {
	t.Parallel()
	s := newStore(defaultLimits)
	web := httptest.NewServer(newHandler(s))
	defer web.Close()
	// Requests that are being read hold all the places.
	var held []*io.PipeWriter
	done := make(chan error, maxAtOnce)
	for range maxAtOnce {
		r, w := io.Pipe()
		held = append(held, w)
		go func() {
			res, err := http.Post(web.URL+"/v1/traces", "application/json", r)
			if err == nil {
				err = res.Body.Close()
			}
			done <- err
		}()
		if _, err := w.Write([]byte("{")); err != nil {
			t.Fatal(err)
		}
	}
	full := func() bool {
		res, err := http.Post(web.URL+"/v1/traces", "application/json", strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		if err := res.Body.Close(); err != nil {
			t.Fatal(err)
		}
		return res.StatusCode == http.StatusServiceUnavailable && res.Header.Get("Retry-After") != ""
	}
	for limit := time.Now().Add(30 * time.Second); !full(); {
		if time.Now().After(limit) { // the last of them may still be on its way
			t.Fatal("never full")
		}
	}
	for _, w := range held {
		if _, err := w.Write([]byte("}")); err != nil {
			t.Error(err)
		}
		if err := w.Close(); err != nil {
			t.Error(err)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

func TestServesItsPageFromMemory(t *testing.T) {
	t.Parallel()
	_, at := receiver(t)
	res, err := http.Get(at.web + "/")
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(res.Body)
	if err := errors.Join(err, res.Body.Close()); err != nil {
		t.Fatal(err)
	}
	for _, outside := range []string{"src=", "@import", "https://"} {
		if bytes.Contains(text, []byte(outside)) {
			t.Errorf("the page needs something from elsewhere: %s", outside)
		}
	}
	if bytes.Contains(text, []byte("innerHTML =")) {
		t.Error("the page makes HTML of what it was sent")
	}
	policy := res.Header.Get("Content-Security-Policy")
	if !strings.Contains(policy, "default-src 'none'") {
		t.Errorf("policy %q", policy)
	}
	res, err = http.Get(at.web + "/api/traces/nonsense")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusNotFound {
		t.Errorf("an unknown trace: %s", res.Status)
	}
}

// The program itself: it says so when it cannot listen, and ends on request. What it prints is
// asked in lab/services, of the built program.
func TestRun(t *testing.T) {
	t.Parallel()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer free.Close()
	taken := []string{"-http", free.Addr().String(), "-grpc", "127.0.0.1:0"}
	err = run(t.Context(), taken, io.Discard, nil)
	if err == nil || !strings.Contains(err.Error(), "-http takes another address") {
		t.Errorf("a port that is taken: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- run(ctx, []string{"-http", "127.0.0.1:0", "-grpc", "127.0.0.1:0"}, io.Discard, nil)
	}()
	cancel()
	if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("asked to end: %v", err)
	}
}
