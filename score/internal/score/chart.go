package score

import (
	"bytes"
	"cmp"
	"fmt"
	"html"
	"math"
	"regexp"
	"slices"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// wide is the width of every picture: as wide as a page shows it, so that a letter of 13
// is one of 13 there.
const wide = 720

// newPlot is an empty picture with its scales.
func newPlot(title string, x, y axis) *plot.Plot {
	p := plot.New()
	p.Title.Text, p.X.Label.Text, p.Y.Label.Text = title, x.name, y.name
	p.BackgroundColor = nil
	p.Title.TextStyle = letters(17)
	p.Title.TextStyle.XAlign, p.Title.TextStyle.YAlign = text.XCenter, text.YTop
	p.Title.Padding = vg.Points(10)
	x.set(&p.X)
	y.set(&p.Y)
	p.X.Tick.Label.XAlign, p.X.Tick.Label.YAlign = text.XCenter, text.YTop
	p.Y.Tick.Label.XAlign, p.Y.Tick.Label.YAlign = text.XRight, text.YCenter
	p.X.Label.Padding, p.Y.Label.Padding = vg.Points(6), vg.Points(10)
	p.Legend.TextStyle, p.Legend.Padding = letters(13), vg.Points(3)
	p.Legend.TextStyle.YAlign = 0
	grid := plotter.NewGrid()
	grid.Horizontal.Color, grid.Vertical.Color = gridColour, gridColour
	grid.Horizontal.Width, grid.Vertical.Width = vg.Points(0.8), vg.Points(0.8)
	p.Add(grid)
	return p
}

func letters(size float64) text.Style {
	return text.Style{
		Font:    font.From(font.Font{Typeface: "Liberation", Variant: "Sans"}, vg.Points(size)),
		Handler: plot.DefaultTextHandler, YAlign: text.YCenter,
	}
}

// axis is one scale of a picture.
type axis struct {
	name      string
	low, high float64
	log       bool // equal ratios are equally far apart
	ticks     plot.ConstantTicks
}

func (a axis) set(to *plot.Axis) {
	to.Min, to.Max = a.low, a.high
	to.Tick.Marker = a.ticks
	if a.log {
		to.Scale = plot.LogScale{}
	}
	to.Label.TextStyle, to.Tick.Label = letters(13), letters(12)
	to.Label.TextStyle.XAlign = text.XCenter
	to.LineStyle.Width, to.Tick.Width = 0, 0
	to.Tick.Length, to.Padding = vg.Points(4), 0
}

// decades is a logarithmic axis that holds all values, with room at its high end.
func decades(name, unit string, room float64, values []float64) axis {
	least, most := math.Inf(1), 0.0
	for _, v := range values {
		if v > 0 {
			least, most = min(least, v), max(most, v)
		}
	}
	if most == 0 {
		least, most = 1, 10
	}
	a := axis{name: name, low: least * 0.7, high: most * 1.5, log: true}
	for d := math.Pow(10, math.Floor(math.Log10(a.low))); d < a.high; d *= 10 {
		for _, f := range []float64{1, 2, 5} {
			if t := d * f; t >= a.low && t <= a.high {
				a.ticks = append(a.ticks, plot.Tick{Value: t, Label: tick(t) + unit})
			}
		}
	}
	a.high *= room
	return a
}

// places is an axis with a place for each name, as far apart as the next.
func places(name string, room float64, names ...string) axis {
	a := axis{name: name, low: -0.4, high: float64(len(names)) - 0.6 + room}
	for i, n := range names {
		a.ticks = append(a.ticks, plot.Tick{Value: float64(i), Label: n})
	}
	return a
}

// tick is a number on an axis: 2 and not 2.0.
func tick(v float64) string {
	if v == math.Trunc(v) && v < 10 {
		return fmt.Sprintf("%.0f", v)
	}
	return number(v)
}

var svgHead = regexp.MustCompile(`(?s)^.*?<svg [^>]*>`)

// svg is the picture for light and dark screens.
func svg(p *plot.Plot, height float64) (string, error) {
	canvas := vgsvg.New(vg.Points(wide), vg.Points(height))
	drawn := draw.New(canvas)
	p.Draw(draw.Crop(drawn, vg.Points(6), -vg.Points(6), vg.Points(6), -vg.Points(8)))
	var b bytes.Buffer
	if _, err := canvas.WriteTo(&b); err != nil {
		return "", fmt.Errorf("draw %q: %w", p.Title.Text, err)
	}
	head := fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" class="sc" viewBox="0 0 %d %.0f" `+
		`role="img" aria-label="%s">`+"\n"+`%s<rect style="fill:%s" width="100%%" height="100%%"/>`,
		wide, height, html.EscapeString(p.Title.Text), theme(), white)
	picture := svgHead.ReplaceAllLiteralString(b.String(), head)
	// Arial and Helvetica have the widths with which gonum has measured the text.
	return strings.ReplaceAll(picture, "font-family:Liberation Sans",
		"font-family:Liberation Sans,Arial,Helvetica,sans-serif"), nil
}

// label is a name beside a point.
type label struct {
	x, y float64
	text string
}

// spot is where a name may stand: to the right of its point, or to the left, and by some lines
// higher or lower.
type spot struct {
	left  bool
	lines float64
}

// Names of points take the first free spot. Those of lines have their end on the right, and must
// stay there.
var (
	besidePoints = []spot{{}, {left: true}, {lines: 1}, {lines: -1}, {lines: -2}, {lines: -3}}
	behindLines  = []spot{{}, {lines: -1}, {lines: -2}, {lines: -3}, {lines: -4}, {lines: -5}}
)

// box is a place in a picture, in pixels from its lower left corner.
type box struct{ left, right, low, high float64 }

func (b box) meets(c box) bool {
	return b.left < c.right && c.left < b.right && b.low < c.high && c.low < b.high
}

const (
	lineHeight = 15 // pixels, of a name
	nameGap    = 11 // between a point and its name
)

// labels writes names beside their points, none over another name or point.
func labels(p *plot.Plot, all []label, height float64, spots []spot) error {
	const inner, letter, radius = 516, 7, 6 // of the axis, of a letter, of a point
	high := height - 110
	slices.SortFunc(all, func(a, b label) int { return cmp.Compare(b.y, a.y) })
	at := func(l label, s spot) box {
		x, y := p.X.Norm(l.x)*inner, p.Y.Norm(l.y)*high+s.lines*lineHeight
		length := float64(letter * len(l.text))
		b := box{x + nameGap, x + nameGap + length, y - lineHeight/2, y + lineHeight/2}
		if s.left {
			b.left, b.right = x-nameGap-length, x-nameGap
		}
		return b
	}
	var taken []box
	for _, l := range all {
		x, y := p.X.Norm(l.x)*inner, p.Y.Norm(l.y)*high
		taken = append(taken, box{x - radius, x + radius, y - radius, y + radius})
	}
	for _, l := range all {
		free := slices.IndexFunc(spots, func(s spot) bool {
			b := at(l, s)
			return b.left > 0 && !slices.ContainsFunc(taken, b.meets)
		})
		s := spots[max(free, 0)]
		taken = append(taken, at(l, s))
		if err := write(p, l, s); err != nil {
			return err
		}
	}
	return nil
}

func write(p *plot.Plot, l label, s spot) error {
	name, err := plotter.NewLabels(plotter.XYLabels{
		XYs: plotter.XYs{{X: l.x, Y: l.y}}, Labels: []string{l.text},
	})
	if err != nil {
		return err
	}
	name.TextStyle[0] = letters(13)
	name.Offset = vg.Point{X: vg.Points(nameGap), Y: vg.Points(s.lines * lineHeight)}
	if s.left {
		name.TextStyle[0].XAlign = text.XRight
		// Some screens have no such letters, and show wider ones.
		name.Offset.X = -vg.Points(nameGap + 0.7*float64(len(l.text)))
	}
	p.Add(name)
	return nil
}

// ThroughputChart is throughput against consumers, a line for each architecture.
func (r *Report) ThroughputChart() (string, error) {
	var rates []float64
	for _, row := range r.Rows {
		for _, point := range row.Scale.Points {
			rates = append(rates, point.Rate.Value)
		}
	}
	const height = 460
	x := axis{name: "consumers, each one worker with 20 ms of work", low: 0.93, high: 19, log: true}
	for _, n := range consumers {
		x.ticks = append(x.ticks, plot.Tick{Value: float64(n), Label: tick(float64(n))})
	}
	p := newPlot("Scalability: throughput with more consumers", x,
		decades("orders processed a second", "", 1, rates))
	ideal, err := plotter.NewLine(plotter.XYs{{X: 1, Y: 50}, {X: 8, Y: 400}})
	if err != nil {
		return "", err
	}
	ideal.Color, ideal.Dashes = faintColour, []vg.Length{vg.Points(4), vg.Points(5)}
	p.Add(ideal)
	names := []label{{8, 400, "50 for every consumer"}}
	for i, row := range r.Rows {
		var points plotter.XYs
		for _, point := range row.Scale.Points {
			if point.Rate.Value > 0 {
				points = append(points, plotter.XY{X: float64(point.Consumers), Y: point.Rate.Value})
			}
		}
		if len(points) < 2 {
			continue
		}
		if err := line(p, i, points); err != nil {
			return "", err
		}
		last := points[len(points)-1]
		names = append(names, label{last.X, last.Y, row.Name()})
	}
	if err := labels(p, names, height, behindLines); err != nil {
		return "", err
	}
	return svg(p, height)
}

// line draws one through points, with a mark at each: a colour and a shape of its own.
func line(p *plot.Plot, i int, points plotter.XYs) error {
	path, marks, err := plotter.NewLinePoints(points)
	if err != nil {
		return err
	}
	path.Width, path.Color = vg.Points(2), colour(i)
	marks.Color, marks.Radius, marks.Shape = colour(i), vg.Points(4), shape(i)
	p.Add(path, marks)
	return nil
}

// DepthCharts are the rate and the wait against how many orders wait; empty when that
// was not measured.
func (r *Report) DepthCharts() (string, error) {
	rates, err := r.depthChart("How cost grows: the rate with so many orders waiting",
		"processed a second, no work", "", func(d Depth) float64 { return d.Rate.Value })
	if err != nil {
		return "", err
	}
	waits, err := r.depthChart("How cost grows: the wait with so many orders waiting",
		"time to an answer, p99", " ms", func(d Depth) float64 { return d.Answer99.Value })
	return rates + waits, err
}

// depthChart has a place for each depth: zero has no logarithm.
func (r *Report) depthChart(
	title, name, unit string, value func(Depth) float64,
) (string, error) {
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
		return "", nil
	}
	slices.Sort(depths)
	var at []string
	for _, d := range depths {
		at = append(at, number(float64(d)))
	}
	const height = 380
	p := newPlot(title, places("orders that wait", 0.9, at...), decades(name, unit, 1, values))
	var names []label
	for i, row := range r.Rows {
		var points plotter.XYs
		for _, d := range row.Depths {
			points = append(points,
				plotter.XY{X: float64(slices.Index(depths, d.Waiting)), Y: value(d)})
		}
		if len(points) == 0 {
			continue
		}
		if err := line(p, i, points); err != nil {
			return "", err
		}
		last := points[len(points)-1]
		names = append(names, label{last.X, last.Y, row.Name()})
	}
	if err := labels(p, names, height, behindLines); err != nil {
		return "", err
	}
	return svg(p, height)
}

// LatencyChart is a row for each architecture and each of its two times: a bar from
// p5 to p95, a line from the quickest to p99.9, and a mark at the median.
func (r *Report) LatencyChart() (string, error) {
	var values []float64
	var names []string
	var rows [][]Quantile
	for _, row := range slices.Backward(r.Rows) { // the first row stands highest
		l := row.Latency
		if len(l.Answers) == 0 {
			continue
		}
		names = append(names, row.Name()+", done", row.Name()+", answer")
		rows = append(rows, l.Processed, l.Answers)
		for _, q := range slices.Concat(l.Answers, l.Processed) {
			values = append(values, q.MS)
		}
	}
	p := newPlot("Performance: the time to an answer, and until it is done",
		decades("since the order was due; bar p5 to p95, mark p50, line to p99.9", " ms", 1, values),
		places("", 0, names...))
	for i, all := range rows {
		if err := quantiles(p, float64(i), colour(i%2), shape(i%2), all); err != nil {
			return "", err
		}
	}
	return svg(p, 110+22*float64(len(rows)))
}

func quantiles(
	p *plot.Plot, y float64, c rgb, s draw.GlyphDrawer, all []Quantile,
) error {
	at := map[float64]float64{}
	for _, q := range all {
		at[q.Percent] = q.MS
	}
	if len(at) == 0 {
		return nil
	}
	for width, ends := range map[float64][2]float64{1.5: {0, 99.9}, 9: {5, 95}} {
		bar, err := plotter.NewLine(plotter.XYs{{X: at[ends[0]], Y: y}, {X: at[ends[1]] * 1.01, Y: y}})
		if err != nil {
			return err
		}
		bar.Width, bar.Color = vg.Points(width), c.faint()
		p.Add(bar)
	}
	return mark(p, at[50], y, draw.GlyphStyle{Color: c, Radius: vg.Points(4), Shape: s})
}

func mark(p *plot.Plot, x, y float64, style draw.GlyphStyle) error {
	dot, err := plotter.NewScatter(plotter.XYs{{X: x, Y: y}})
	if err != nil {
		return err
	}
	dot.GlyphStyle = style
	p.Add(dot)
	return nil
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

// CostChart is the trade-off of the whole course: latency and throughput, of the same
// run, against what is lost when something is killed. It is empty when no row has all of
// them: what was never killed has not been shown to be safe.
func (r *Report) CostChart() (string, error) {
	var rows []Row
	var waits, rates []float64
	for _, row := range r.Rows {
		s := row.Sustained
		if s.Answer50.Value > 0 && s.Rate.Value > 0 && len(row.Faults) > 0 {
			rows = append(rows, row)
			waits, rates = append(waits, s.Answer50.Value), append(rates, s.Rate.Value)
		}
	}
	if len(rows) == 0 {
		return "", nil
	}
	const height = 480
	p := newPlot("What it costs to be safe",
		decades("the customer's wait for an answer at half of that rate, p50, no work", " ms", 3, waits),
		decades("orders a second that it sustains, no work", "", 1.6, rates))
	safe := draw.GlyphStyle{Color: colour(0), Radius: vg.Points(6), Shape: draw.CircleGlyph{}}
	loses := draw.GlyphStyle{Color: colour(1), Radius: vg.Points(7), Shape: draw.PyramidGlyph{}}
	var names []label
	for _, row := range rows {
		style, note := safe, ""
		if lost, twice := row.lost(); lost > 0 {
			style, note = loses, fmt.Sprintf(" (%.0f lost)", lost)
		} else if twice > 0 {
			note = fmt.Sprintf(" (%.0f twice)", twice)
		}
		s := row.Sustained
		if err := mark(p, s.Answer50.Value, s.Rate.Value, style); err != nil {
			return "", err
		}
		names = append(names, label{s.Answer50.Value, s.Rate.Value, row.Name() + note})
	}
	p.Legend.Top, p.Legend.Left = true, true
	p.Legend.Add("kill -9 loses nothing that was accepted", &plotter.Scatter{GlyphStyle: safe})
	p.Legend.Add("kill -9 loses orders: so many", &plotter.Scatter{GlyphStyle: loses})
	if err := labels(p, names, height, besidePoints); err != nil {
		return "", err
	}
	return svg(p, height)
}
