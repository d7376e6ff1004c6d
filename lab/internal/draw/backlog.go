package draw

import (
	"fmt"
	"math"
	"slices"
	"time"

	"course.example/lab/internal/ledger"
)

// depth is how many orders were accepted and not yet done at a moment, and how many of
// these never would be.
type depth struct{ open, lost int }

const notDone = "not yet done"

func (d depth) ofThem() string {
	if d.lost == 0 {
		return ""
	}
	return fmt.Sprintf("%d of them lost", d.lost)
}

// depths are the depths at every place where they change, in half units of x, and the
// deepest of all. Between the places nothing changes; where several changes fall on one
// place, the last one counts.
func (p *picture) depths() (places []int, at map[int]depth, deepest depth) {
	type change struct {
		time time.Time
		by   depth
	}
	var changes []change
	for i, v := range p.verdicts {
		t := p.h.Events[i].Time
		switch {
		case v == ledger.Open:
			changes = append(changes, change{t, depth{1, 1}})
		case v == ledger.Promise:
			changes = append(changes, change{t, depth{1, 0}})
		case v.Ends():
			changes = append(changes, change{t, depth{-1, 0}})
		}
	}
	slices.SortStableFunc(changes, func(a, b change) int { return a.time.Compare(b.time) })
	at = map[int]depth{}
	var now depth
	for _, c := range changes {
		now = depth{now.open + c.by.open, now.lost + c.by.lost}
		if now.open > deepest.open {
			deepest = now
		}
		x := int(math.Round(p.x(c.time) * 2))
		if _, known := at[x]; !known {
			places = append(places, x)
		}
		at[x] = now
	}
	return places, at, deepest
}

// backlog draws how many orders are accepted and not yet done. Those that never will be
// are a part of it, of another colour: they wait nowhere, and yet their customers wait.
func (p *picture) backlog() {
	places, at, deepest := p.depths()
	bottom, deep := p.backlogBottom, max(deepest.open, 1)
	area := func(class string, height func(depth) int) {
		y := bottom
		p.printf("<path class=\"%s\" d=\"M%.1f %.1f", class, p.left, bottom)
		for _, x := range places {
			next := bottom - backlogH*float64(max(height(at[x]), 0))/float64(deep)
			p.printf("L%.1f %.1fV%.1f", float64(x)/2, y, next)
			y = next
		}
		p.printf("H%.1fV%.1fZ\"/>\n", width-right, bottom)
	}
	area("backlog", func(d depth) int { return d.open })
	middle := bottom - backlogH/2
	p.text(p.left-10, middle-8, "name", notDone)
	p.text(p.left-10, middle+10, "name small", fmt.Sprintf("at most %d", deepest.open))
	if deepest.lost > 0 {
		area("gone", func(d depth) int { return d.lost })
		p.text(p.left-10, middle+28, "name gonename", deepest.ofThem())
	}
}
