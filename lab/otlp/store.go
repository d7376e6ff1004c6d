package main

import (
	"container/list"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

// orderKey is the attribute that names an order, on spans and on log records.
const orderKey = "order"

// Span is one span, as the page's API has it.
type Span struct {
	ID       string  `json:"id"`
	Parent   string  `json:"parent,omitempty"`
	Name     string  `json:"name"`
	Kind     string  `json:"kind"`
	Service  string  `json:"service"`
	Instance string  `json:"instance"`
	Start    int64   `json:"start"` // nanoseconds since 1970
	End      int64   `json:"end"`
	Failed   bool    `json:"failed,omitempty"`
	Status   string  `json:"status,omitempty"`
	Attrs    []Attr  `json:"attrs,omitempty"`
	Events   []Event `json:"events,omitempty"`
	Links    []Link  `json:"links,omitempty"`
}

// Attr is an attribute, its value as text.
type Attr struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// Event is something that happened within a span, such as an error.
type Event struct {
	Time  int64  `json:"time"`
	Name  string `json:"name"`
	Attrs []Attr `json:"attrs,omitempty"`
}

// Link points from a span to one of another trace, or to another parent.
type Link struct {
	Trace string `json:"trace"`
	Span  string `json:"span"`
}

// Log is one log record.
type Log struct {
	Time     int64  `json:"time"`
	Level    string `json:"level"`
	Text     string `json:"text"`
	Service  string `json:"service"`
	Instance string `json:"instance"`
	Trace    string `json:"trace,omitempty"`
	Span     string `json:"span,omitempty"`
	Attrs    []Attr `json:"attrs,omitempty"`
}

// trace is all that has arrived of one trace. Its parts come in any order, from several
// processes.
type trace struct {
	id     string
	spans  map[string]*Span
	logs   []Log
	orders []string
	bytes  int
	// sampled says that there are spans of it, somewhere. Lines are sent of every trace, also of
	// one that nobody draws.
	sampled bool
	first   time.Time // when the first part arrived
	last    time.Time // when the last part arrived
	shown   bool      // printed since then
	place   *list.Element
}

// limits bound what the store keeps. Those in bytes are what bounds the memory; the others keep
// one part from taking the room of all the rest. Bytes are counted roughly.
type limits struct {
	bytes         int // of traces and their logs
	traceBytes    int // of one of them
	looseBytes    int // of log records that belong to no trace
	metricBytes   int // of series
	perTrace      int // spans of one trace, and as many logs
	looseLogs     int // log records that belong to no trace
	orders        int // order identities of one trace
	series        int // series of one metric
	metrics       int // metrics
	buckets       int // of one histogram
	value         int // bytes of one text
	attrs         int // attributes of one span, log or event
	eventsAndLink int // events, and links, of one span
}

var defaultLimits = limits{
	bytes: 64 << 20, traceBytes: 8 << 20, looseBytes: 8 << 20, metricBytes: 64 << 20,
	perTrace: 2000, looseLogs: 2000, orders: 1000, series: 20_000, metrics: 500, buckets: 200,
	value: 2 << 10, attrs: 64, eventsAndLink: 200,
}

// store keeps what was received, the oldest trace being dropped when it is full. It is safe for
// concurrent use.
type store struct {
	limits limits
	now    func() time.Time

	mu          sync.Mutex
	traces      map[string]*trace
	order       *list.List // of *trace, the oldest first
	loose       []Log
	metrics     map[string]*metric
	bytes       int // of traces
	looseBytes  int
	metricBytes int
	counts      Counts
}

// Counts says what has arrived since the start and what was dropped for lack of room.
type Counts struct {
	Spans         int `json:"spans"`
	Logs          int `json:"logs"`
	Points        int `json:"points"`
	DroppedTraces int `json:"dropped_traces"`
	DroppedParts  int `json:"dropped_parts"`
	Traces        int `json:"traces"` // kept now
	Bytes         int `json:"bytes"`  // kept now, roughly
}

func newStore(l limits) *store {
	return &store{
		limits: l, now: time.Now, traces: map[string]*trace{}, order: list.New(),
		metrics: map[string]*metric{},
	}
}

// addTraces returns how many spans were not kept, and why.
func (s *store) addTraces(td ptrace.Traces) (rejected int, why string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, rs := range td.ResourceSpans().All() {
		service, instance := s.origin(rs.Resource())
		for _, ss := range rs.ScopeSpans().All() {
			for _, span := range ss.Spans().All() {
				s.counts.Spans++
				if span.TraceID().IsEmpty() || span.SpanID().IsEmpty() {
					s.counts.DroppedParts++ // invalid by the specification
					rejected, why = rejected+1, "a span must have an identity and one of its trace"
					continue
				}
				if !s.addSpan(span.TraceID().String(), s.span(span, service, instance)) {
					rejected, why = rejected+1, noRoom
				}
			}
		}
	}
	s.evict()
	return rejected, why
}

const noRoom = "there is no room for more of it: this receiver keeps a bounded part"

// origin names where something comes from: the service, and which of its processes.
func (s *store) origin(r pcommon.Resource) (service, instance string) {
	service, instance = "unknown", ""
	if v, ok := r.Attributes().Get("service.name"); ok {
		service = s.cut(v.AsString())
	}
	if v, ok := r.Attributes().Get("service.instance.id"); ok {
		instance = s.cut(v.AsString())
	}
	if instance == "" {
		instance = service
	}
	return service, instance
}

func (s *store) span(in ptrace.Span, service, instance string) *Span {
	out := &Span{
		ID: in.SpanID().String(), Name: s.cut(in.Name()), Kind: in.Kind().String(),
		Service: service, Instance: instance,
		Start: int64(in.StartTimestamp()), End: int64(in.EndTimestamp()),
		Failed: in.Status().Code() == ptrace.StatusCodeError,
		Status: s.cut(in.Status().Message()), Attrs: s.attrs(in.Attributes()),
	}
	if !in.ParentSpanID().IsEmpty() {
		out.Parent = in.ParentSpanID().String()
	}
	for i, e := range in.Events().All() {
		if i == s.limits.eventsAndLink {
			break
		}
		out.Events = append(out.Events, Event{
			Time: int64(e.Timestamp()), Name: s.cut(e.Name()), Attrs: s.attrs(e.Attributes())})
	}
	for i, l := range in.Links().All() {
		if i == s.limits.eventsAndLink {
			break
		}
		out.Links = append(out.Links, Link{l.TraceID().String(), l.SpanID().String()})
	}
	return out
}

// addSpan is called with the lock held. A span that comes twice, from a client that had no
// answer the first time, takes the place of the first.
func (s *store) addSpan(id string, span *Span) (kept bool) {
	t := s.trace(id)
	size := span.size()
	old, again := t.spans[span.ID]
	if again {
		size -= old.size()
	}
	if !again && len(t.spans) >= s.limits.perTrace || t.bytes+size > s.limits.traceBytes {
		s.counts.DroppedParts++
		return false
	}
	t.spans[span.ID], t.sampled = span, true
	s.grow(t, size)
	s.touch(t, span.Attrs)
	return true
}

func (s *store) grow(t *trace, size int) {
	t.bytes += size
	s.bytes += size
}

func (s *store) trace(id string) *trace {
	t := s.traces[id]
	if t == nil {
		t = &trace{id: id, spans: map[string]*Span{}, first: s.now(), bytes: 400}
		t.place = s.order.PushBack(t)
		s.traces[id] = t
		s.bytes += t.bytes
	}
	return t
}

func (s *store) touch(t *trace, attrs []Attr) {
	t.last, t.shown = s.now(), false
	for _, a := range attrs {
		if a.Key == orderKey && len(t.orders) < s.limits.orders &&
			!slices.Contains(t.orders, a.Value) {
			t.orders = append(t.orders, a.Value)
			s.grow(t, len(a.Value)+16)
		}
	}
}

// evict drops the oldest traces until there is room again.
func (s *store) evict() {
	for s.bytes > s.limits.bytes && s.order.Len() > 1 {
		t := s.order.Front().Value.(*trace)
		s.order.Remove(t.place)
		delete(s.traces, t.id)
		s.bytes -= t.bytes
		s.counts.DroppedTraces++
	}
}

// addLogs returns how many records were not kept.
func (s *store) addLogs(ld plog.Logs) (rejected int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, rl := range ld.ResourceLogs().All() {
		service, instance := s.origin(rl.Resource())
		for _, sl := range rl.ScopeLogs().All() {
			for _, record := range sl.LogRecords().All() {
				s.counts.Logs++
				if !s.addLog(s.log(record, service, instance), record.Flags().IsSampled()) {
					rejected++
				}
			}
		}
	}
	s.evict()
	return rejected
}

func (s *store) log(in plog.LogRecord, service, instance string) Log {
	at := in.Timestamp()
	if at == 0 {
		at = in.ObservedTimestamp()
	}
	out := Log{
		Time: int64(at), Level: s.cut(in.SeverityText()), Text: s.cut(in.Body().AsString()),
		Service: service, Instance: instance, Attrs: s.attrs(in.Attributes()),
	}
	if out.Level == "" {
		out.Level = in.SeverityNumber().String()
	}
	if !in.TraceID().IsEmpty() {
		out.Trace = in.TraceID().String()
	}
	if !in.SpanID().IsEmpty() {
		out.Span = in.SpanID().String()
	}
	return out
}

func (s *store) addLog(l Log, sampled bool) (kept bool) {
	if l.Trace == "" {
		s.addLoose(l)
		return true
	}
	t := s.trace(l.Trace)
	t.sampled = t.sampled || sampled
	if len(t.logs) >= s.limits.perTrace || t.bytes+l.size() > s.limits.traceBytes {
		s.counts.DroppedParts++
		return false
	}
	t.logs = append(t.logs, l)
	s.grow(t, l.size())
	s.touch(t, l.Attrs)
	return true
}

// addLoose keeps a record of no trace, in place of the oldest ones when there is no room.
func (s *store) addLoose(l Log) {
	s.loose = append(s.loose, l)
	s.looseBytes += l.size()
	extra := 0
	for len(s.loose)-extra > s.limits.looseLogs || s.looseBytes > s.limits.looseBytes {
		s.looseBytes -= s.loose[extra].size()
		extra++
	}
	s.loose = slices.Delete(s.loose, 0, extra)
	s.counts.DroppedParts += extra
}

func (s *store) attrs(m pcommon.Map) []Attr {
	var all []Attr
	for key, value := range m.All() {
		if len(all) == s.limits.attrs {
			break
		}
		all = append(all, Attr{s.cut(key), s.cut(value.AsString())})
	}
	slices.SortFunc(all, func(a, b Attr) int { return strings.Compare(a.Key, b.Key) })
	return all
}

// cut bounds a text, at the border of a character. The copy lets go of the batch it came in.
func (s *store) cut(text string) string {
	if len(text) > s.limits.value {
		end := s.limits.value
		for end > 0 && !utf8.RuneStart(text[end]) {
			end--
		}
		text = text[:end] + "…"
	}
	return strings.ToValidUTF8(strings.Clone(text), "?")
}

func (l Log) size() int {
	return len(l.Text) + len(l.Level) + len(l.Service) + len(l.Instance) + attrsSize(l.Attrs) + 200
}

func (sp *Span) size() int {
	size := len(sp.Name) + len(sp.Status) + len(sp.Service) + len(sp.Instance) +
		attrsSize(sp.Attrs) + len(sp.Links)*80 + 400
	for _, e := range sp.Events {
		size += len(e.Name) + attrsSize(e.Attrs) + 60
	}
	return size
}

func attrsSize(attrs []Attr) int {
	size := 0
	for _, a := range attrs {
		size += len(a.Key) + len(a.Value) + 40
	}
	return size
}
