package ledger

import (
	"slices"
	"testing"
)

// A few lost orders are named, and never more than are asked for.
func TestOpenIsLimited(t *testing.T) {
	t.Parallel()
	var l Ledger
	for _, order := range []string{"a", "b", "c"} {
		l.Add(ev(Accepted, order))
	}
	l.Add(ev(Processed, "b"))
	l.Add(ev(Received, "never accepted"))
	for limit, want := range []int{0, 1, 2, 2} {
		got := l.Open(limit)
		if len(got) != want || slices.Contains(got, "b") || slices.Contains(got, "never accepted") {
			t.Errorf("up to %d: %q", limit, got)
		}
	}
}
