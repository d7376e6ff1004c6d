package draw

import (
	"regexp"
	"strings"
	"testing"

	"course.example/lab/internal/history"
)

// marks is how many marks of a class a picture has, each a stroke of one path; the legend, too,
// has a path of each class.
func marks(t *testing.T, svg, class string) int {
	t.Helper()
	n := -1
	for _, path := range regexp.MustCompile(`<path class="`+class+`" d="([^"]*)"`).
		FindAllStringSubmatch(svg, -1) {
		n += strings.Count(path[1], "M")
	}
	if n < 0 {
		t.Fatalf("the legend has no %s", class)
	}
	return n
}

// A picture that shows less than was counted would be believed all the same.
func TestEveryOrderIsDrawn(t *testing.T) {
	t.Parallel()
	svg := draw(t, aRun())
	for class, want := range map[string]int{
		"accepted": 3, "processed": 1, "duplicated": 1, "failed": 1, "lost": 1, "refused": 1,
		"received": 0,
	} {
		if got := marks(t, svg, class); got != want {
			t.Errorf("%d %s are drawn, want %d", got, class, want)
		}
	}
	for class, want := range map[string]int{"fault": 1, "mend": 1, "life": 3} {
		if got := strings.Count(svg, `<path class="`+class+`"`); got != want {
			t.Errorf("%d of %s are drawn, want %d", got, class, want)
		}
	}
	// One is worked off before the next two come, and of those one is given up.
	if !strings.Contains(svg, "at most 2<") {
		t.Error("the backlog was at most two orders")
	}
}

// What was reported twice is one order, and no second one in the backlog.
func TestOrderReportedTwiceIsDrawnOnce(t *testing.T) {
	t.Parallel()
	h := aRun()
	for _, e := range h.Events {
		if e.Kind == "accepted" || e.Kind == "failed" {
			e.Time = e.Time.Add(50e6)
			h.Events = append(h.Events, e)
		}
	}
	svg := draw(t, h)
	if got := marks(t, svg, "accepted"); got != 3 {
		t.Errorf("3 orders are drawn as %d", got)
	}
	if !strings.Contains(svg, "at most 2<") {
		t.Error("the backlog was at most two orders")
	}
	if got := marks(t, draw(t, history.Run{Started: start}), "accepted"); got != 0 {
		t.Errorf("%d orders of an empty run are drawn", got)
	}
}
