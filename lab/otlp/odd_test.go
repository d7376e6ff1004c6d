package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// A measurement may be no number: failed/total with a total of 0. JSON cannot say so, and the
// other metrics are shown all the same.
func TestNumbersThatAreNone(t *testing.T) {
	t.Parallel()
	s := newStore(defaultLimits)
	md := pmetric.NewMetrics()
	metrics := md.ResourceMetrics().AppendEmpty().ScopeMetrics().AppendEmpty().Metrics()
	for i, value := range []float64{math.NaN(), math.Inf(1), math.Inf(-1), 7} {
		m := metrics.AppendEmpty()
		m.SetName(fmt.Sprint("gauge", i))
		p := m.SetEmptyGauge().DataPoints().AppendEmpty()
		p.SetDoubleValue(value)
		e := p.Exemplars().AppendEmpty()
		e.SetDoubleValue(value)
		e.SetTraceID(pcommon.TraceID{15: 1})
	}
	m := metrics.AppendEmpty()
	m.SetName("histogram")
	p := m.SetEmptyHistogram().DataPoints().AppendEmpty()
	p.SetSum(math.NaN())
	p.SetCount(1)
	p.ExplicitBounds().FromRaw([]float64{1, math.Inf(1)})
	p.BucketCounts().FromRaw([]uint64{1, 0, 0})
	s.addMetrics(md)
	web := httptest.NewServer(newHandler(s))
	defer web.Close()
	all := get[[]struct {
		Name   string
		Series []struct {
			Value     *float64
			Bounds    []*float64
			Exemplars []struct{ Value *float64 }
		}
	}](t, addresses{web: web.URL}, "/api/metrics")
	if len(all) != 5 {
		t.Fatalf("%d metrics, want 5", len(all))
	}
	for _, m := range all {
		one := m.Series[0]
		switch m.Name {
		case "gauge3":
			if one.Value == nil || *one.Value != 7 || *one.Exemplars[0].Value != 7 {
				t.Errorf("%s: %+v", m.Name, one)
			}
		case "histogram":
			if one.Value != nil || len(one.Bounds) != 2 || *one.Bounds[0] != 1 || one.Bounds[1] != nil {
				t.Errorf("%s: %+v", m.Name, one)
			}
		default:
			if one.Value != nil || one.Exemplars[0].Value != nil {
				t.Errorf("%s is a number: %+v", m.Name, one)
			}
		}
	}
}

// What is not kept is said, over HTTP in both encodings and over gRPC (OTLP, Partial Success).
func TestSaysWhatItDoesNotKeep(t *testing.T) {
	t.Parallel()
	_, at := receiver(t)
	td := ptrace.NewTraces()
	spans := td.ResourceSpans().AppendEmpty().ScopeSpans().AppendEmpty().Spans()
	spans.AppendEmpty().SetTraceID(pcommon.TraceID{15: 1}) // and no identity of its own
	spans.AppendEmpty().SetSpanID(pcommon.SpanID{7: 1})    // and none of its trace
	good := spans.AppendEmpty()
	good.SetTraceID(pcommon.TraceID{15: 1})
	good.SetSpanID(pcommon.SpanID{7: 2})
	r := ptraceotlp.NewExportRequestFromTraces(td)
	inJSON, err := r.MarshalJSON()
	inProto, also := r.MarshalProto()
	if err != nil || also != nil {
		t.Fatal(err, also)
	}
	for name, c := range map[string]struct {
		body []byte
		read func(ptraceotlp.ExportResponse, []byte) error
	}{
		typeJSON:  {inJSON, ptraceotlp.ExportResponse.UnmarshalJSON},
		typeProto: {inProto, ptraceotlp.ExportResponse.UnmarshalProto},
	} {
		res, err := http.Post(at.web+"/v1/traces", name, strings.NewReader(string(c.body)))
		if err != nil {
			t.Fatal(err)
		}
		raw, err := io.ReadAll(res.Body)
		answer := ptraceotlp.NewExportResponse()
		if err != nil || res.Body.Close() != nil || c.read(answer, raw) != nil {
			t.Fatalf("%s: %v, %q", name, err, raw)
		}
		checkPartial(t, name, res.StatusCode, answer)
	}
	conn, err := grpc.NewClient(at.rpc, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	answer, err := ptraceotlp.NewGRPCClient(conn).Export(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	checkPartial(t, "gRPC", 200, answer)
}

func checkPartial(t *testing.T, name string, status int, answer ptraceotlp.ExportResponse) {
	t.Helper()
	partial := answer.PartialSuccess()
	if status != 200 || partial.RejectedSpans() != 2 ||
		!strings.Contains(partial.ErrorMessage(), "identity") {
		t.Errorf("%s: %d, rejected %d: %q", name, status, partial.RejectedSpans(),
			partial.ErrorMessage())
	}
}

func TestSaysForWhatThereIsNoRoom(t *testing.T) {
	t.Parallel()
	l := defaultLimits
	l.perTrace, l.metrics, l.series = 2, 1, 2
	s := newStore(l)
	var parts []part
	logs := plog.NewLogs()
	records := logs.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords()
	md := pmetric.NewMetrics()
	metrics := md.ResourceMetrics().AppendEmpty().ScopeMetrics().AppendEmpty().Metrics()
	for i := range byte(5) {
		parts = append(parts, part{1, i + 1, 0, "a", "b", 0, 1, false, ""})
		records.AppendEmpty().SetTraceID(pcommon.TraceID{15: 1})
	}
	for _, name := range []string{"one", "two"} {
		m := metrics.AppendEmpty()
		m.SetName(name)
		m.SetEmptySum()
		for i := range int64(5) {
			m.Sum().DataPoints().AppendEmpty().Attributes().PutInt("i", i)
		}
	}
	if n, why := s.addTraces(traces(parts...)); n != 3 || why != noRoom {
		t.Errorf("spans: %d, %q", n, why)
	}
	if n := s.addLogs(logs); n != 3 {
		t.Errorf("lines: %d", n)
	}
	if n := s.addMetrics(md); n != 8 { // three of the first metric, and all of the second
		t.Errorf("points: %d", n)
	}
	answer := keepMetrics(s, pmetricotlp.NewExportRequestFromMetrics(md))
	if n := answer.PartialSuccess().RejectedDataPoints(); n != 8 {
		t.Errorf("the answer says %d", n)
	}
}

// Spans that are each other's parents are shown, and the trace is not whole.
func TestSpansInARing(t *testing.T) {
	t.Parallel()
	s := newStore(defaultLimits)
	s.addTraces(traces(
		part{1, 1, 2, "a", "first", 0, 9, false, ""}, part{1, 2, 3, "a", "second", 1, 9, false, ""},
		part{1, 3, 1, "a", "third", 2, 9, false, ""}, part{1, 4, 4, "a", "itself", 5, 9, false, ""},
		part{1, 5, 0, "a", "root", 0, 9, false, ""}))
	tr, _ := s.find(s.search("", func(Summary) bool { return true }, 1)[0].Trace)
	var rows []string
	for _, r := range tr.Rows {
		rows = append(rows, fmt.Sprintf("%d %s %t", r.Depth, r.Name, r.Lost))
	}
	want := "0 root false, 0 first true, 1 third false, 2 second false, 0 itself true"
	if got := strings.Join(rows, ", "); got != want || tr.Whole || tr.Spans != 5 {
		t.Errorf("rows %s, whole %t; want %s", got, tr.Whole, want)
	}
}

// With sampling there are lines of traces that nobody draws. Nothing of them is missing. Of a
// trace that is drawn there is, until its spans come.
func TestLinesOfATraceThatIsNotSampled(t *testing.T) {
	t.Parallel()
	for name, sampled := range map[string]bool{"sampled": true, "not sampled": false} {
		s := newStore(defaultLimits)
		ld := line(1, 1, "order received", time.Second)
		record := ld.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0)
		record.SetFlags(plog.DefaultLogRecordFlags.WithIsSampled(sampled))
		s.addLogs(ld)
		found := s.search("", func(Summary) bool { return true }, 1)[0]
		if found.Whole == sampled || found.Sampled != sampled {
			t.Errorf("%s: %+v", name, found)
		}
		if broken := s.figures(0)["broken traces"]; (broken == 1) != sampled {
			t.Errorf("%s: %v broken traces", name, broken)
		}
	}
}

// A page of another site can neither read what was received nor send anything.
func TestAnswersOnlyItsOwnPage(t *testing.T) {
	t.Parallel()
	at := make(chan string, 1)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, []string{"-http", "127.0.0.1:0", "-grpc", "127.0.0.1:0"}, io.Discard, at) }()
	defer func() { cancel(); <-ended }()
	address := <-at
	for _, c := range []struct {
		method, host, origin string
		want                 int
	}{
		{http.MethodGet, "", "", 200},
		{http.MethodGet, "localhost:4318", "", 200},
		{http.MethodGet, "evil.example", "", 403},
		{http.MethodPost, "", "", 200},
		{http.MethodPost, "", "http://evil.example", 403},
		{http.MethodPost, "evil.example", "", 403},
		{http.MethodPost, "evil.example", "http://evil.example", 403},
	} {
		path := "/api/traces"
		if c.method == http.MethodPost {
			path = "/v1/traces"
		}
		r, err := http.NewRequestWithContext(ctx, c.method, "http://"+address+path,
			strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", typeJSON)
		if r.Host = c.host; c.origin != "" {
			r.Header.Set("Origin", c.origin)
		}
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		if err := res.Body.Close(); err != nil || res.StatusCode != c.want {
			t.Errorf("%s, host %q, origin %q: %s, want %d", c.method, c.host, c.origin, res.Status, c.want)
		}
	}
}

// Whatever the JSON of the page's API holds, it can be read as JSON.
func TestNumberInJSON(t *testing.T) {
	t.Parallel()
	for value, want := range map[number]string{
		number(math.Inf(1)): "null", number(math.Inf(-1)): "null", 0: "0", 1.5: "1.5",
	} {
		if raw, err := json.Marshal(value); err != nil || string(raw) != want {
			t.Errorf("%v is %s, %v; want %s", float64(value), raw, err, want)
		}
	}
}
