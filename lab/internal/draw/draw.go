// Package draw makes a picture of a run: time across, a lane for the customers
// and for each process, what is not yet done below, the faults as vertical lines.
// The picture is one SVG file that needs nothing else, for light and dark screens,
// and can be read at a width of 700 pixels.
//
// What a mark stands for, the ledger says: the marks of a picture are the figures
// of its run.
package draw

import (
	"cmp"
	"fmt"
	"html"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"course.example/lab/internal/history"
	"course.example/lab/internal/ledger"
)

// Sizes in units of the picture, which scales to any width.
const (
	width    = 800.0
	margin   = 16.0
	right    = 20.0
	lane     = 38.0
	notes    = 13.0 // for the numbers of a lane that has some
	backlogH = 84.0
	row      = 18.0 // of text
)

// Run draws a run. The caption stands below the numbers of the marks.
func Run(w io.Writer, h history.Run, title string, caption []string) error {
	p := newPicture(h)
	p.titles = wrap(title, width-2*margin, bold(18))
	for _, line := range caption {
		p.caption = append(p.caption, wrap(line, width-2*margin, plain(14))...)
	}
	p.layout()
	p.head(title)
	p.axis()
	p.lanes()
	p.backlog()
	p.strokes()
	p.faults()
	p.foot()
	p.b.WriteString("</svg>\n")
	if _, err := io.WriteString(w, p.b.String()); err != nil {
		return fmt.Errorf("draw the run: %w", err)
	}
	return nil
}

type picture struct {
	b        strings.Builder
	h        history.Run
	verdicts []ledger.Verdict // on the events
	names    []string         // of the lanes, from the top; the first is the customers'
	left     float64          // of the time axis: the names stand to its left
	start    time.Time
	span     time.Duration

	titles, caption []string
	marks           map[mark]int // how many orders each stands for
	labels          []label      // of the faults
	counts          []count      // for below the picture
	middles         []float64    // of the lanes
	lanesTop        float64
	lanesBottom     float64
	backlogBottom   float64
	countsTop       float64
	height          float64
}

// customers is the lane of those who place orders.
const customers = "customers"

func newPicture(h history.Run) *picture {
	p := &picture{h: h, verdicts: ledger.Judge(h.Events)}
	p.names = append([]string{customers}, processes(h)...)
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
	p.left = p.widest()
	return p
}

// processes puts the producer above the consumers that it feeds: in the order in which
// the manifest starts them. Who was never seen to live and yet did something comes last.
func processes(h history.Run) []string {
	first := map[string]time.Time{}
	note := func(process string, at time.Time) {
		if known, ok := first[process]; !ok || at.Before(known) {
			first[process] = at
		}
	}
	for _, l := range h.Lives {
		note(l.Process, l.From)
	}
	lived := len(first)
	names := slices.Collect(maps.Keys(first))
	for _, e := range h.Events {
		if _, ok := first[e.Process]; !ok && e.Kind != ledger.Accepted {
			note(e.Process, e.Time)
			names = append(names, e.Process)
		}
	}
	byFirst := func(a, b string) int {
		return cmp.Or(first[a].Compare(first[b]), strings.Compare(a, b))
	}
	slices.SortFunc(names[:lived], byFirst)
	return names
}

// widest is how much room the names take, and what stands below them. Nobody's name takes
// more than a quarter of the picture.
func (p *picture) widest() float64 {
	_, _, deepest := p.depths()
	most := max(plain(14).width(notDone), plain(13).width(deepest.ofThem()))
	for _, name := range p.names {
		most = max(most, plain(14).width(name))
	}
	return min(margin+most+10, width/4)
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// layout decides how high everything is, from the top down.
func (p *picture) layout() {
	p.marks = p.collect()
	noted := p.noted()
	rows := p.place()
	p.lanesTop = 12 + 24*float64(len(p.titles)) + row*float64(rows) + 8
	y := p.lanesTop
	for i := range p.names {
		p.middles = append(p.middles, y+lane/2)
		y += lane
		if noted[i] {
			y += notes
		}
	}
	p.lanesBottom = y
	p.backlogBottom = p.lanesBottom + 14 + backlogH
	p.countsTop = p.backlogBottom + 20 + row + 6
	p.counts = p.count()
	last := p.counts[len(p.counts)-1]
	p.height = p.countsTop + last.y + row*float64(len(p.caption)) + 14
}

func (p *picture) x(t time.Time) float64 {
	share := float64(t.Sub(p.start)) / float64(p.span)
	return p.left + min(max(share, 0), 1)*(width-p.left-right)
}

func (p *picture) printf(format string, args ...any) { fmt.Fprintf(&p.b, format, args...) }

func (p *picture) text(x, y float64, class, text string) {
	p.printf("<text x=\"%.1f\" y=\"%.1f\"", x, y)
	if class != "" {
		p.printf(" class=\"%s\"", class)
	}
	p.printf(">%s</text>\n", html.EscapeString(printable(text)))
}

func (p *picture) head(title string) {
	p.printf("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %.0f %.0f\" "+
		"role=\"img\" aria-label=\"%s\">\n", width, p.height,
		html.EscapeString(printable(title)))
	p.b.WriteString(styles)
	for i, line := range p.titles {
		p.text(margin, 26+24*float64(i), "title", line)
	}
}

func (p *picture) axis() {
	step := niceStep(p.span)
	for at := time.Duration(0); at <= p.span; at += step {
		x := p.x(p.start.Add(at))
		p.printf("<path class=\"axis\" d=\"M%.1f %.1fV%.1f\"/>\n", x, p.lanesTop, p.backlogBottom)
		text := fmt.Sprintf("%g s", at.Seconds())
		half := plain(13).width(text) / 2
		p.text(min(x, width-half), p.backlogBottom+18, "small tick", text)
	}
}

// niceStep gives about ten ticks at round seconds.
func niceStep(span time.Duration) time.Duration {
	for _, step := range []time.Duration{
		200 * time.Millisecond, 500 * time.Millisecond, time.Second, 2 * time.Second,
		5 * time.Second, 10 * time.Second, 30 * time.Second, time.Minute, 5 * time.Minute,
	} {
		if span/step <= 12 {
			return step
		}
	}
	return (span / 10).Truncate(time.Second)
}

func (p *picture) lanes() {
	place := map[string]int{}
	for i, name := range p.names {
		place[name] = i
		p.text(p.left-10, p.middles[i]+5, "name", clip(name, p.left-10-margin, plain(14)))
	}
	for _, l := range p.h.Lives {
		p.printf("<path class=\"life\" opacity=\".5\" d=\"M%.1f %.1fH%.1f\"/>\n",
			p.x(l.From), p.middles[place[l.Process]], p.x(l.To))
	}
}

// foot writes how many marks of each class there are, and the caption.
func (p *picture) foot() {
	for _, c := range p.counts {
		y := p.countsTop + c.y
		p.printf("<path class=\"%s\" d=\"M%.1f %.1fv-12\"/>\n", c.class, c.x, y+1)
		p.text(c.x+7, y, "", c.text())
	}
	y := p.countsTop + p.counts[len(p.counts)-1].y + row + 2
	for i, line := range p.caption {
		p.text(margin, y+row*float64(i), "small", line)
	}
}
