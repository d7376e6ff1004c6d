package draw

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"course.example/lab/internal/ledger"
)

// class is a kind of mark: a short upright stroke in its lane.
type class struct {
	name     string
	from, to float64 // its ends, from the middle of the lane down
	width    float64
	always   bool // its number is told even where it is 0
	noted    bool // where one mark stands for several orders, their number is beside it
}

// classes are in the order in which their numbers stand below the picture.
var classes = []class{
	{"accepted", -11, 0, 1.4, true, false},
	{"processed", -1, 11, 1.4, true, false},
	{"failed", -15, 15, 2.4, true, true},
	{"lost", -16, 16, 2.4, true, true},
	{"duplicated", -1, 15, 3, true, true},
	{"ghosts", -1, 13, 2.4, false, true},
	{"contradictions", -15, 15, 3, false, true},
	{"reused", -16, 0, 3, false, true},
	{"refused", 1, 11, 1.4, false, true},
	{"received", -11, -2, 1.4, false, false},
}

// drawn are the classes of the marks that an event with that verdict is drawn as. The
// others are not drawn: what is told twice, and what harms nobody.
var drawn = map[ledger.Verdict][]string{
	ledger.Promise: {"accepted"}, ledger.Open: {"accepted", "lost"}, ledger.Reuse: {"reused"},
	ledger.Delivery: {"received"}, ledger.Effect: {"processed"},
	ledger.Duplicate: {"duplicated"}, ledger.Ghost: {"ghosts"},
	ledger.GivenUp: {"failed"}, ledger.Contradiction: {"contradictions"},
}

// mark is where a stroke stands. Those that would fall on the same place are one, which
// knows how many it stands for: a picture of a million orders is no larger.
type mark struct {
	class string
	lane  int
	x     int // half units
}

// collect counts the marks by their place.
func (p *picture) collect() map[mark]int {
	marks, place := map[mark]int{}, map[string]int{}
	add := func(class string, lane int, t time.Time) {
		marks[mark{class, lane, int(math.Round(p.x(t) * 2))}]++
	}
	for i, name := range p.names {
		place[name] = i
	}
	for i, e := range p.h.Events {
		for _, class := range drawn[p.verdicts[i]] {
			lane := 0 // what is accepted, the customers know
			if e.Kind != ledger.Accepted {
				lane = place[e.Process]
			}
			add(class, lane, e.Time)
		}
	}
	for _, t := range p.h.Refused {
		add("refused", 0, t)
	}
	return marks
}

// strokes draws the marks: a path for all of one class that stand for equally many
// orders, which the path says.
func (p *picture) strokes() {
	for _, c := range classes {
		byCount := map[int][]mark{}
		for m, n := range p.marks {
			if m.class == c.name {
				byCount[n] = append(byCount[n], m)
			}
		}
		for _, n := range slices.Sorted(maps.Keys(byCount)) {
			p.printf("<path class=\"%s\" data-orders=\"%d\"", c.name, n)
			if n > 1 {
				p.printf(" style=\"stroke-width:%.1f\"", c.width*(1+0.25*math.Log2(float64(n))))
			}
			p.b.WriteString(" d=\"")
			for _, m := range sorted(byCount[n]) {
				y := p.middles[m.lane]
				p.printf("M%.1f %.0fV%.0f", float64(m.x)/2, y+c.from, y+c.to)
			}
			p.b.WriteString("\"/>\n")
		}
	}
	p.numbers()
}

func sorted(marks []mark) []mark {
	slices.SortFunc(marks, func(a, b mark) int {
		return cmp.Or(a.lane-b.lane, a.x-b.x, strings.Compare(a.class, b.class))
	})
	return marks
}

// noted says which lanes have numbers.
func (p *picture) noted() map[int]bool {
	lanes := map[int]bool{}
	for _, m := range p.several() {
		lanes[m.lane] = true
	}
	return lanes
}

// several are the marks whose number is told: those that stand for the most orders first.
func (p *picture) several() []mark {
	var all []mark
	for _, c := range classes {
		for m, n := range p.marks {
			if m.class == c.name && c.noted && n > 1 {
				all = append(all, m)
			}
		}
	}
	slices.SortStableFunc(sorted(all), func(a, b mark) int { return p.marks[b] - p.marks[a] })
	return all
}

// numbers writes "×6" below a mark that stands for six orders, where there is room.
func (p *picture) numbers() {
	taken := map[int][]stretch{}
	for _, m := range p.several() {
		text, x := fmt.Sprintf("×%d", p.marks[m]), float64(m.x)/2
		half := plain(13).width(text)/2 + 2
		at := stretch{x - half, x + half}
		if slices.ContainsFunc(taken[m.lane], at.meets) {
			continue
		}
		taken[m.lane] = append(taken[m.lane], at)
		p.text(x-half+2, p.middles[m.lane]+lane/2+9, "note", text)
	}
}

// count is the number of orders that the marks of a class stand for, below the picture.
type count struct {
	class string
	n     int
	x, y  float64 // from the top of the counts
}

func (c count) text() string { return fmt.Sprintf("%s %d", c.class, c.n) }

// count adds the marks up and gives each class a place.
func (p *picture) count() []count {
	total := map[string]int{}
	for m, n := range p.marks {
		total[m.class] += n
	}
	var all []count
	x, y := margin+4, 0.0
	for _, c := range classes {
		if total[c.name] == 0 && !c.always {
			continue
		}
		one := count{class: c.name, n: total[c.name]}
		wide := plain(14).width(one.text()) + 26
		if x+wide > width {
			x, y = margin+4, y+row+2
		}
		one.x, one.y = x, y
		all = append(all, one)
		x += wide
	}
	return all
}
