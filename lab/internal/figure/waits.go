package figure

import (
	"errors"
	"math"
	"slices"
	"time"

	"course.example/lab/internal/history"
	"course.example/lab/internal/ledger"
)

// waited is the time within which so many percent had their answer: the value at
// that rank, nothing interpolated.
func waited(f *Facts, percent string, refusals bool) (float64, error) {
	share, err := Percentile(percent)
	if err != nil {
		return 0, err
	}
	var times []time.Duration
	for _, a := range f.History.Answers {
		if !refusals || !a.Accepted {
			times = append(times, a.Took)
		}
	}
	switch {
	case len(f.History.Answers) == 0:
		return 0, errors.New("no customer has placed a single order")
	case len(times) == 0:
		return 0, errors.New("no customer with a single order was refused")
	}
	slices.Sort(times)
	rank := int(math.Ceil(share / 100 * float64(len(times))))
	return times[max(rank, 1)-1].Seconds(), nil
}

// recovers is what [Recovery] says, where something can be said at all: the shop must have worked
// before the first fault, and customers must have come after it.
func recovers(f *Facts, _ Ask) (float64, error) {
	fault, end := outage(f.History)
	if fault.IsZero() {
		return 0, errors.New("nothing was broken")
	}
	accepted, processed := service(f.History)
	before := func(times []time.Time) bool { return len(times) > 0 && !times[0].After(fault) }
	after := func(times []time.Time) bool { return len(times) > 0 && times[len(times)-1].After(fault) }
	came := after(accepted)
	for _, t := range f.History.Refused {
		came = came || t.After(fault)
	}
	for _, a := range f.History.Answers {
		came = came || a.Time.After(fault)
	}
	silent := !after(accepted) || !after(processed)
	switch {
	case !before(accepted):
		return 0, errors.New("no order was accepted before the first fault")
	case !before(processed):
		return 0, errors.New("no order was processed before the first fault")
	case !came:
		return 0, errors.New("no customer came after the first fault")
	case silent && fault.After(end.Add(-stillSilent)):
		return 0, errors.New("the load ended too soon after the first fault")
	}
	if d := Recovery(f.History); d >= 0 {
		return d.Seconds(), nil
	}
	return math.MaxFloat64, nil
}

// outage is when the first fault was, and when the last customer came.
func outage(h history.Run) (fault, end time.Time) {
	for _, m := range h.Marks {
		if m.Fault && fault.IsZero() {
			fault = m.Time
		}
		if m.Act == history.LoadEnds {
			end = m.Time
		}
	}
	return fault, end
}

// Recovery is the longest silence after the first fault: the longest time in
// which no order was accepted, or none was processed, while customers kept
// coming. A shop that does not notice a fault is silent for no longer than
// between any two orders. It is negative when the shop was still silent as the
// load ended, and zero when there was no fault.
func Recovery(h history.Run) time.Duration {
	fault, end := outage(h)
	if fault.IsZero() {
		return 0
	}
	accepted, processed := service(h)
	a, p := silence(accepted, fault, end), silence(processed, fault, end)
	if a < 0 || p < 0 {
		return -1
	}
	return max(a, p)
}

// service is when orders were accepted, and when their effects happened, in the order of
// time. To report again what is known is neither.
func service(h history.Run) (accepted, processed []time.Time) {
	for i, v := range ledger.Judge(h.Events) {
		if v.Accepts() {
			accepted = append(accepted, h.Events[i].Time)
		}
		if v.Happened() {
			processed = append(processed, h.Events[i].Time)
		}
	}
	slices.SortFunc(accepted, time.Time.Compare)
	slices.SortFunc(processed, time.Time.Compare)
	return accepted, processed
}

// stillSilent is how long before the end of the load the last event must have
// been for the shop not to count as working again.
const stillSilent = time.Second

// silence is the longest time between two of the times, from one moment on.
func silence(times []time.Time, from, end time.Time) time.Duration {
	last, longest := from, time.Duration(0)
	for _, t := range times {
		if !t.After(from) {
			continue
		}
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
