//go:build exercise

package watermark

import (
	"testing"
	"time"
)

// at is so many seconds after noon.
func at(seconds int) time.Time {
	return time.Date(2026, 1, 2, 12, 0, seconds, 0, time.UTC)
}

func TestWatermark(t *testing.T) {
	w := Watermarks{Slack: 2 * time.Second, Idle: 30 * time.Second}
	if got := w.Watermark(at(0)); !got.IsZero() {
		t.Errorf("before there is an order it is %v, want the zero time", got)
	}
	is := func(what string, now, want int) {
		t.Helper()
		if got := w.Watermark(at(now)); !got.Equal(at(want)) {
			t.Errorf("%s: it is %s, want %s", what, got.Format(time.TimeOnly),
				at(want).Format(time.TimeOnly))
		}
	}
	w.Seen(0, at(100), at(101))
	is("the watermark of a single partition", 102, 98)
	w.Seen(0, at(90), at(103))
	is("an old order in the same partition", 103, 98)
	w.Seen(1, at(110), at(111))
	is("a second partition is ahead", 111, 98)
	w.Seen(0, at(120), at(120))
	is("the first has overtaken it", 120, 108)
	w.Seen(0, at(140), at(140))
	is("the second is still active", 140, 108)
	is("the second has been silent for 30 s", 141, 138)
	w.Seen(1, at(125), at(142))
	is("it wakes up with what is late", 142, 138)
	w.Seen(1, at(150), at(151))
	is("and is here again; the first is behind", 151, 138)
	w.Seen(0, at(160), at(161))
	is("both go on", 161, 148)
	is("all are silent", 500, 148)
}
