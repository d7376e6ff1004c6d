package draw

import (
	"fmt"
	"slices"

	"course.example/lab/internal/history"
)

// label is the name of a fault, or of what mends it, above the lanes.
type label struct {
	x, from, to float64 // of the line; where the text begins and ends
	row         int     // from the lanes up; -1 where there was no room
	text        string
	fault       bool
}

// maxRows bounds the names of the faults. Where there are more than fit, the rest is told
// by the lines alone.
const maxRows = 6

// place gives every name a row in which nothing overlaps it, and returns how many rows
// there are.
func (p *picture) place() (rows int) {
	var ends [maxRows]float64
	rows = 1
	nameless := 0
	for _, m := range slices.SortedStableFunc(slices.Values(p.h.Marks), byTime) {
		l := label{x: p.x(m.Time), row: -1, text: m.Act, fault: m.Fault}
		long := bold(13).width(m.Act)
		l.from, l.to = l.x+4, l.x+4+long
		if l.to > width {
			l.from, l.to = l.x-4-long, l.x-4
		}
		for i := range ends {
			if ends[i] <= l.from {
				l.row, ends[i] = i, l.to+8
				rows = max(rows, i+1)
				break
			}
		}
		if l.row < 0 {
			nameless++
		}
		p.labels = append(p.labels, l)
	}
	if nameless > 0 {
		p.caption = append(p.caption,
			fmt.Sprintf("%d of the upright lines have no name: there is no room", nameless))
	}
	return rows
}

func byTime(a, b history.Mark) int { return a.Time.Compare(b.Time) }

// faults draws the lines first: a name that a line runs behind can be read.
func (p *picture) faults() {
	for _, l := range p.labels {
		class, top := "mend", p.rowY(max(l.row, 0))
		if l.fault {
			class = "fault"
		}
		p.printf("<path class=\"%s\" d=\"M%.1f %.1fV%.1f\"/>\n", class, l.x, top-9, p.backlogBottom)
	}
	for _, l := range p.labels {
		class := "mendname"
		if l.fault {
			class = "faultname"
		}
		if l.row < 0 {
			continue
		}
		p.text(l.from, p.rowY(l.row), class, l.text)
	}
}

// rowY is where the text of a row stands.
func (p *picture) rowY(r int) float64 { return p.lanesTop - 10 - row*float64(r) }
