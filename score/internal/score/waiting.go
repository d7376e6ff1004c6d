package score

import (
	"fmt"
	"time"

	"course.example/lab/internal/history"
	"course.example/lab/internal/ledger"
)

// firstFault is when something was broken for the first time.
func firstFault(h history.Run) time.Time {
	for _, m := range h.Marks {
		if m.Fault {
			return m.Time
		}
	}
	return h.Ended
}

// waitingAt are the orders that waited at a moment: the shop or its customer has said that
// they were placed, and they have not come to an end. A customer who had no answer by then
// waits as well; without the name of an order, he has one of his own.
func waitingAt(h history.Run, moment time.Time) map[string]bool {
	waiting := map[string]bool{}
	for i, a := range h.Answers {
		if !a.Time.Add(-a.Took).Before(moment) {
			continue
		}
		if a.Order != "" {
			waiting[a.Order] = true
		} else if a.Time.After(moment) {
			waiting[fmt.Sprintf("customer %d", i)] = true
		}
	}
	verdicts := ledger.Judge(h.Events)
	for i, e := range h.Events {
		if verdicts[i].Accepts() && e.Time.Before(moment) {
			waiting[e.Order] = true
		}
	}
	for i, e := range h.Events {
		if verdicts[i].Ends() && e.Time.Before(moment) {
			delete(waiting, e.Order)
		}
	}
	return waiting
}
