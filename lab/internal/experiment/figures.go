package experiment

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"course.example/lab/internal/history"
	"course.example/lab/internal/ledger"
	"course.example/lab/internal/manifest"
)

// figure is the value that a condition of the manifest names. The manifest has
// checked that there is one of that name.
func (r *Result) figure(name string) float64 {
	if process, ok := strings.CutPrefix(name, "processed by "); ok {
		return float64(processedBy(r.History, process))
	}
	if gauge, ok := strings.CutPrefix(name, "highest "); ok {
		return r.Highest[gauge]
	}
	if who, percent, ok := strings.Cut(name, " p"); ok && manifest.IsTime(name) {
		return waited(r.History.Answers, who == "refusal", percent).Seconds()
	}
	switch name {
	case "unanswered":
		return float64(r.Unanswered)
	case "availability":
		return ratio(100*r.customers(true), r.customers(false))
	case "amplification":
		return ratio(float64(r.Ledger.Deliveries), r.customers(false))
	case "accepted":
		return float64(r.Ledger.Accepted)
	case "processed":
		return float64(r.Ledger.Processed)
	case "failed":
		return float64(r.Ledger.Failed)
	case "lost":
		return float64(r.Lost)
	case "duplicated":
		return float64(r.Ledger.Duplicated)
	case "ghosts":
		return float64(r.Ledger.Ghosts)
	case "skipped":
		return float64(r.Ledger.Skipped)
	case "refused":
		return float64(r.Refused)
	case "attempts":
		return float64(r.Ledger.MaxAttempts)
	case "recovers":
		if r.Recovery < 0 {
			return math.MaxFloat64
		}
		return r.Recovery.Seconds()
	}
	if name == "untraced" {
		traced, known := r.Telemetry["orders traced"]
		if !known {
			return math.NaN()
		}
		return float64(r.Ledger.Accepted) - traced
	}
	if value, known := r.Telemetry[name]; known {
		return value
	}
	return math.NaN() // holds nothing
}

// customers counts those with one order each: all, or those who were told yes.
func (r *Result) customers(accepted bool) float64 {
	n := 0
	for _, a := range r.History.Answers {
		if a.Accepted || !accepted {
			n++
		}
	}
	return float64(n)
}

func ratio(part, whole float64) float64 {
	if whole == 0 {
		return 0
	}
	return part / whole
}

// waited is the time within which so many percent had their answer: the value at
// that rank, nothing interpolated.
func waited(answers []history.Answer, refusals bool, percent string) time.Duration {
	var times []time.Duration
	for _, a := range answers {
		if !refusals || !a.Accepted {
			times = append(times, a.Took)
		}
	}
	share, err := strconv.ParseFloat(percent, 64)
	if err != nil || len(times) == 0 {
		return 0
	}
	slices.Sort(times)
	rank := int(math.Ceil(share / 100 * float64(len(times))))
	return times[max(rank, 1)-1]
}

func processedBy(h history.Run, process string) int {
	n := 0
	for _, e := range h.Events {
		if e.Kind == ledger.Processed && e.Process == process {
			n++
		}
	}
	return n
}

// Recovery is the longest silence after the first fault: the longest time in
// which no order was accepted, or none was processed, while customers kept
// coming. A shop that does not notice a fault is silent for no longer than
// between any two orders. It is negative when the shop was still silent as the
// load ended, and zero when there was no fault.
func Recovery(h history.Run) time.Duration {
	var fault, end time.Time
	for _, m := range h.Marks {
		if m.Fault && fault.IsZero() {
			fault = m.Time
		}
		if m.Act == history.LoadEnds {
			end = m.Time
		}
	}
	if fault.IsZero() {
		return 0
	}
	accepted := silence(h.Events, ledger.Accepted, fault, end)
	processed := silence(h.Events, ledger.Processed, fault, end)
	if accepted < 0 || processed < 0 {
		return -1
	}
	return max(accepted, processed)
}

// stillSilent is how long before the end of the load the last event must have
// been for the shop not to count as working again.
const stillSilent = time.Second

// silence is the longest time between two events of a kind from one moment on.
func silence(events []ledger.Event, kind ledger.Kind, from, end time.Time) time.Duration {
	var times []time.Time
	for _, e := range events {
		if e.Kind == kind && e.Time.After(from) {
			times = append(times, e.Time)
		}
	}
	slices.SortFunc(times, time.Time.Compare)
	last, longest := from, time.Duration(0)
	for _, t := range times {
		if last.After(end) {
			break // nobody came any more: that is no silence of the shop's
		}
		longest = max(longest, t.Sub(last))
		last = t
	}
	if last.Before(end.Add(-stillSilent)) {
		return -1
	}
	return longest
}
