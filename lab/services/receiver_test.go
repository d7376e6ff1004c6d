//go:build unix

package services

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"
)

// oneTrace is a whole trace of one span, which names an order.
const oneTrace = `{"resourceSpans":[{"resource":{"attributes":[{"key":"service.name",
"value":{"stringValue":"shop"}}]},"scopeSpans":[{"spans":[{
"traceId":"5b8efff798038103d269b633813fc60c","spanId":"eee19b7ec3c1b174","name":"POST /orders",
"attributes":[{"key":"order","value":{"stringValue":"an-order-64737639"}}],
"startTimeUnixNano":"1944712660000000000","endTimeUnixNano":"1944712661000000000"}]}]}]}`

// Without Docker one receiver takes the place of Jaeger and Seq, and prints what arrives.
func TestReceiverStandsInForJaegerAndSeq(t *testing.T) {
	t.Setenv("LAB_SKIP", "docker,port")
	c, _ := bench(t)
	printed := make(chan string, 100)
	c.opts.Relay = func(line string) { printed <- line }
	jaeger := provide(t, c, Need{Kind: Jaeger})[0]
	seq := provide(t, c, Need{Kind: Seq})[0]
	if seq.URL != jaeger.URL || !jaeger.Owned() || seq.Owned() {
		t.Errorf("jaeger at %s, owned %v; seq at %s, owned %v",
			jaeger.URL, jaeger.Owned(), seq.URL, seq.Owned())
	}
	must(t, jaeger.Ready(t.Context()), seq.Ready(t.Context()))
	env, cleanup, err := Servers{jaeger, seq}.Isolate(t.Context(), "test")
	must(t, err, cleanup(t.Context()))
	if env["OTEL_EXPORTER_OTLP_ENDPOINT"] != jaeger.URL || env[metricsExporter] != "" ||
		env["OTEL_EXPORTER_OTLP_LOGS_ENDPOINT"] != jaeger.URL+"/ingest/otlp/v1/logs" {
		t.Errorf("environment %v", env)
	}

	must(t, post(t.Context(), jaeger.URL))
	select {
	case line := <-printed:
		if !strings.Contains(line, "order …64737639") {
			t.Errorf("printed %q", line)
		}
	case <-time.After(30 * time.Second):
		t.Error("the trace was not printed")
	}
	figures, err := jaeger.Figures(t.Context(), time.Now())
	must(t, err)
	if figures["orders traced"] != 1 || figures["broken traces"] != 0 {
		t.Errorf("figures %v", figures)
	}
	if figures, err = jaeger.Figures(t.Context(), time.Now().Add(100*365*24*time.Hour)); err != nil ||
		figures["traces"] != 0 {
		t.Errorf("figures of the future %v, %v", figures, err)
	}
}

// A backend that is named in the environment gets the log lines, too: a lab that kept them for
// itself would not do what OpenTelemetry's variable says.
func TestNamedBackendTakesTheLogs(t *testing.T) {
	t.Parallel()
	named := func(kind Kind) *Server {
		return &Server{Kind: kind, URL: "http://named", Provider: traits[kind].env}
	}
	ours := func(kind Kind) *Server {
		return &Server{Kind: kind, URL: "http://ours", Provider: "stand-in", figures: true}
	}
	for _, c := range []struct {
		name string
		all  Servers
		logs string
	}{
		{"none", Servers{ours(Jaeger), ours(Seq)}, "http://ours/ingest/otlp/v1/logs"},
		{"the endpoint", Servers{named(Jaeger), ours(Seq)}, ""},
		{"Seq", Servers{ours(Jaeger), named(Seq)}, "http://named/ingest/otlp/v1/logs"},
		{"both", Servers{named(Jaeger), named(Seq)}, "http://named/ingest/otlp/v1/logs"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := c.all.Env()[logsEndpoint]; got != c.logs {
				t.Errorf("lines go to %q, want %q", got, c.logs)
			}
		})
	}
}

func post(ctx context.Context, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/v1/traces",
		strings.NewReader(oneTrace))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	_, err = doHTTP(req, "the receiver")
	return err
}

// A private one is always the lab's own, so that an experiment can ask it; it can hang and be
// killed.
func TestPrivateReceiverCanBeBroken(t *testing.T) {
	report := func(c *Chain) string {
		_, err := c.lookDocker(t.Context(), Need{Kind: Jaeger, Private: true})
		return err.Error()
	}
	c, _ := bench(t)
	if text := report(c); !strings.Contains(text, "own receiver") {
		t.Errorf("docker: %q", text)
	}
	s := provide(t, c, Need{Kind: Jaeger, Private: true})[0]
	must(t, s.Pause(t.Context()))
	// The signal is delivered when the system likes.
	await(t, "a receiver that does not answer", func() bool {
		short, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		return errors.Is(s.Ready(short), context.DeadlineExceeded)
	})
	must(t, s.Resume(t.Context()), s.Ready(t.Context()),
		s.Kill(t.Context()), s.Start(t.Context()), s.Ready(t.Context()))
}

func TestPauseNeedsAProcess(t *testing.T) {
	t.Setenv("LAB_SKIP", "docker,port,native")
	c, _ := bench(t)
	s := provide(t, c, Need{Kind: Redis})[0]
	if err := s.Pause(t.Context()); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("paused what is no process: %v", err)
	}
	if figures, err := s.Figures(t.Context(), time.Now()); figures != nil || err != nil {
		t.Errorf("redis knows %v, %v", figures, err)
	}
}

func TestLinesAreHandedOnWhole(t *testing.T) {
	t.Parallel()
	var got []string
	w := &lineWriter{emit: func(line string) { got = append(got, line) }}
	for _, text := range []string{"a", "b\nc\n\nd", "e\n", strings.Repeat("x", maxLine), "y\n"} {
		if n, err := w.Write([]byte(text)); n != len(text) || err != nil {
			t.Errorf("wrote %d, %v", n, err)
		}
	}
	if len(got) != 6 || got[0] != "ab" || got[3] != "de" || len(got[4]) != maxLine || got[5] != "y" {
		t.Errorf("%q", got)
	}
}
