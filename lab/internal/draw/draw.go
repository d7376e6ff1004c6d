// Package draw makes a picture of a run: time across, a lane for the customers
// and for each process, the backlog below, the faults as vertical lines. The
// picture is one SVG file that needs nothing else, for light and dark screens.
package draw

import (
	"cmp"
	"fmt"
	"html"
	"io"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"course.example/lab/internal/history"
	"course.example/lab/internal/ledger"
)

// Sizes in units of the picture, which scales to any width.
const (
	width    = 1280.0
	left     = 120.0 // of the time axis: names stand to its left
	right    = 24.0
	top      = 92.0
	lane     = 40.0
	backlogH = 96.0
	footer   = 66.0
	labelRow = 15.0
)

// Run draws a run. The caption stands below it; its first line is the title.
func Run(w io.Writer, h history.Run, title string, caption []string) error {
	p := newPicture(h)
	p.head(title)
	p.axis()
	p.lanes()
	p.backlog()
	p.marks()
	p.foot(caption)
	p.b.WriteString("</svg>\n")
	if _, err := io.WriteString(w, p.b.String()); err != nil {
		return fmt.Errorf("draw the run: %w", err)
	}
	return nil
}

type picture struct {
	b      strings.Builder
	h      history.Run
	names  []string // of the lanes below the customers', from the top
	start  time.Time
	span   time.Duration
	height float64
}

func newPicture(h history.Run) *picture {
	p := &picture{h: h}
	seen := map[string]bool{}
	for _, l := range h.Lives {
		seen[l.Process] = true
	}
	p.names = slices.SortedFunc(maps.Keys(seen), byFirstLife(h))
	// The picture begins with the first order, not with the first process:
	// what comes before is waiting.
	p.start = h.Started
	for i, e := range h.Events {
		if i == 0 || e.Time.Before(p.start) {
			p.start = e.Time
		}
	}
	end := p.start.Add(time.Second)
	for _, e := range h.Events {
		end = later(end, e.Time)
	}
	for _, m := range h.Marks {
		end = later(end, m.Time)
	}
	p.span = end.Sub(p.start) + 50*time.Millisecond
	p.height = p.backlogBottom() + footer
	return p
}

// byFirstLife puts the producer above the consumers it feeds: the order in which
// the manifest starts them.
func byFirstLife(h history.Run) func(a, b string) int {
	first := map[string]time.Time{}
	for _, l := range h.Lives {
		if at, ok := first[l.Process]; !ok || l.From.Before(at) {
			first[l.Process] = l.From
		}
	}
	return func(a, b string) int {
		return cmp.Or(first[a].Compare(first[b]), strings.Compare(a, b))
	}
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

func (p *picture) x(t time.Time) float64 {
	share := float64(t.Sub(p.start)) / float64(p.span)
	return left + min(max(share, 0), 1)*(width-left-right)
}

// middle is the height of a lane; lane 0 is the customers'.
func (p *picture) middle(i int) float64 { return top + lane*(float64(i)+0.5) }

func (p *picture) lanesBottom() float64   { return top + lane*float64(len(p.names)+1) }
func (p *picture) backlogBottom() float64 { return p.lanesBottom() + 18 + backlogH }

func (p *picture) printf(format string, args ...any) { fmt.Fprintf(&p.b, format, args...) }

func (p *picture) text(x, y float64, class, text string) {
	p.printf("<text x=\"%.1f\" y=\"%.1f\" class=\"%s\">%s</text>\n", x, y, class,
		html.EscapeString(text))
}

// The colours are told apart by people who do not see red and green as others
// do: the marks differ in place and form besides.
const styles = `<style>
svg{background:#fff;font-family:system-ui,sans-serif}
text{fill:#1f2328;font-size:14px}
.title{font-size:20px;font-weight:600}.small{font-size:12px;fill:#59636e}
.name,.end{text-anchor:end}.axis{stroke:#d1d9e0;stroke-width:1}
.life{stroke:#d1d9e0;stroke-width:22;stroke-linecap:butt}
.accepted,.received,.processed,.duplicated,.failed,.refused,.lost{fill:none;stroke-width:1.4}
.accepted{stroke:#0969da}.received{stroke:#8c959f}.processed{stroke:#1a7f37}
.duplicated{stroke:#bc4c00;stroke-width:3}.failed{stroke:#8250df;stroke-width:2.4}
.refused{stroke:#bf8700}.lost{stroke:#cf222e;stroke-width:2.4}
.backlog{fill:#54aeff;fill-opacity:.45;stroke:#0969da;stroke-width:1}
.fault{stroke:#cf222e;stroke-width:1.6}.faultname{fill:#cf222e;font-size:13px;font-weight:600}
.mend{stroke:#59636e;stroke-width:1.2;stroke-dasharray:5 4}.mendname{fill:#59636e;font-size:13px}
@media (prefers-color-scheme:dark){
svg{background:#0d1117}text{fill:#f0f6fc}.small,.mendname{fill:#9198a1}
.axis,.life{stroke:#3d444d}.mend{stroke:#9198a1}
.accepted{stroke:#4493f8}.received{stroke:#7d8590}.processed{stroke:#3fb950}
.duplicated{stroke:#f0883e}.failed{stroke:#ab7df8}.refused{stroke:#d29922}
.lost,.fault{stroke:#f85149}.faultname{fill:#f85149}
.backlog{fill:#1f6feb;stroke:#4493f8}}
</style>
`

func (p *picture) head(title string) {
	p.printf("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %.0f %.0f\" "+
		"role=\"img\" aria-label=\"%s\">\n", width, p.height, html.EscapeString(title))
	p.b.WriteString(styles)
	p.text(left, 30, "title", title)
}

func (p *picture) axis() {
	step := niceStep(p.span)
	bottom := p.backlogBottom()
	for at := time.Duration(0); at <= p.span; at += step {
		x := p.x(p.start.Add(at))
		p.printf("<path class=\"axis\" d=\"M%.1f %.1fV%.1f\"/>\n", x, top, bottom)
		p.text(x-4, bottom+16, "small", fmt.Sprintf("%g s", at.Seconds()))
	}
}

// niceStep gives about ten ticks at round seconds.
func niceStep(span time.Duration) time.Duration {
	for _, step := range []time.Duration{
		200 * time.Millisecond, 500 * time.Millisecond, time.Second, 2 * time.Second,
		5 * time.Second, 10 * time.Second, 30 * time.Second, time.Minute,
	} {
		if span/step <= 12 {
			return step
		}
	}
	return span / 10
}

func (p *picture) lanes() {
	p.text(left-10, p.middle(0)+5, "name", "customers")
	places := map[string]int{}
	for i, name := range p.names {
		places[name] = i + 1
		p.text(left-10, p.middle(i+1)+5, "name", name)
	}
	for _, l := range p.h.Lives {
		y := p.middle(places[l.Process])
		p.printf("<path class=\"life\" opacity=\".5\" d=\"M%.1f %.1fH%.1f\"/>\n",
			p.x(l.From), y, p.x(l.To))
	}
	p.events(places)
}

// A mark is a short upright stroke in its lane. Marks that would fall on the
// same pixel are drawn once: a picture of a million orders is no larger.
type column struct {
	class string
	lane  int
	x     int // tenths of a unit
}

// Where in its lane a mark stands, as the distance of its ends from the middle.
var strokes = map[string][2]float64{
	"accepted": {-11, 0}, "refused": {1, 11}, "lost": {-16, 16},
	"received": {-11, -2}, "processed": {-1, 11}, "duplicated": {-1, 15}, "failed": {-15, 15},
}

func (p *picture) events(places map[string]int) {
	seen := map[column]bool{}
	add := func(class string, lane int, t time.Time) {
		seen[column{class, lane, int(math.Round(p.x(t) * 2))}] = true
	}
	effects, ended := map[string]int{}, map[string]bool{}
	accepted := map[string]time.Time{}
	for _, e := range inOrder(p.h.Events) {
		at, known := places[e.Process]
		switch {
		case e.Kind == ledger.Accepted:
			if _, twice := accepted[e.Order]; !twice {
				accepted[e.Order] = e.Time
				add("accepted", 0, e.Time)
			}
		case !known:
		case e.Kind == ledger.Processed:
			ended[e.Order] = true
			if effects[e.Order]++; effects[e.Order] > 1 {
				add("duplicated", at, e.Time)
			} else {
				add("processed", at, e.Time)
			}
		case e.Kind == ledger.Failed:
			ended[e.Order] = true
			add("failed", at, e.Time)
		case e.Kind == ledger.Received:
			add("received", at, e.Time)
		}
	}
	for order, t := range accepted {
		if !ended[order] {
			add("lost", 0, t)
		}
	}
	for _, t := range p.h.Refused {
		add("refused", 0, t)
	}
	p.strokes(seen)
}

func (p *picture) strokes(seen map[column]bool) {
	columns := slices.SortedFunc(maps.Keys(seen), func(a, b column) int {
		return cmp.Or(strings.Compare(a.class, b.class), a.lane-b.lane, a.x-b.x)
	})
	class := ""
	for _, c := range columns {
		if c.class != class {
			if class != "" {
				p.b.WriteString("\"/>\n")
			}
			class = c.class
			p.printf("<path class=\"%s\" d=\"", class)
		}
		ends := strokes[c.class]
		y := p.middle(c.lane)
		p.printf("M%.1f %.0fV%.0f", float64(c.x)/2, y+ends[0], y+ends[1])
	}
	if class != "" {
		p.b.WriteString("\"/>\n")
	}
}

// backlog draws how many accepted orders had no end yet: the queue, as far as
// it can be seen without asking the broker.
func (p *picture) backlog() {
	type change struct {
		at time.Time
		by int
	}
	var changes []change
	accepted, ended := map[string]bool{}, map[string]bool{}
	for _, e := range inOrder(p.h.Events) {
		switch {
		case e.Kind == ledger.Accepted && !accepted[e.Order]:
			accepted[e.Order] = true
			changes = append(changes, change{e.Time, +1})
		case (e.Kind == ledger.Processed || e.Kind == ledger.Failed) && !ended[e.Order]:
			ended[e.Order] = true
			changes = append(changes, change{e.Time, -1})
		}
	}
	bottom := p.backlogBottom()
	depth, deepest := 0, 1
	heights := map[int]int{} // by half unit of x: the deepest there
	var xs []int
	for _, c := range changes {
		depth += c.by
		deepest = max(deepest, depth)
		x := int(math.Round(p.x(c.at) * 2))
		if _, ok := heights[x]; !ok {
			xs = append(xs, x)
		}
		heights[x] = max(depth, 0)
	}
	p.printf("<path class=\"backlog\" d=\"M%.1f %.1f", left, bottom)
	y := bottom
	for _, x := range xs {
		next := bottom - backlogH*float64(heights[x])/float64(deepest)
		p.printf("L%.1f %.1fV%.1f", float64(x)/2, y, next)
		y = next
	}
	p.printf("H%.1fV%.1fZ\"/>\n", width-right, bottom)
	p.text(left-10, bottom-backlogH/2, "name", "backlog")
	p.text(left-10, bottom-backlogH/2+16, "name small", fmt.Sprintf("at most %d", deepest))
}

// marks draws the faults, and what mends them. Names that would overlap go to a
// row of their own.
func (p *picture) marks() {
	var rowEnds [3]float64
	for _, m := range p.h.Marks {
		line, name := "mend", "mendname"
		if m.Fault {
			line, name = "fault", "faultname"
		}
		x := p.x(m.Time)
		p.printf("<path class=\"%s\" d=\"M%.1f %.1fV%.1f\"/>\n", line, x, top-8, p.backlogBottom())
		row := 0
		for row < len(rowEnds)-1 && rowEnds[row] > x {
			row++
		}
		length := 8 * float64(len(m.Act))
		rowEnds[row] = x + length
		if x+length > width {
			name += " end"
			x -= 6
		}
		p.text(x+3, top-12-labelRow*float64(row), name, m.Act)
	}
}

func (p *picture) foot(caption []string) {
	y := p.backlogBottom() + 38
	for i, line := range caption {
		p.text(left, y+18*float64(i), "", line)
	}
	x := width - right
	for _, class := range []string{
		"lost", "refused", "failed", "duplicated", "processed", "received", "accepted",
	} {
		p.text(x, y+18, "small end", class)
		x -= 7*float64(len(class)) + 8
		p.printf("<path class=\"%s\" d=\"M%.1f %.1fv-12\"/>\n", class, x, y+19)
		x -= 14
	}
}

func inOrder(events []ledger.Event) []ledger.Event {
	sorted := slices.Clone(events)
	slices.SortStableFunc(sorted, func(a, b ledger.Event) int { return a.Time.Compare(b.Time) })
	return sorted
}
