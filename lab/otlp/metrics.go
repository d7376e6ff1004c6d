package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"hash/maphash"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
)

// metric is one metric with all its series. Of each the last point is kept: this is a place to
// look at, and not a database of time series.
type metric struct {
	unit, about, kind string
	series            map[uint64]*Series
}

// Series is one series: one process and one set of attributes.
type Series struct {
	Instance  string     `json:"instance"`
	Attrs     []Attr     `json:"attrs,omitempty"`
	Value     number     `json:"value"`           // of histograms the sum
	Count     uint64     `json:"count,omitempty"` // of histograms
	Bounds    []number   `json:"bounds,omitempty"`
	Buckets   []uint64   `json:"buckets,omitempty"`
	Exemplars []Exemplar `json:"exemplars,omitempty"`
	seen      time.Time
}

// Exemplar is one measurement with the trace it was made in: the way from a chart to a cause.
type Exemplar struct {
	Value number `json:"value"`
	Trace string `json:"trace"`
}

// number is null in JSON where it is none: a share of nothing (0/0) is a good measurement, and
// JSON cannot say NaN.
type number float64

// MarshalJSON implements [json.Marshaler].
func (n number) MarshalJSON() ([]byte, error) {
	if f := float64(n); math.IsNaN(f) || math.IsInf(f, 0) {
		return []byte("null"), nil
	}
	return json.Marshal(float64(n))
}

// Metric is a metric as the page's API has it.
type Metric struct {
	Name  string `json:"name"`
	Kind  string `json:"kind"`
	Unit  string `json:"unit,omitempty"`
	About string `json:"about,omitempty"`
	// Count is how many series there are, of which Series are some.
	Count  int      `json:"count"`
	Series []Series `json:"series"`
}

var seed = maphash.MakeSeed()

// addMetrics returns how many points there was no room for.
func (s *store) addMetrics(md pmetric.Metrics) (rejected int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, rm := range md.ResourceMetrics().All() {
		_, instance := s.origin(rm.Resource())
		for _, sm := range rm.ScopeMetrics().All() {
			for _, m := range sm.Metrics().All() {
				rejected += s.addMetric(m, instance)
			}
		}
	}
	return rejected
}

func (s *store) addMetric(in pmetric.Metric, instance string) (rejected int) {
	name := s.cut(in.Name())
	m := s.metrics[name]
	if m == nil {
		if len(s.metrics) >= s.limits.metrics {
			s.counts.DroppedParts++
			return points(in)
		}
		m = &metric{unit: s.cut(in.Unit()), about: s.cut(in.Description()),
			kind: in.Type().String(), series: map[uint64]*Series{}}
		s.metrics[name] = m
	}
	numbers := func(points pmetric.NumberDataPointSlice) {
		for _, p := range points.All() {
			series := s.seriesOf(m, instance, p.Attributes())
			if series == nil {
				rejected++
				continue
			}
			series.Value = number(p.DoubleValue())
			if p.ValueType() == pmetric.NumberDataPointValueTypeInt {
				series.Value = number(p.IntValue())
			}
			series.keepExemplars(p.Exemplars())
		}
	}
	switch in.Type() {
	case pmetric.MetricTypeGauge:
		numbers(in.Gauge().DataPoints())
	case pmetric.MetricTypeSum:
		numbers(in.Sum().DataPoints())
	case pmetric.MetricTypeHistogram:
		for _, p := range in.Histogram().DataPoints().All() {
			if series := s.seriesOf(m, instance, p.Attributes()); series != nil {
				series.Value, series.Count = number(p.Sum()), p.Count()
				s.keepBuckets(series, p)
				series.keepExemplars(p.Exemplars())
			} else {
				rejected++
			}
		}
	case pmetric.MetricTypeExponentialHistogram:
		for _, p := range in.ExponentialHistogram().DataPoints().All() {
			if series := s.seriesOf(m, instance, p.Attributes()); series != nil {
				series.Value, series.Count = number(p.Sum()), p.Count()
				series.keepExemplars(p.Exemplars())
			} else {
				rejected++
			}
		}
	case pmetric.MetricTypeSummary:
		for _, p := range in.Summary().DataPoints().All() {
			if series := s.seriesOf(m, instance, p.Attributes()); series != nil {
				series.Value, series.Count = number(p.Sum()), p.Count()
			} else {
				rejected++
			}
		}
	}
	return rejected
}

// points is how many points a metric has.
func points(in pmetric.Metric) int {
	switch in.Type() {
	case pmetric.MetricTypeGauge:
		return in.Gauge().DataPoints().Len()
	case pmetric.MetricTypeSum:
		return in.Sum().DataPoints().Len()
	case pmetric.MetricTypeHistogram:
		return in.Histogram().DataPoints().Len()
	case pmetric.MetricTypeExponentialHistogram:
		return in.ExponentialHistogram().DataPoints().Len()
	case pmetric.MetricTypeSummary:
		return in.Summary().DataPoints().Len()
	default:
		return 0
	}
}

// seriesOf returns the series of a point, or nil when there is no room for another. A series
// that nobody has spoken of for long gives its place up.
func (s *store) seriesOf(m *metric, instance string, attrs pcommon.Map) *Series {
	s.counts.Points++
	list := s.attrs(attrs)
	var key strings.Builder
	key.WriteString(instance)
	for _, a := range list {
		fmt.Fprintf(&key, "\x00%s\x00%s", a.Key, a.Value)
	}
	hash := maphash.String(seed, key.String())
	series := m.series[hash]
	if series == nil {
		series = &Series{Instance: instance, Attrs: list}
		if !s.roomFor(m, series) {
			s.forgetQuiet()
		}
		if !s.roomFor(m, series) {
			s.counts.DroppedParts++
			return nil
		}
		m.series[hash] = series
		s.metricBytes += series.size()
	}
	series.seen = s.now()
	return series
}

func (s *store) roomFor(m *metric, one *Series) bool {
	return len(m.series) < s.limits.series && s.metricBytes+one.size() <= s.limits.metricBytes
}

// quietSeries is how long a series that nobody speaks of is safe from having its place taken.
const quietSeries = time.Minute

func (s *store) forgetQuiet() {
	for m := range maps.Values(s.metrics) {
		maps.DeleteFunc(m.series, func(_ uint64, old *Series) bool {
			quiet := s.now().Sub(old.seen) > quietSeries
			if quiet {
				s.metricBytes -= old.size()
			}
			return quiet
		})
	}
}

// size is what the series costs, with all the exemplars that it may have.
func (s *Series) size() int {
	return 1000 + len(s.Instance) + attrsSize(s.Attrs) + 8*(len(s.Bounds)+len(s.Buckets))
}

// keepBuckets leaves out those of a histogram that has more of them than anybody can look at.
func (s *store) keepBuckets(series *Series, p pmetric.HistogramDataPoint) {
	if max(p.BucketCounts().Len(), p.ExplicitBounds().Len()) > s.limits.buckets {
		return
	}
	s.metricBytes -= series.size()
	series.Bounds, series.Buckets = nil, p.BucketCounts().AsRaw()
	for _, bound := range p.ExplicitBounds().All() {
		series.Bounds = append(series.Bounds, number(bound))
	}
	s.metricBytes += series.size()
}

// maxExemplars is how many exemplars of one series are kept.
const maxExemplars = 10

func (s *Series) keepExemplars(in pmetric.ExemplarSlice) {
	for _, e := range in.All() {
		if e.TraceID().IsEmpty() {
			continue
		}
		value := e.DoubleValue()
		if e.ValueType() == pmetric.ExemplarValueTypeInt {
			value = float64(e.IntValue())
		}
		kept := Exemplar{number(value), e.TraceID().String()}
		if slices.Contains(s.Exemplars, kept) {
			continue
		}
		if len(s.Exemplars) >= maxExemplars {
			s.Exemplars = slices.Delete(s.Exemplars, 0, 1)
		}
		s.Exemplars = append(s.Exemplars, kept)
	}
}

// listMetrics returns all metrics, with at most so many series of each.
func (s *store) listMetrics(most int) []Metric {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := []Metric{}
	for name, m := range s.metrics {
		out := Metric{Name: name, Kind: m.kind, Unit: m.unit, About: m.about,
			Count: len(m.series), Series: []Series{}}
		for _, series := range m.series {
			copied := *series
			copied.Exemplars = slices.Clone(series.Exemplars)
			out.Series = append(out.Series, copied)
		}
		slices.SortFunc(out.Series, func(a, b Series) int {
			return cmp.Or(strings.Compare(a.Instance, b.Instance),
				strings.Compare(fmt.Sprint(a.Attrs), fmt.Sprint(b.Attrs)))
		})
		out.Series = out.Series[:min(len(out.Series), most)]
		all = append(all, out)
	}
	slices.SortFunc(all, func(a, b Metric) int { return strings.Compare(a.Name, b.Name) })
	return all
}
