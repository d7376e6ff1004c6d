package bench

import (
	"maps"
	"testing"

	"course.example/lab/internal/history"
)

// The largest value may be 0 or below it. What is no number, and what no line had, is not there.
func TestGaugesKeepTheLargest(t *testing.T) {
	t.Parallel()
	r := &record{
		gauges:  []string{"depth", "balance", "name", "luck", "broken"},
		highest: map[string]float64{},
	}
	for _, line := range [][]history.Attr{
		{{Key: "depth", Value: "0"}, {Key: "balance", Value: "-7"}},
		{{Key: "balance", Value: "-3.5"}, {Key: "name", Value: "ada"}},
		{{Key: "balance", Value: "-9"}, {Key: "broken", Value: "NaN"}, {Key: "other", Value: "4"}},
	} {
		r.observe(history.Line{Text: "a line", Attrs: line})
	}
	if want := map[string]float64{"depth": 0, "balance": -3.5}; !maps.Equal(r.highest, want) {
		t.Errorf("got %v, want %v", r.highest, want)
	}
}
