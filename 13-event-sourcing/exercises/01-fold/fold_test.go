//go:build exercise

package fold

import (
	"strings"
	"testing"
)

func TestReserved(t *testing.T) {
	log := []Event{
		{"1", "placed", "mug", 2}, {"2", "placed", "mug", 1}, {"1", "added", "hat", 3},
		{"1", "added", "mug", 4},
	}
	check(t, "placed and added", log, 7, 3)
	check(t, "added and cancelled", append(log, Event{Order: "1", Kind: "cancelled"}), 1, 0)
	_, err := Reserved(append(log, Event{Order: "2", Kind: "danced"}))
	if err == nil || !strings.Contains(err.Error(), "danced") {
		t.Errorf("of an event that nobody knows it says %v", err)
	}
}

func check(t *testing.T, what string, log []Event, mugs, hats int) {
	t.Helper()
	got, err := Reserved(log)
	if err != nil || got["mug"] != mugs || got["hat"] != hats {
		t.Errorf("%s: %v, %v; want %d mugs and %d hats", what, got, err, mugs, hats)
	}
}
