package main

import (
	"bytes"
	"context"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

var began = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

type part struct {
	trace, id, parent byte
	service, name     string
	from, to          time.Duration
	failed            bool
	order             string
}

func traces(parts ...part) ptrace.Traces {
	td := ptrace.NewTraces()
	for _, p := range parts {
		rs := td.ResourceSpans().AppendEmpty()
		rs.Resource().Attributes().PutStr("service.name", p.service)
		s := rs.ScopeSpans().AppendEmpty().Spans().AppendEmpty()
		s.SetTraceID(pcommon.TraceID{15: p.trace})
		s.SetSpanID(pcommon.SpanID{7: p.id})
		if p.parent != 0 {
			s.SetParentSpanID(pcommon.SpanID{7: p.parent})
		}
		s.SetName(p.name)
		s.SetStartTimestamp(pcommon.NewTimestampFromTime(began.Add(p.from)))
		s.SetEndTimestamp(pcommon.NewTimestampFromTime(began.Add(p.to)))
		if p.failed {
			s.Status().SetCode(ptrace.StatusCodeError)
		}
		if p.order != "" {
			s.Attributes().PutStr(orderKey, p.order)
		}
	}
	return td
}

const anOrder = "019ab3f0-0000-7000-8000-000064737639"

func shopping() ptrace.Traces {
	return traces(
		part{1, 3, 2, "consumer", "process orders", 20e6, 95e6, true, anOrder},
		part{1, 1, 0, "producer", "POST /orders", 0, 8e6, false, ""},
		part{1, 2, 1, "producer", "publish orders", 2e6, 7e6, false, anOrder},
		part{1, 4, 2, "consumer", "process orders", 96e6, 100e6, false, ""},
	)
}

func line(trace, span byte, text string, at time.Duration) plog.Logs {
	ld := plog.NewLogs()
	l := ld.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords().AppendEmpty()
	if trace != 0 {
		l.SetTraceID(pcommon.TraceID{15: trace})
		l.SetSpanID(pcommon.SpanID{7: span})
	}
	l.SetSeverityText("INFO")
	l.Body().SetStr(text)
	l.Attributes().PutStr(orderKey, anOrder)
	l.SetTimestamp(pcommon.NewTimestampFromTime(began.Add(at)))
	return ld
}

func TestWaterfall(t *testing.T) {
	t.Parallel()
	s := newStore(defaultLimits)
	s.addLogs(line(1, 3, "order received", 21e6)) // before its span
	s.addTraces(shopping())
	id := s.search("64737639", func(Summary) bool { return true }, 1)[0].Trace
	tr, _ := s.find(id)
	got := strings.Join(waterfall(tr), "\n")
	want := `
trace …00000001, order …64737639: 100 ms, 4 spans, 2 services
  producer   POST /orders                       ██▍                               8.0 ms
  producer     publish orders                   ██                                5.0 ms
  consumer       process orders                       ██████████████████████▌    75.0 ms ✗
                 · INFO order received
  consumer       process orders                                             ██    4.0 ms`
	trim := func(text string) string {
		lines := strings.Split(text, "\n")
		for i := range lines {
			lines[i] = strings.TrimRight(lines[i], " ")
		}
		return strings.Join(lines, "\n")
	}
	if "\n"+trim(got) != want {
		t.Errorf("got\n%s\nwant%s", got, want)
	}
	for _, l := range strings.Split(got, "\n") {
		if n := len([]rune(l)); n > 95 {
			t.Errorf("%d characters are too wide for a terminal: %s", n, l)
		}
	}
}

// Others decide what they send, and it must not move the cursor of the terminal it is printed
// on.
func TestWaterfallIsHarmless(t *testing.T) {
	t.Parallel()
	s := newStore(defaultLimits)
	s.addTraces(traces(part{1, 1, 9, "evil\x1b[2J", "a\nb\u009b", 0, -5, false,
		"o\x1b[2J\u202e"}))
	s.addLogs(line(1, 1, "two\nlines\x1b]0;title\a", 0))
	tr, _ := s.find(s.search("", func(Summary) bool { return true }, 1)[0].Trace)
	lines := waterfall(tr)
	if text := strings.Join(lines, ""); strings.ContainsAny(text, "\x1b\n\a\u009b\u202e") {
		t.Errorf("%q", text)
	}
	if !strings.Contains(lines[0], "order o·[2J·, order ") {
		t.Errorf("the order is named so: %q", lines[0])
	}
	if !strings.Contains(lines[0], "NOT WHOLE") || !strings.Contains(lines[1], "? a·b·") {
		t.Errorf("a span without its parent is not marked: %q", lines)
	}
}

// Each trace is printed once it is whole and quiet, and a burst does not flood the terminal.
func TestPrintsFinishedTraces(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStore(defaultLimits)
		ctx, cancel := context.WithCancel(t.Context())
		var out paper
		ended := make(chan error, 1)
		go func() { ended <- printFinished(ctx, s, &out) }()
		s.addTraces(shopping())
		s.addTraces(traces(part{9, 1, 7, "consumer", "orphan", 0, 1, false, ""}))
		time.Sleep(quietFor + 2*pace)
		synctest.Wait()
		if text := out.tear(); !strings.Contains(text, "process orders") ||
			strings.Contains(text, "orphan") {
			t.Errorf("after a while:\n%s", text)
		}
		time.Sleep(patience)
		synctest.Wait()
		if text := out.tear(); !strings.Contains(text, "? orphan") ||
			strings.Contains(text, "process orders") {
			t.Errorf("after a long while:\n%s", text)
		}
		for i := range 50 {
			s.addTraces(traces(part{byte(i + 20), 1, 0, "shop", "burst", 0, 1, i == 7, ""}))
		}
		time.Sleep(quietFor + 2*pace)
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		text := out.tear()
		if !strings.Contains(text, "and 49 more") || !strings.Contains(text, "✗") {
			t.Errorf("of a burst:\n%s", text)
		}
	})
}

// However much is sent, and of whatever shape, memory stays bounded and the newest is there.
func TestMemoryIsBounded(t *testing.T) {
	t.Parallel()
	small := limits{bytes: 100_000, traceBytes: 50_000, looseBytes: 10_000, metricBytes: 40_000,
		perTrace: 10, looseLogs: 5, orders: 3, series: 20, metrics: 2, buckets: 5,
		value: 100, attrs: 4, eventsAndLink: 2}
	s := newStore(small)
	long := strings.Repeat("ü", 10_000)
	for i := range 2000 {
		td := traces(part{1, 1, 0, long, long, 0, 1, false, fmt.Sprint("order-", i)})
		span := td.ResourceSpans().At(0).ScopeSpans().At(0).Spans().At(0)
		span.SetTraceID(pcommon.TraceID{0: 1, 14: byte(i >> 8), 15: byte(i)})
		for j := range 50 {
			span.Attributes().PutStr(fmt.Sprint("key", j), long)
			span.Events().AppendEmpty().SetName(long)
			span.Links().AppendEmpty()
		}
		s.addTraces(td)
		s.addTraces(traces(part{200, byte(i), 0, "shop", "one trace", 0, 1, false, ""}))
		s.addLogs(line(200, 1, long, 0))
		s.addLogs(line(0, 0, long, 0))
		s.addMetrics(gauge(fmt.Sprint("m", i%5), fmt.Sprint(i)))
	}
	if s.bytes > small.bytes || len(s.traces) > 100 {
		t.Errorf("%d bytes, %d traces", s.bytes, len(s.traces))
	}
	sum := 0
	for _, tr := range s.traces {
		sum += tr.bytes
		if len(tr.spans) > small.perTrace || len(tr.logs) > small.perTrace {
			t.Errorf("a trace of %d spans and %d lines", len(tr.spans), len(tr.logs))
		}
	}
	if sum != s.bytes {
		t.Errorf("counted %d bytes, are %d", s.bytes, sum)
	}
	if len(s.loose) > small.looseLogs || len(s.metrics) > small.metrics {
		t.Errorf("%d loose lines, %d metrics", len(s.loose), len(s.metrics))
	}
	sum = 0
	for name, m := range s.metrics {
		if len(m.series) > small.series {
			t.Errorf("%s: %d series", name, len(m.series))
		}
		for _, one := range m.series {
			sum += one.size()
		}
	}
	if sum != s.metricBytes || sum > small.metricBytes {
		t.Errorf("counted %d bytes of series, are %d", s.metricBytes, sum)
	}
	if s.counts.DroppedTraces == 0 || s.counts.DroppedParts == 0 {
		t.Errorf("it does not say what it dropped: %+v", s.counts)
	}
	newest := s.search("order-1999", func(Summary) bool { return true }, 1)
	if len(newest) != 1 {
		t.Error("the newest trace is gone")
	}
}

// Whoever sends much of one thing gets no more room for it: one endless trace, lines without a
// trace, series, a histogram with a million buckets. Here it is the heap that is asked. Not
// parallel: the heap is everybody's.
func TestHeapIsBounded(t *testing.T) {
	const room = 4 << 20
	l := defaultLimits
	l.bytes, l.traceBytes, l.looseBytes, l.metricBytes = room, room/4, room/4, room
	fat := strings.Repeat("x", l.value)
	fill := func(m pcommon.Map) {
		for i := range l.attrs {
			m.PutStr(fmt.Sprint("key", i), fat)
		}
	}
	for name, send := range map[string]func(*store, int){
		"spans of one trace": func(s *store, i int) {
			td := traces(part{1, byte(i), 0, fat, fat, 0, 1, false, ""})
			span := td.ResourceSpans().At(0).ScopeSpans().At(0).Spans().At(0)
			span.SetSpanID(pcommon.SpanID{6: byte(i >> 8), 7: byte(i) | 1})
			fill(span.Attributes())
			fill(span.Events().AppendEmpty().Attributes())
			s.addTraces(td)
		},
		"lines of one trace":    func(s *store, _ int) { s.addLogs(fatLine(1, fat, fill)) },
		"lines without a trace": func(s *store, _ int) { s.addLogs(fatLine(0, fat, fill)) },
		"series": func(s *store, i int) {
			md := gauge(fmt.Sprint("m", i%7), fmt.Sprint(i))
			fill(md.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().At(0).
				Gauge().DataPoints().At(0).Attributes())
			s.addMetrics(md)
		},
		"buckets": func(s *store, i int) {
			md := pmetric.NewMetrics()
			m := md.ResourceMetrics().AppendEmpty().ScopeMetrics().AppendEmpty().Metrics().AppendEmpty()
			m.SetName(fmt.Sprint("m", i%100))
			m.SetEmptyHistogram().DataPoints().AppendEmpty().ExplicitBounds().
				FromRaw(make([]float64, 100_000))
			s.addMetrics(md)
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStore(l)
			before := heap()
			for i := range 600 {
				send(s, i)
			}
			// Twice the room: it is counted roughly.
			if grown := heap() - before; grown > 2*room {
				t.Errorf("the heap grew by %d MB, its bound is %d MB", grown>>20, 2*room>>20)
			}
			runtime.KeepAlive(s)
		})
	}
}

func fatLine(trace byte, fat string, fill func(pcommon.Map)) plog.Logs {
	ld := line(trace, 1, fat, 0)
	l := ld.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0)
	l.SetSeverityText(strings.Repeat(fat, 20))
	fill(l.Attributes())
	return ld
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func gauge(name, attr string) pmetric.Metrics {
	md := pmetric.NewMetrics()
	m := md.ResourceMetrics().AppendEmpty().ScopeMetrics().AppendEmpty().Metrics().AppendEmpty()
	m.SetName(name)
	p := m.SetEmptyGauge().DataPoints().AppendEmpty()
	p.Attributes().PutStr(orderKey, attr)
	p.SetIntValue(7)
	return md
}

func TestFigures(t *testing.T) {
	t.Parallel()
	s := newStore(defaultLimits)
	s.addTraces(shopping())
	s.addTraces(traces(part{2, 1, 9, "shop", "orphan", time.Hour, time.Hour, false, "x"}))
	s.addLogs(line(0, 0, "order accepted", 0))
	for i := range 30 {
		s.addMetrics(gauge("m", fmt.Sprint(i)))
	}
	for since, want := range map[time.Duration]map[string]float64{
		0: {"traces": 2, "orders traced": 2, "spans per trace": 1, "services per trace": 1,
			"broken traces": 1, "failing traces": 1, "series": 30, "loose log lines": 1},
		time.Minute: {"traces": 1, "orders traced": 1, "spans per trace": 1, "broken traces": 1,
			"failing traces": 0, "loose log lines": 0},
	} {
		got := s.figures(began.Add(since).UnixNano())
		for name, value := range want {
			if got[name] != value {
				t.Errorf("since %v: %s is %v, want %v", since, name, got[name], value)
			}
		}
	}
	workers := s.workers(0)
	if len(workers) != 4 || workers[2].Name != "process orders" || workers[2].Failed != 1 ||
		workers[2].Median != 75e6 {
		t.Errorf("workers: %+v", workers)
	}
}

// A client that had no answer sends again: that is no second span.
func TestTheSameSpanTwiceIsOne(t *testing.T) {
	t.Parallel()
	s := newStore(defaultLimits)
	s.addTraces(shopping())
	before := s.bytes
	s.addTraces(shopping())
	if found := s.search("", func(Summary) bool { return true }, 5); len(found) != 1 ||
		found[0].Spans != 4 || s.bytes != before {
		t.Errorf("%+v, %d bytes after %d", found, s.bytes, before)
	}
}

// paper is what a test lets print on.
type paper struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (p *paper) Write(text []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.b.Write(text)
}

// tear returns what was printed since the last time.
func (p *paper) tear() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	defer p.b.Reset()
	return p.b.String()
}
