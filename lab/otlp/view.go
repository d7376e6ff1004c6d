package main

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"
)

// Summary is a trace in one row of a list.
type Summary struct {
	Trace    string   `json:"trace"`
	Name     string   `json:"name"` // of the root, or of the first span where that is missing
	Orders   []string `json:"orders"`
	Start    int64    `json:"start"`
	Duration int64    `json:"duration"` // nanoseconds
	Spans    int      `json:"spans"`
	Logs     int      `json:"logs"`
	Services []string `json:"services"`
	Failed   bool     `json:"failed"` // one of its spans says that it failed
	// Whole says that its root and every parent have arrived, or that none was ever sent.
	Whole   bool `json:"whole"`
	Sampled bool `json:"sampled"` // otherwise there are lines of it, and no spans anywhere
}

// Row is a span in its place in the waterfall, with the log records written within it.
type Row struct {
	*Span
	Depth int   `json:"depth"`
	Lost  bool  `json:"lost,omitempty"` // its parent has not arrived, or is below it
	Logs  []Log `json:"logs,omitempty"`
}

// Trace is a whole trace as the page's API has it.
type Trace struct {
	Summary
	Rows  []Row `json:"rows"`
	Loose []Log `json:"loose,omitempty"` // of spans that have not arrived
}

// view puts a trace in order. The store's lock is held, and spans are never changed once kept.
func (t *trace) view() Trace {
	children := map[string][]*Span{}
	var tops []*Span
	out := Trace{Rows: []Row{}}
	rooted, lost := false, false
	for _, s := range t.spans {
		switch {
		case s.Parent == "":
			rooted = true
			tops = append(tops, s)
		case t.spans[s.Parent] == nil:
			lost = true
			tops = append(tops, s)
		default:
			children[s.Parent] = append(children[s.Parent], s)
		}
	}
	logs := map[string][]Log{}
	for _, l := range t.logs {
		if t.spans[l.Span] == nil {
			out.Loose = append(out.Loose, l)
		} else {
			logs[l.Span] = append(logs[l.Span], l)
		}
	}
	seen := map[string]bool{}
	var walk func([]*Span, int)
	walk = func(spans []*Span, depth int) {
		slices.SortFunc(spans, func(a, b *Span) int {
			return cmp.Or(cmp.Compare(a.Start, b.Start), strings.Compare(a.ID, b.ID))
		})
		for _, s := range spans {
			if seen[s.ID] {
				continue
			}
			seen[s.ID] = true
			own := logs[s.ID]
			slices.SortStableFunc(own, func(a, b Log) int { return cmp.Compare(a.Time, b.Time) })
			out.Rows = append(out.Rows, Row{
				Span: s, Depth: depth, Lost: depth == 0 && s.Parent != "", Logs: own})
			walk(children[s.ID], depth+1)
		}
	}
	walk(tops, 0)
	// What is left is its own ancestor. It is shown all the same, from where it began.
	for len(seen) < len(t.spans) {
		lost = true
		var first *Span
		for _, s := range t.spans {
			if !seen[s.ID] && (first == nil ||
				cmp.Or(cmp.Compare(s.Start, first.Start), strings.Compare(s.ID, first.ID)) < 0) {
				first = s
			}
		}
		walk([]*Span{first}, 0)
	}
	out.Summary = t.summary(rooted && !lost || !t.sampled, out.Rows)
	return out
}

func (t *trace) summary(whole bool, rows []Row) Summary {
	out := Summary{
		Trace: t.id, Orders: slices.Clone(t.orders), Spans: len(t.spans), Logs: len(t.logs),
		Whole: whole, Sampled: t.sampled, Services: []string{},
	}
	var end int64
	for i, r := range rows {
		if i == 0 || r.Start < out.Start {
			out.Start = r.Start
		}
		if out.Name == "" || r.Parent == "" && r.Depth == 0 {
			out.Name = r.Name
		}
		end = max(end, r.End)
		out.Failed = out.Failed || r.Failed
		if !slices.Contains(out.Services, r.Service) {
			out.Services = append(out.Services, r.Service)
		}
	}
	if len(rows) == 0 { // only log records so far
		out.Start = t.first.UnixNano()
		end = out.Start
	}
	out.Duration = max(0, end-out.Start)
	return out
}

// match says whether the trace is what somebody looks for: a part of an order's or the trace's
// identity, or of a span's name, a process, or a log line.
func (t *trace) match(query string) bool {
	contains := func(texts ...string) bool {
		return slices.ContainsFunc(texts, func(s string) bool {
			return strings.Contains(strings.ToLower(s), query)
		})
	}
	if query == "" || contains(t.id) || contains(t.orders...) {
		return true
	}
	for _, s := range t.spans {
		if contains(s.Name, s.Instance, s.Status) {
			return true
		}
	}
	return slices.ContainsFunc(t.logs, func(l Log) bool { return contains(l.Text) })
}

// search lists the newest traces that match, at most so many.
func (s *store) search(query string, keep func(Summary) bool, most int) []Summary {
	query = strings.ToLower(strings.TrimSpace(strings.TrimPrefix(query, "…")))
	s.mu.Lock()
	defer s.mu.Unlock()
	found := []Summary{}
	for e := s.order.Back(); e != nil && len(found) < most; e = e.Prev() {
		t := e.Value.(*trace)
		if !t.match(query) {
			continue
		}
		if summary := t.view().Summary; keep(summary) {
			found = append(found, summary)
		}
	}
	// What arrived last is not always what began last: each process sends when it likes.
	slices.SortStableFunc(found, func(a, b Summary) int { return cmp.Compare(b.Start, a.Start) })
	return found
}

func (s *store) find(id string) (Trace, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, ok := s.traces[id]
	if !ok {
		return Trace{}, false
	}
	return t.view(), true
}

// looseLogs returns the log records that belong to no trace.
func (s *store) looseLogs(query string) []Log {
	query = strings.ToLower(strings.TrimSpace(query))
	s.mu.Lock()
	defer s.mu.Unlock()
	found := []Log{}
	for _, l := range slices.Backward(s.loose) {
		if strings.Contains(strings.ToLower(l.Text+" "+l.order()), query) && len(found) < 200 {
			found = append(found, l)
		}
	}
	return found
}

func (l Log) order() string {
	for _, a := range l.Attrs {
		if a.Key == orderKey {
			return a.Value
		}
	}
	return ""
}

// Worker is what one process did under one name, all its spans together.
type Worker struct {
	Instance string `json:"instance"`
	Name     string `json:"name"`
	Spans    int    `json:"spans"`
	Failed   int    `json:"failed"`
	Median   int64  `json:"median"` // nanoseconds
	P95      int64  `json:"p95"`
	Max      int64  `json:"max"`
}

// workers compares the processes: the slow one and the failing one stand out from their peers.
func (s *store) workers(since int64) []Worker {
	s.mu.Lock()
	defer s.mu.Unlock()
	type key struct{ name, instance string }
	took := map[key][]int64{}
	failed := map[key]int{}
	for _, t := range s.traces {
		for _, sp := range t.spans {
			if sp.Start < since {
				continue
			}
			k := key{sp.Name, sp.Instance}
			took[k] = append(took[k], max(0, sp.End-sp.Start))
			if sp.Failed {
				failed[k]++
			}
		}
	}
	all := []Worker{}
	for k, times := range took {
		slices.Sort(times)
		n := len(times)
		all = append(all, Worker{k.instance, k.name, n, failed[k],
			times[n/2], times[min(n-1, n*95/100)], times[n-1]})
	}
	slices.SortFunc(all, func(a, b Worker) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.Instance, b.Instance))
	})
	return all
}

// figures are what an experiment of the lab may judge, of what began at or after a moment.
func (s *store) figures(since int64) map[string]float64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	orders := map[string]bool{}
	var traces, broken, failing, spansLeast, servicesLeast, loose float64
	for _, t := range s.traces {
		v := t.view()
		if v.Start < since {
			continue
		}
		traces++
		if !v.Whole {
			broken++
		}
		if v.Failed {
			failing++
		}
		if len(v.Orders) == 0 || v.Spans == 0 {
			continue
		}
		for _, o := range v.Orders {
			orders[o] = true
		}
		if n := float64(v.Spans); spansLeast == 0 || n < spansLeast {
			spansLeast = n
		}
		if n := float64(len(v.Services)); servicesLeast == 0 || n < servicesLeast {
			servicesLeast = n
		}
	}
	for _, l := range s.loose {
		if l.Time >= since && l.order() != "" {
			loose++
		}
	}
	series := 0
	for m := range maps.Values(s.metrics) {
		n := 0
		for one := range maps.Values(m.series) {
			if one.seen.UnixNano() >= since {
				n++
			}
		}
		series = max(series, n)
	}
	return map[string]float64{
		"traces":             traces,
		"orders traced":      float64(len(orders)),
		"spans per trace":    spansLeast,
		"services per trace": servicesLeast,
		"broken traces":      broken,
		"failing traces":     failing,
		"series":             float64(series),
		"loose log lines":    loose,
	}
}

// finished returns the traces to print: those that are whole and have been quiet for a while,
// since each process sends its part when it likes; and those that are not, after a longer one.
func (s *store) finished(quiet, patience time.Duration) []Trace {
	s.mu.Lock()
	defer s.mu.Unlock()
	var done []Trace
	for e := s.order.Front(); e != nil; e = e.Next() {
		t := e.Value.(*trace)
		idle := s.now().Sub(t.last)
		if t.shown || len(t.spans) == 0 || idle < quiet {
			continue
		}
		if v := t.view(); v.Whole || idle >= patience {
			t.shown = true
			done = append(done, v)
		}
	}
	return done
}
