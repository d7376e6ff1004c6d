package experiment

import (
	"strings"
	"testing"
	"time"

	"course.example/lab/internal/figure"
	"course.example/lab/internal/history"
	"course.example/lab/internal/ledger"
)

// A picture beside figures that are not its marks is found out, whichever figure it is.
func TestPictureIsComparedWithTheFigures(t *testing.T) {
	t.Parallel()
	event := func(kind ledger.Kind, order, effect, process string) ledger.Event {
		return ledger.Event{
			Time: ms(100), Kind: kind, Order: order, Effect: effect, Process: process,
		}
	}
	h := history.Run{Started: ms(0), Refused: []time.Time{ms(5), ms(5), ms(7)}}
	h.Events = []ledger.Event{
		event(ledger.Accepted, "lost", "", "shop"), event(ledger.Received, "lost", "", "a"),
		event(ledger.Accepted, "done", "", ledger.Customer),
		event(ledger.Accepted, "done", "", ledger.Customer),
		event(ledger.Processed, "done", "7", "a"), event(ledger.Processed, "done", "7", "b"),
		event(ledger.Processed, "done", "8", "b"), event(ledger.Failed, "done", "", "b"),
		event(ledger.Processed, "ghost", "", "a"),
		event(ledger.Accepted, "bad", "", "shop"), event(ledger.Failed, "bad", "", "a"),
	}
	right := ledger.Summary{
		Accepted: 3, Processed: 1, Failed: 1, Open: 1, Duplicated: 1, Ghosts: 1,
		Contradictions: 1, Reused: 1, Deliveries: 1, MaxAttempts: 1,
	}
	r := Result{Name: "kill", Facts: figure.Facts{
		Ledger: right, Lost: 1, Refused: 3, History: h,
	}}
	if err := r.CheckPicture(); err != nil {
		t.Error(err)
	}
	for _, c := range []struct {
		class  string
		change func(*Result)
	}{
		{"accepted", func(r *Result) { r.Ledger.Accepted++ }},
		{"processed", func(r *Result) { r.Ledger.Processed++ }},
		{"failed", func(r *Result) { r.Ledger.Failed++ }},
		{"lost", func(r *Result) { r.Lost++ }},
		{"duplicated", func(r *Result) { r.Ledger.Duplicated-- }},
		{"ghosts", func(r *Result) { r.Ledger.Ghosts-- }},
		{"contradictions", func(r *Result) { r.Ledger.Contradictions-- }},
		{"reused", func(r *Result) { r.Ledger.Reused-- }},
		{"refused", func(r *Result) { r.Refused = 1 }},
		{"received", func(r *Result) { r.Ledger.Deliveries++ }},
	} {
		other := r
		c.change(&other)
		if err := other.CheckPicture(); err == nil || !strings.Contains(err.Error(), c.class) {
			t.Errorf("%s: the difference is not told: %v", c.class, err)
		}
	}
	if err := (Result{Facts: figure.Facts{Lost: 1}}).CheckPicture(); err != nil {
		t.Errorf("where nothing is drawn: %v", err)
	}
}
