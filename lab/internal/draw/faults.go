package draw

import (
	"fmt"
	"slices"

	"course.example/lab/internal/history"
)

// label is the name of a fault, or of what mends it, above the lanes.
type label struct {
	x     float64 // of the line
	text  stretch // where the name stands
	row   int     // from the lanes up; noRow where there was no room
	name  string
	fault bool
}

// stretch is from one x to another.
type stretch struct{ from, to float64 }

func (s stretch) meets(o stretch) bool { return s.from < o.to && o.from < s.to }

const (
	// maxRows bounds the names of the faults. Where there are more than fit, the rest is
	// told by the lines alone.
	maxRows = 8
	noRow   = -1
)

// place gives every name a row in which nothing overlaps it, and returns how many rows
// there are.
func (p *picture) place() (rows int) {
	taken := make([][]stretch, maxRows)
	nameless := 0
	rows = 1
	for _, m := range slices.SortedStableFunc(slices.Values(p.h.Marks), byTime) {
		l := label{x: p.x(m.Time), name: m.Act, fault: m.Fault}
		l.row, l.text = firstRoom(taken, l.x, bold(13).width(m.Act))
		if l.row == noRow {
			nameless++
		} else {
			taken[l.row] = append(taken[l.row], l.text)
			rows = max(rows, l.row+1)
		}
		p.labels = append(p.labels, l)
	}
	if nameless > 0 {
		p.caption = append(p.caption,
			fmt.Sprintf("upright lines without a name, for want of room: %d", nameless))
	}
	return rows
}

// firstRoom is the lowest row with room for a name on the right of its line, or else on
// the left.
func firstRoom(taken [][]stretch, x, long float64) (row int, at stretch) {
	const gap = 4
	for _, at := range []stretch{{x + gap, x + gap + long}, {x - gap - long, x - gap}} {
		if at.from < 0 || at.to > width {
			continue
		}
		for row, names := range taken {
			if !slices.ContainsFunc(names, stretch{at.from - gap, at.to + gap}.meets) {
				return row, at
			}
		}
	}
	return noRow, stretch{}
}

func byTime(a, b history.Mark) int { return a.Time.Compare(b.Time) }

// faults draws the lines first: a name that a line runs behind can be read.
func (p *picture) faults() {
	for _, l := range p.labels {
		class := "mend"
		if l.fault {
			class = "fault"
		}
		p.printf("<path class=\"%s\" d=\"M%.1f %.1fV%.1f\"/>\n", class, l.x,
			p.rowY(max(l.row, 0))-9, p.backlogBottom)
	}
	for _, l := range p.labels {
		class := "mendname"
		if l.fault {
			class = "faultname"
		}
		if l.row != noRow {
			p.text(l.text.from, p.rowY(l.row), class, l.name)
		}
	}
}

// rowY is where the text of a row stands.
func (p *picture) rowY(r int) float64 { return p.lanesTop - 10 - row*float64(r) }
