package observability

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"course.example/shop"
	"github.com/ThreeDotsLabs/watermill/message"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.uber.org/goleak"
)

// Traces fan in: a batch is worked off when it is full or when the clock says so, once, with a
// link to each of its events, and every one of them learns how it went.
func TestBatch(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ events, batches, first int }{{3, 1, 3}, {8, 1, 8}, {11, 2, 8}} {
		t.Run(fmt.Sprint(c.events), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				spans := tracetest.NewInMemoryExporter()
				provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans))
				tracer := provider.Tracer("test")
				noMail := errors.New("no truck")
				b := newBatcher(tracer, 8, time.Second, func(_ context.Context, e []Emailed) error {
					return noMail
				})
				done := make(chan error, c.events)
				for i := range c.events {
					go func() {
						ctx, span := tracer.Start(t.Context(), "process")
						defer span.End()
						done <- b.add(ctx, Emailed{OrderID: fmt.Sprint(i)})
					}()
					synctest.Wait()
				}
				for range c.events {
					if err := <-done; !errors.Is(err, noMail) {
						t.Errorf("an event was not told: %v", err)
					}
				}
				synctest.Wait() // the last span ends behind the last answer
				var links []int
				for _, s := range spans.GetSpans() {
					if s.Name == "ship parcels" {
						links = append(links, len(s.Links))
						if s.Parent.IsValid() {
							t.Error("a batch is the child of one of its events")
						}
					}
				}
				if len(links) != c.batches || links[0] != c.first {
					t.Errorf("batches of %v", links)
				}
			})
		})
	}
}

// What is packed is an order, under one spelling of its identity.
func TestEventsOfStrangers(t *testing.T) {
	t.Parallel()
	const id = "0199d3a0-7c1e-7000-8000-000000000008"
	for payload, good := range map[string]bool{
		`{"order_id": "` + id + `"}`:                           true,
		`{"order_id": "URN:UUID:` + strings.ToUpper(id) + `"}`: true,
		`{"order_id": "seven"}`:                                false,
		`{"order_id": "` + id + `\u0000"}`:                     false,
		`{"order_id": 7}`:                                      false,
		`{}`:                                                   false,
		`null`:                                                 false,
		``:                                                     false,
	} {
		event, err := decodeEmailed([]byte(payload))
		if (err == nil) != good || good && event.OrderID != id ||
			!good && !errors.Is(err, errUnreadable) {
			t.Errorf("%s: %+v, %v", payload, event, err)
		}
	}
}

// The pauses double from the first. They are random by a half, so that consumers that fail
// together do not come back together.
func TestPausesDouble(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := DefaultSettings()
		var at []time.Time
		fails := func(*message.Message) ([]*message.Message, error) {
			at = append(at, time.Now())
			return nil, errMailServer
		}
		m := message.NewMessage("1", nil)
		if _, err := retrying(s)(fails)(m); !errors.Is(err, errMailServer) || len(at) != s.Attempts {
			t.Fatalf("after %d attempts: %v", len(at), err)
		}
		for i, want := range []time.Duration{s.Pause, 2 * s.Pause} {
			if took := at[i+1].Sub(at[i]); took < want/2 || took > want*3/2 {
				t.Errorf("pause %d is %s, want %s more or less", i+1, took, want)
			}
		}
		at = nil
		_, err := retrying(s)(func(*message.Message) ([]*message.Message, error) {
			at = append(at, time.Now())
			return nil, unreadable(errors.New("no JSON"))
		})(m)
		if !errors.Is(err, errUnreadable) || len(at) != 1 {
			t.Errorf("what cannot be read: %v after %d attempts", err, len(at))
		}
	})
}

func TestSettingsSayWhatIsWrong(t *testing.T) {
	for _, c := range []struct {
		args []string
		env  string
		want string
	}{
		{args: []string{"-variant", "none"}, want: "no-propagation"},
		{args: []string{"-amqp-url", "http://x"}, want: "amqp://user:password@host"},
		{args: []string{"-amqp-url", "amqp://u:secret@ho st/"}, want: "not an AMQP address"},
		{args: []string{"-work", "-1s"}, want: "work must not be negative"},
		{args: []string{"-workers", "0"}, want: "workers must be 1 to 1000"},
		{args: []string{"-attempts", "101"}, want: "attempts must be 1 to 100"},
		{args: []string{"-flush", "2h"}, want: "flush must be 0s to 1m"},
		{args: []string{"-heartbeat", "1ms"}, want: "heartbeat must be 1s to 1h"},
		{args: []string{"-colour", "red"}, want: "-h lists the flags"},
		{env: endpointVar, want: "not a URL like http://127.0.0.1:4318"},
		{env: "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", want: "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT="},
		{env: seqVar, want: "SEQ_URL="},
	} {
		t.Run(fmt.Sprint(c.args, c.env), func(t *testing.T) {
			if c.env != "" {
				t.Setenv(c.env, "somewhere")
			}
			_, err := ReadSettings("consumer", c.args)
			if usage := new(shop.UsageError); !errors.As(err, &usage) ||
				!strings.Contains(err.Error(), c.want) {
				t.Errorf("said %v, want something with %q", err, c.want)
			}
			if err != nil && strings.Contains(err.Error(), "secret") {
				t.Errorf("it tells the password: %v", err)
			}
		})
	}
	if _, err := ReadSettings("producer", []string{"-h"}); !errors.Is(err, flag.ErrHelp) {
		t.Errorf("asked for help: %v", err)
	}
}

// What Prometheus reads: the counters, the histogram with exemplars that lead to a trace, the
// observed gauges, and the runtime.
func TestPageForPrometheus(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.produce()
	b := w.connect()
	tel := w.telemetry("consumer", "consumer-1")
	unobserve, err := tel.Observe(b, OrdersTopic)
	must(t, err)
	for range 3 {
		w.order("", "") // nobody takes them yet
	}
	read := func() string { return scrape(tel) }
	// The broker counts a message a moment after it has confirmed it.
	eventually(t, "three orders in the queue", func() bool { return threeWait.MatchString(read()) })
	s := w.s
	s.Process = "consumer-1"
	router, err := NewConsumer(b, tel, s)
	must(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- Drain(ctx, router) }()
	text := ""
	eventually(t, "three processed orders", func() bool {
		text = read()
		return threeProcessed.MatchString(text)
	})
	for _, want := range []string{"messaging_process_duration_seconds_bucket{", "# {", `trace_id="`,
		"shop_queue_lag_seconds{", "go_memory_used_bytes"} {
		if !strings.Contains(text, want) {
			t.Errorf("the page lacks %s:\n%s", want, text)
		}
	}
	cancel()
	must(t, <-ended)
	must(t, unobserve())
	check(t, b.Close())
	tel.Stop()
	w.end()
	// The same by OTLP: the exemplars of the receiver lead to traces that it has.
	type metric struct {
		Name   string
		Series []struct{ Exemplars []struct{ Trace string } }
	}
	all := ask[[]metric](t, w.receiver+"/api/metrics")
	i := slices.IndexFunc(all, func(m metric) bool { return m.Name == "messaging.process.duration" })
	if i < 0 || len(all[i].Series[0].Exemplars) == 0 {
		t.Fatalf("no exemplars have arrived: %+v", all)
	}
	ask[seenTrace](t, w.receiver+"/api/traces/"+all[i].Series[0].Exemplars[0].Trace)
}

var (
	threeWait      = regexp.MustCompile(`(?m)^shop_queue_depth\w*\{.*\} 3\.0$`)
	threeProcessed = regexp.MustCompile(`(?m)^shop_orders_processed_total\{.*\} 3\.0`)
)

// scrape reads the page as Prometheus does.
func scrape(tel *Telemetry) string {
	req := httptest.NewRequest(http.MethodGet, "/metrics", nil)
	req.Header.Set("Accept", "application/openmetrics-text; version=1.0.0")
	answer := httptest.NewRecorder()
	tel.Metrics.Handler.ServeHTTP(answer, req)
	return answer.Body.String()
}

// The lag is how long the message had waited that was taken last, as long as others wait.
func TestLagOfAConsumer(t *testing.T) {
	t.Parallel()
	w := newUnseenWorld(t)
	w.produce()
	b, tel := w.connect(), w.telemetry("consumer", "consumer-1")
	unobserve, err := tel.Observe(b, OrdersTopic)
	must(t, err)
	w.order("?count=60", "") // more than the broker pushes ahead
	goOn := make(chan struct{})
	router, err := NewRouter(b, tel, w.s, OrdersTopic, "",
		func(*message.Message) ([]*message.Message, error) { <-goOn; return nil, nil })
	must(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- Drain(ctx, router) }()
	lag := func() string {
		found := lagSeconds.FindStringSubmatch(scrape(tel))
		if found == nil {
			return ""
		}
		return found[1]
	}
	eventually(t, "a lag", func() bool {
		seconds, err := strconv.ParseFloat(lag(), 64)
		return err == nil && seconds > 0
	})
	close(goOn)
	eventually(t, "the end of the lag", func() bool { return lag() == "0.0" })
	cancel()
	must(t, <-ended)
	must(t, unobserve())
	check(t, b.Close())
	tel.Stop()
}

var lagSeconds = regexp.MustCompile(`(?m)^shop_queue_lag_seconds\{.*\} (\S+)$`)

// Nothing is left running. Not parallel: the goroutines of another test would be taken for a
// leak.
func TestNothingIsLeftRunning(t *testing.T) {
	w := newWorld(t)
	others := goleak.IgnoreCurrent()
	w.produce()
	w.consume("consumer", "consumer-1", NewConsumer)
	w.consume("shipper", "shipper", NewShipper)
	w.order("", "")
	w.order("", bouncing)
	w.end()
	http.DefaultClient.CloseIdleConnections()
	// The exporters keep their idle connections, as any HTTP client does: the server ends them.
	goleak.VerifyNone(t, others, goleak.IgnoreAnyFunction("net/http.(*persistConn).readLoop"),
		goleak.IgnoreAnyFunction("net/http.(*persistConn).writeLoop"))
}
