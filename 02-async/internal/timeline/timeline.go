// Package timeline draws, as text for the last row of a lecture hall, who worked
// and who waited when.
package timeline

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// Timeline records who is busy from when to when. A nil one records nothing. It
// is safe for concurrent use.
type Timeline struct {
	mu    sync.Mutex
	began time.Time
	lanes []lane // in the order of their first span
	busy  int    // spans that have not ended
	idle  *sync.Cond
}

type lane struct {
	name  string
	spans []span
}

type span struct {
	waits    bool
	from, to time.Duration
}

// New begins a time line, now.
func New() *Timeline {
	t := &Timeline{began: time.Now()}
	t.idle = sync.NewCond(&t.mu)
	return t
}

// Working notes that somebody works, until the function it returns is called.
func (t *Timeline) Working(who string) (end func()) { return t.begin(who, false) }

// Waiting notes that somebody waits, until the function it returns is called.
func (t *Timeline) Waiting(who string) (end func()) { return t.begin(who, true) }

// Elapsed is the time since New, 0 for a nil time line.
func (t *Timeline) Elapsed() time.Duration {
	if t == nil {
		return 0
	}
	return time.Since(t.began)
}

// MeanWork is how long those who work took on average, 0 when nobody has worked.
// Like [Timeline.Draw] it waits until nobody is busy any more.
func (t *Timeline) MeanWork() time.Duration {
	if t == nil {
		return 0
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.untilIdle()
	total, n := time.Duration(0), 0
	for _, l := range t.lanes {
		for _, s := range l.spans {
			if !s.waits {
				total, n = total+s.to-s.from, n+1
			}
		}
	}
	return total / time.Duration(max(1, n))
}

// untilIdle waits for those who are busy. The caller holds the lock.
func (t *Timeline) untilIdle() {
	for t.busy > 0 {
		t.idle.Wait()
	}
}

func (t *Timeline) begin(who string, waits bool) (end func()) {
	if t == nil {
		return func() {}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	i := slices.IndexFunc(t.lanes, func(l lane) bool { return l.name == who })
	if i < 0 {
		i = len(t.lanes)
		t.lanes = append(t.lanes, lane{name: who})
	}
	s := len(t.lanes[i].spans)
	now := time.Since(t.began)
	t.lanes[i].spans = append(t.lanes[i].spans, span{waits: waits, from: now})
	t.busy++
	return func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.lanes[i].spans[s].to = time.Since(t.began)
		t.busy--
		t.idle.Broadcast()
	}
}

// ticks is how many columns a unit of time has.
const ticks = 20

// Draw returns the picture, with an axis in the given unit: the same unit makes
// pictures that can be compared. It waits until nobody is busy any more: who has
// just been cancelled needs a moment to notice.
//
//	producer         ▐···················▐···················   waits 1.00 + 1.00 s
//	Elaborate(1, 1)  ████████████████████                       works 1.00 s
//	Elaborate(2, 2)                      ████████████████████   works 1.00 s
//	                 0s                  1s                  2s
func (t *Timeline) Draw(unit time.Duration) string {
	if t == nil {
		return ""
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.untilIdle()
	column := func(at time.Duration) int {
		return int((at*ticks + unit/2) / unit)
	}
	// Who begins in the same column stands in the order of their names, so that
	// two runs give the same picture.
	slices.SortStableFunc(t.lanes, func(a, b lane) int {
		return cmp.Or(
			cmp.Compare(column(a.spans[0].from), column(b.spans[0].from)),
			-cmp.Compare(a.waits(), b.waits()),
			cmp.Compare(a.name, b.name))
	})
	units, name := 1, 0
	for _, l := range t.lanes {
		name = max(name, len([]rune(l.name)))
		for _, s := range l.spans {
			units = max(units, (column(s.to)+ticks-1)/ticks)
		}
	}
	var text strings.Builder
	for _, l := range t.lanes {
		row := []rune(strings.Repeat(" ", units*ticks+1))
		for _, s := range l.spans {
			s.draw(row, column(s.from), column(s.to))
		}
		fmt.Fprintf(&text, "%-*s  %s  %s\n", name, l.name, string(row), l.summary())
	}
	fmt.Fprintf(&text, "%-*s  %s\n", name, "", axis(units, unit))
	return text.String()
}

func (s span) draw(row []rune, from, to int) {
	fill := '█'
	if s.waits {
		fill = '·'
	}
	for i := from; i < max(to, from+1) && i < len(row); i++ {
		row[i] = fill
	}
	if s.waits { // so that two waits in a row are seen to be two
		row[min(from, len(row)-1)] = '▐'
	}
}

// waits is 1 for those who wait and 0 for those who work.
func (l lane) waits() int {
	if l.spans[0].waits {
		return 1
	}
	return 0
}

func (l lane) summary() string {
	does := "works"
	parts := make([]string, 0, len(l.spans))
	for _, s := range l.spans {
		if s.waits {
			does = "waits"
		}
		parts = append(parts, fmt.Sprintf("%.2f", (s.to-s.from).Seconds()))
	}
	return fmt.Sprintf("%s %s s", does, strings.Join(parts, " + "))
}

func axis(units int, unit time.Duration) string {
	var text strings.Builder
	for i := range units {
		fmt.Fprintf(&text, "%-*s", ticks, time.Duration(i)*unit)
	}
	return text.String() + (time.Duration(units) * unit).String()
}
