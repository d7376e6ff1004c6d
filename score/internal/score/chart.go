package score

import (
	"fmt"
	"html"
	"math"
	"slices"
	"strings"
)

// chart is one picture as SVG, for light and dark screens, with a scale on each side.
type chart struct {
	b             strings.Builder
	width, height float64
	x, y          axis
}

// axis maps values to places; with log, equal ratios are equally far apart.
type axis struct {
	low, high  float64
	from, to   float64
	log        bool
	ticks      []float64
	unit, name string
}

func (a axis) at(v float64) float64 {
	low, high := a.low, a.high
	if a.log {
		low, high, v = math.Log(low), math.Log(high), math.Log(max(v, a.low))
	}
	return a.from + (v-low)/(high-low)*(a.to-a.from)
}

// decades are the ticks of a logarithmic axis that holds all values.
func decades(values []float64) (low, high float64, ticks []float64) {
	least, most := math.Inf(1), 0.0
	for _, v := range values {
		if v > 0 {
			least, most = min(least, v), max(most, v)
		}
	}
	if most == 0 {
		least, most = 1, 10
	}
	low, high = least*0.7, most*1.5
	for d := math.Pow(10, math.Floor(math.Log10(low))); d < high; d *= 10 {
		for _, f := range []float64{1, 2, 5} {
			if t := d * f; t >= low && t <= high {
				ticks = append(ticks, t)
			}
		}
	}
	return low, high, ticks
}

// The colours of the lines can be told apart without red and green, and every line has
// its name beside it.
const chartStyle = `<style>
.sc{font-family:system-ui,sans-serif}.sc text{fill:#1f2328;font-size:14px}
.sc .bg{fill:#fff}.sc .grid{stroke:#d1d9e0;stroke-width:1}.sc .faint{fill:#59636e;font-size:12px}
.sc .title{font-size:19px;font-weight:600}.sc .end{text-anchor:end}.sc .mid{text-anchor:middle}
.sc .line{fill:none;stroke-width:2.5}.sc .ideal{stroke:#8c959f;stroke-dasharray:4 5;fill:none}
.sc .c0{stroke:#0969da;fill:#0969da}.sc .c1{stroke:#bc4c00;fill:#bc4c00}
.sc .c2{stroke:#1a7f37;fill:#1a7f37}.sc .c3{stroke:#8250df;fill:#8250df}
.sc .c4{stroke:#9a6700;fill:#9a6700}.sc .c5{stroke:#bf3989;fill:#bf3989}
.sc .c6{stroke:#1b7c83;fill:#1b7c83}.sc .c7{stroke:#59636e;fill:#59636e}
.sc .line{fill:none}.sc .box{stroke-width:10;stroke-opacity:.45}.sc .tail{stroke-width:2}
.sc .safe{fill:#1a7f37}.sc .unsafe{fill:#cf222e}
@media (prefers-color-scheme:dark){.sc text{fill:#f0f6fc}.sc .bg{fill:#0d1117}
.sc .grid{stroke:#3d444d}.sc .faint{fill:#9198a1}
.sc .c0{stroke:#4493f8;fill:#4493f8}.sc .c1{stroke:#f0883e;fill:#f0883e}
.sc .c2{stroke:#3fb950;fill:#3fb950}.sc .c3{stroke:#ab7df8;fill:#ab7df8}
.sc .c4{stroke:#d29922;fill:#d29922}.sc .c5{stroke:#db61a2;fill:#db61a2}
.sc .c6{stroke:#39c5cf;fill:#39c5cf}.sc .c7{stroke:#9198a1;fill:#9198a1}
.sc .line{fill:none}.sc .safe{fill:#3fb950}.sc .unsafe{fill:#f85149}}
</style>`

func newChart(title string, height float64, x, y axis) *chart {
	c := &chart{width: 960, height: height, x: x, y: y}
	c.x.from, c.x.to = 150, c.width-170
	c.y.from, c.y.to = height-60, 60
	c.printf(`<svg xmlns="http://www.w3.org/2000/svg" class="sc" viewBox="0 0 %.0f %.0f" `+
		`role="img" aria-label="%s">`+"\n", c.width, c.height, html.EscapeString(title))
	c.b.WriteString(chartStyle + "\n")
	c.printf(`<rect class="bg" width="%.0f" height="%.0f"/>`+"\n", c.width, c.height)
	c.text(20, 30, "title", title)
	for _, t := range c.x.ticks {
		at := c.x.at(t)
		c.printf(`<path class="grid" d="M%.1f %.1fV%.1f"/>`+"\n", at, c.y.to, c.y.from)
		c.text(at, c.y.from+18, "faint mid", tick(t)+c.x.unit)
	}
	for _, t := range c.y.ticks {
		at := c.y.at(t)
		c.printf(`<path class="grid" d="M%.1f %.1fH%.1f"/>`+"\n", c.x.from, at, c.x.to)
		c.text(c.x.from-8, at+4, "faint end", tick(t)+c.y.unit)
	}
	c.text((c.x.from+c.x.to)/2, c.y.from+42, "faint mid", c.x.name)
	c.text(20, 50, "faint", c.y.name)
	return c
}

// tick is a number on an axis: 2 and not 2.0.
func tick(v float64) string {
	if v == math.Trunc(v) && v < 10 {
		return fmt.Sprintf("%.0f", v)
	}
	return number(v)
}

func (c *chart) printf(format string, args ...any) { fmt.Fprintf(&c.b, format, args...) }

func (c *chart) text(x, y float64, class, text string) {
	c.printf(`<text x="%.1f" y="%.1f" class="%s">%s</text>`+"\n", x, y, class,
		html.EscapeString(text))
}

func (c *chart) svg() string { return c.b.String() + "</svg>\n" }

// label is a name that wants to stand at a height.
type label struct {
	y    float64
	text string
}

// labels writes names beside the right edge, none over another.
func (c *chart) labels(all []label) {
	slices.SortFunc(all, func(a, b label) int { return int(math.Round(a.y - b.y)) })
	last := math.Inf(-1)
	for _, l := range all {
		l.y = max(l.y, last+16)
		c.text(c.x.to+10, l.y+4, "", l.text)
		last = l.y
	}
}

// ThroughputChart is throughput against consumers, a line for each architecture.
func (r *Report) ThroughputChart() string {
	var rates []float64
	for _, row := range r.Rows {
		for _, p := range row.Scale.Points {
			rates = append(rates, p.Rate.Value)
		}
	}
	x := axis{low: 1, high: 8, log: true, ticks: []float64{1, 2, 4, 8}, name: "consumers"}
	y := axis{log: true, unit: "/s", name: "orders processed a second, 20 ms of work each; " +
		"dashed: 50 for every consumer"}
	y.low, y.high, y.ticks = decades(rates)
	c := newChart("Scalability: throughput with more consumers", 460, x, y)
	for i, row := range r.Rows {
		var points [][2]float64
		for _, p := range row.Scale.Points {
			if p.Rate.Value > 0 {
				points = append(points, [2]float64{float64(p.Consumers), p.Rate.Value})
			}
		}
		c.line(i, points)
	}
	if y.low <= 50 && y.high >= 400 {
		c.printf(`<path class="ideal" d="M%.1f %.1fL%.1f %.1f"/>`+"\n",
			c.x.at(1), c.y.at(50), c.x.at(8), c.y.at(400))
	}
	var names []label
	for _, row := range r.Rows {
		if n := len(row.Scale.Points); n > 1 {
			last := row.Scale.Points[n-1]
			names = append(names, label{c.y.at(last.Rate.Value), row.Name()})
		}
	}
	c.labels(names)
	return c.svg()
}

// line draws one through points, with a dot at each.
func (c *chart) line(colour int, points [][2]float64) {
	var path []string
	for _, p := range points {
		x, y := c.x.at(p[0]), c.y.at(p[1])
		path = append(path, fmt.Sprintf("%.1f %.1f", x, y))
		c.printf(`<circle class="c%d" cx="%.1f" cy="%.1f" r="4"/>`+"\n", colour%8, x, y)
	}
	if len(path) > 1 {
		c.printf(`<path class="line c%d" d="M%s"/>`+"\n", colour%8, strings.Join(path, "L"))
	}
}

// DepthCharts are the rate and the wait against how many orders wait; empty when that
// was not measured.
func (r *Report) DepthCharts() string {
	return r.depthChart("How cost grows: the rate with so many orders waiting",
		"orders processed a second, with no work", "/s",
		func(d Depth) float64 { return d.Rate.Value }) +
		r.depthChart("How cost grows: the wait with so many orders waiting",
			"the time to an answer, p99", " ms",
			func(d Depth) float64 { return d.Answer99.Value })
}

// depthChart has a place for each depth, as far apart as the next: zero has no logarithm.
func (r *Report) depthChart(title, name, unit string, value func(Depth) float64) string {
	var values []float64
	var depths []int
	for _, row := range r.Rows {
		for _, d := range row.Depths {
			values = append(values, value(d))
			if !slices.Contains(depths, d.Waiting) {
				depths = append(depths, d.Waiting)
			}
		}
	}
	if len(depths) < 2 {
		return ""
	}
	slices.Sort(depths)
	y := axis{log: true, unit: unit, name: name}
	y.low, y.high, y.ticks = decades(values)
	c := newChart(title, 400, axis{low: 0, high: float64(len(depths) - 1)}, y)
	c.text((c.x.from+c.x.to)/2, c.y.from+42, "faint mid", "orders that wait")
	for i, depth := range depths {
		at := c.x.at(float64(i))
		c.printf(`<path class="grid" d="M%.1f %.1fV%.1f"/>`+"\n", at, c.y.to, c.y.from)
		c.text(at, c.y.from+18, "faint mid", number(float64(depth)))
	}
	var names []label
	for i, row := range r.Rows {
		var points [][2]float64
		for _, d := range row.Depths {
			at := float64(slices.Index(depths, d.Waiting))
			points = append(points, [2]float64{at, value(d)})
		}
		if len(points) > 0 {
			c.line(i, points)
			names = append(names, label{c.y.at(points[len(points)-1][1]), row.Name()})
		}
	}
	c.labels(names)
	return c.svg()
}

// LatencyChart is a row for each architecture and each of its two times: a box from
// p5 to p95, a line from the quickest to p99.9, and a stroke at the median.
func (r *Report) LatencyChart() string {
	var values []float64
	rows := 0
	for _, row := range r.Rows {
		if len(row.Latency.Answers) == 0 {
			continue
		}
		rows++
		for _, q := range slices.Concat(row.Latency.Answers, row.Latency.Processed) {
			values = append(values, q.MS)
		}
	}
	low, high, ticks := decades(values)
	height := 130 + 56*float64(rows)
	c := newChart("Performance: the time to an answer, and until it is done", height,
		axis{low: low, high: high, log: true, ticks: ticks, unit: " ms", name: "time since the " +
			"order was due; box p5 to p95, stroke p50, line to p99.9"},
		axis{low: 0, high: 1})
	y := 80.0
	for i, row := range r.Rows {
		if len(row.Latency.Answers) == 0 {
			continue
		}
		c.text(c.x.from-10, y+14, "end", row.Name())
		c.quantiles(row.Latency.Answers, y, i, "answer")
		c.quantiles(row.Latency.Processed, y+22, i, "processed")
		y += 56
	}
	return c.svg()
}

func (c *chart) quantiles(all []Quantile, y float64, colour int, name string) {
	at := func(percent float64) float64 {
		for _, q := range all {
			if q.Percent == percent {
				return c.x.at(q.MS)
			}
		}
		return c.x.from
	}
	if len(all) == 0 {
		return
	}
	c.printf(`<path class="tail c%d" d="M%.1f %.1fH%.1f"/>`+"\n", colour%8, at(0), y, at(99.9))
	c.printf(`<path class="box c%d" d="M%.1f %.1fH%.1f"/>`+"\n", colour%8, at(5), y, at(95)+1)
	c.printf(`<path class="tail c%d" d="M%.1f %.1fv18"/>`+"\n", colour%8, at(50), y-9)
	c.text(c.x.to+10, y+4, "faint", name)
}

// lost is the most that a kill -9 of any part has taken along.
func (r Row) lost() (lost, twice float64) {
	for _, f := range r.Faults {
		if strings.HasPrefix(f.Name, "kill ") {
			lost, twice = max(lost, f.Lost.Value), max(twice, f.Duplicated.Value)
		}
	}
	return lost, twice
}

// CostChart is the trade-off of the whole course: latency and throughput against what
// is lost when something is killed.
func (r *Report) CostChart() string {
	var waits, rates []float64
	for _, row := range r.Rows {
		if len(row.Faults) == 0 {
			continue
		}
		waits = append(waits, row.Latency.Answer50.Value)
		rates = append(rates, row.Sustained.Rate.Value)
	}
	x, y := axis{log: true, unit: " ms"}, axis{log: true}
	x.low, x.high, x.ticks = decades(waits)
	y.low, y.high, y.ticks = decades(rates)
	x.name = "the customer's wait for an answer (p50, 20 ms of work)"
	y.name = "orders a second that it sustains without work"
	c := newChart("What it costs to be safe", 520, x, y)
	c.printf(`<circle class="safe" cx="%.0f" cy="26" r="6"/>`+"\n", 420.0)
	c.text(432, 31, "faint", "kill -9 loses nothing that was accepted")
	c.printf(`<circle class="unsafe" cx="%.0f" cy="26" r="6"/>`+"\n", 700.0)
	c.text(712, 31, "faint", "it loses orders: so many")
	var placed [][2]float64
	for _, row := range r.Rows {
		if row.Latency.Answer50.Runs == 0 || row.Sustained.Rate.Value <= 0 || len(row.Faults) == 0 {
			continue // what was never killed has not been shown to be safe
		}
		at, up := c.x.at(row.Latency.Answer50.Value), c.y.at(row.Sustained.Rate.Value)
		lost, twice := row.lost()
		class, note := "safe", ""
		if lost > 0 {
			class, note = "unsafe", fmt.Sprintf(" (%.0f lost)", lost)
		} else if twice > 0 {
			note = fmt.Sprintf(" (%.0f twice)", twice)
		}
		c.printf(`<circle class="%s" cx="%.1f" cy="%.1f" r="%.1f"/>`+"\n", class, at, up,
			7+2*math.Sqrt(lost))
		y := up + 5
		for slices.ContainsFunc(placed, func(p [2]float64) bool {
			return math.Abs(p[0]-at) < 180 && math.Abs(p[1]-y) < 16
		}) {
			y += 4
		}
		placed = append(placed, [2]float64{at, y})
		c.text(at+12+2*math.Sqrt(lost), y, "", row.Name()+note)
	}
	return c.svg()
}
