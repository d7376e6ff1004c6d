package observability

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"sync"
	"time"

	"course.example/shop"
	"go.opentelemetry.io/contrib/exporters/autoexport"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.41.0"
)

// Telemetry is what a process tells of itself: traces, logs and metrics. It must never stand in
// the way of the work. So nothing here waits for a backend: spans and lines go into queues of
// fixed length, a goroutine sends them in batches, and what does not fit is dropped. Only
// [Telemetry.Stop] waits, until its deadline.
type Telemetry struct {
	Tracing *Tracing
	Metrics *Metrics

	traces   *sdktrace.TracerProvider
	meters   *sdkmetric.MeterProvider
	logs     *sdklog.LoggerProvider
	deadline time.Duration
	quiet    bool // leaves without a word: the variant no-flush
}

// Where telemetry goes is said by OpenTelemetry's own variables (OpenTelemetry Specification,
// "Environment Variable Specification"): any backend that takes OTLP is a matter of these.
const (
	endpointVar = "OTEL_EXPORTER_OTLP_ENDPOINT"
	seqVar      = "SEQ_URL" // a second place for traces, beside its logs
)

// signals are what the variables of one signal have in their names.
var signals = []string{"TRACES", "LOGS", "METRICS"}

// endpointOf is the variable that sends one signal elsewhere.
func endpointOf(signal string) string { return "OTEL_EXPORTER_OTLP_" + signal + "_ENDPOINT" }

// sinks are where the three signals go. A nil one is a signal that is not sent.
type sinks struct {
	traces []sdktrace.SpanExporter
	logs   sdklog.Exporter
	meters sdkmetric.Reader
}

// StartTelemetry begins to tell, to wherever the environment says; without an endpoint there to
// nobody, but for the page that Prometheus reads. From here on the default logger's lines go to
// the console and to the backend.
func StartTelemetry(ctx context.Context, service string, s Settings) (*Telemetry, error) {
	defaults()
	// Errors of exporters go to the console alone: a line to the backend about the backend that
	// cannot be reached would be the next thing that cannot be sent.
	otel.SetErrorHandler(newComplaints(slog.Default(), time.Minute))
	var to sinks
	spans, err := autoexport.NewSpanExporter(ctx)
	if err != nil {
		return nil, cannotSend("TRACES", err)
	}
	if !autoexport.IsNoneSpanExporter(spans) {
		to.traces = append(to.traces, spans)
	}
	seq, err := seqExporter(ctx)
	if err != nil {
		return nil, fmt.Errorf("telemetry: %w", err)
	}
	if seq != nil {
		to.traces = append(to.traces, seq)
	}
	if to.logs, err = autoexport.NewLogExporter(ctx); err != nil {
		return nil, cannotSend("LOGS", err)
	}
	if autoexport.IsNoneLogExporter(to.logs) {
		to.logs = nil
	}
	if to.meters, err = autoexport.NewMetricReader(ctx); err != nil {
		return nil, cannotSend("METRICS", err)
	}
	t, err := newTelemetry(service, s, to)
	if err != nil {
		return nil, err
	}
	if to.logs != nil {
		slog.SetDefault(slog.New(bothWays(slog.Default().Handler(), t.logs)))
	} else {
		slog.SetDefault(slog.New(withTrace{slog.Default().Handler()}))
	}
	return t, nil
}

// cannotSend names the variable that may be to blame: the SDK's own errors do not.
func cannotSend(signal string, err error) error {
	name := "OTEL_" + signal + "_EXPORTER"
	return fmt.Errorf("telemetry: with %s=%q and %s=%q: %w",
		name, os.Getenv(name), endpointVar, os.Getenv(endpointVar), err)
}

// newTelemetry builds the three pipelines around the sinks.
func newTelemetry(service string, s Settings, to sinks) (*Telemetry, error) {
	who := resource.NewWithAttributes(semconv.SchemaURL,
		semconv.ServiceName(service), semconv.ServiceInstanceID(s.Process),
		semconv.ServiceNamespace("shop"))
	// The sampler is OTEL_TRACES_SAMPLER's, which the provider reads itself; without it every
	// trace is kept.
	limits := sdktrace.NewSpanLimits()
	limits.AttributeValueLengthLimit = shop.MaxReason // a stranger's words are cut
	options := []sdktrace.TracerProviderOption{
		sdktrace.WithResource(who), sdktrace.WithRawSpanLimits(limits)}
	for _, exporter := range to.traces {
		// The batcher's queue holds 2048 spans (OTEL_BSP_MAX_QUEUE_SIZE). A span that finds it
		// full is dropped; an order never waits for it.
		options = append(options, sdktrace.WithBatcher(exporter))
	}
	if len(to.traces) == 0 {
		options = append(options, sdktrace.WithSampler(sdktrace.NeverSample()))
	}
	t := &Telemetry{traces: sdktrace.NewTracerProvider(options...), deadline: s.Flush}
	t.Tracing = newTracing(t.traces, s.URL)

	logOptions := []sdklog.LoggerProviderOption{sdklog.WithResource(who),
		sdklog.WithAttributeValueLengthLimit(shop.MaxReason)}
	if to.logs != nil {
		logOptions = append(logOptions, sdklog.WithProcessor(sdklog.NewBatchProcessor(to.logs)))
	}
	t.logs = sdklog.NewLoggerProvider(logOptions...)

	var err error
	if t.meters, t.Metrics, err = newMetrics(who, to.meters); err != nil {
		return nil, fmt.Errorf("telemetry: %w", err)
	}
	if change := variants[s.Variant].telemetry; change != nil {
		change(t)
	}
	return t, nil
}

// defaults are what suits a lecture better than the SDK's own: what has happened is on the page
// a second later. Without an endpoint nothing is sent, rather than to where nobody listens.
func defaults() {
	usual := map[string]string{
		"OTEL_BSP_SCHEDULE_DELAY": "1000", "OTEL_BLRP_SCHEDULE_DELAY": "1000",
		"OTEL_METRIC_EXPORT_INTERVAL": "5000",
	}
	if os.Getenv(endpointVar) == "" {
		for _, signal := range signals {
			if os.Getenv(endpointOf(signal)) == "" {
				usual["OTEL_"+signal+"_EXPORTER"] = "none"
			}
		}
	}
	for name, value := range usual {
		if os.Getenv(name) == "" {
			// It only fails for names that no system takes.
			_ = os.Setenv(name, value)
		}
	}
}

// seqExporter sends the traces to Seq as well, which shows them between its log lines. It
// returns nil where there is no Seq, or where it is the same place as the first.
func seqExporter(ctx context.Context) (sdktrace.SpanExporter, error) {
	seq, err := url.Parse(os.Getenv(seqVar))
	if err != nil || seq.Host == "" {
		return nil, err
	}
	if first, err := url.Parse(os.Getenv(endpointVar)); err == nil && first.Host == seq.Host {
		return nil, nil //nolint:nilnil // nothing to be sent is no error
	}
	return otlptracehttp.New(ctx,
		otlptracehttp.WithEndpointURL(seq.JoinPath("ingest/otlp/v1/traces").String()))
}

// HTTP draws a span for each request and measures it. What only machines ask for is left out.
func (t *Telemetry) HTTP(next http.Handler) http.Handler {
	many := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r = r.WithContext(context.WithValue(r.Context(), manyKey{}, r.URL.Query().Has("count")))
		next.ServeHTTP(w, r)
	})
	return otelhttp.NewHandler(many, "shop",
		otelhttp.WithTracerProvider(t.traces), otelhttp.WithMeterProvider(t.meters),
		// A public door: whoever comes in has a trace of his own, of which neither the identity
		// nor the decision to keep it nor the baggage is ours. It gets a link.
		otelhttp.WithPropagators(propagation.TraceContext{}),
		otelhttp.WithPublicEndpointFn(func(*http.Request) bool { return true }),
		otelhttp.WithFilter(func(r *http.Request) bool {
			return r.URL.Path != "/healthz" && r.URL.Path != "/metrics"
		}),
		otelhttp.WithSpanNameFormatter(func(_ string, r *http.Request) string {
			return r.Method + " " + route(r.URL.Path)
		}))
}

// route keeps the names of spans few: a path is whatever a client sends.
func route(path string) string {
	if path == "/orders" {
		return path
	}
	return "(another path)"
}

// Stop sends what is left, within the deadline, and drops what cannot be sent by then. Until it
// returns the last spans of the process are in its memory alone.
func (t *Telemetry) Stop() {
	if t.quiet {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), t.deadline)
	defer cancel()
	// Side by side: a deadline for three is one for each of them.
	var all sync.WaitGroup
	errs := make([]error, 3)
	for i, shutdown := range []func(context.Context) error{
		t.traces.Shutdown, t.meters.Shutdown, t.logs.Shutdown,
	} {
		all.Go(func() { errs[i] = shutdown(ctx) })
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		slog.Warn("telemetry is incomplete: the last of it could not be sent in time",
			"reason", err)
	}
}

// complaints print what goes wrong with telemetry, at most once in a while: a backend that is
// away fails every second, and nobody needs to read it every second.
type complaints struct {
	log   *slog.Logger
	every time.Duration

	mu     sync.Mutex
	last   time.Time
	unsaid int
}

func newComplaints(log *slog.Logger, every time.Duration) *complaints {
	return &complaints{log: log, every: every}
}

// Handle implements OpenTelemetry's ErrorHandler.
func (c *complaints) Handle(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.last) < c.every {
		c.unsaid++
		return
	}
	c.log.Warn("telemetry cannot be sent; the work goes on", "reason", err, "like_it", c.unsaid)
	c.last, c.unsaid = time.Now(), 0
}
