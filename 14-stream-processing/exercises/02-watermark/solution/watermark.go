// Package watermark says up to which time all orders are here.
package watermark

import "time"

// Watermarks is for one goroutine.
type Watermarks struct {
	Slack time.Duration // by how much orders may overtake each other
	Idle  time.Duration // after which a silent partition holds nobody up

	partitions map[int]seen
	told       time.Time
}

type seen struct{ latest, appended time.Time }

// Seen says that a partition had an order that was placed and appended at these times.
func (w *Watermarks) Seen(partition int, placed, appended time.Time) {
	if w.partitions == nil {
		w.partitions = map[int]seen{}
	}
	s := w.partitions[partition]
	w.partitions[partition] = seen{later(s.latest, placed), later(s.appended, appended)}
}

// Watermark is the event time up to which all orders are believed to be here.
func (w *Watermarks) Watermark(now time.Time) time.Time {
	var least time.Time
	for _, s := range w.partitions {
		active := now.Sub(s.appended) < w.Idle
		if active && (least.IsZero() || s.latest.Before(least)) {
			least = s.latest
		}
	}
	if !least.IsZero() {
		w.told = later(w.told, least.Add(-w.Slack))
	}
	return w.told
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
