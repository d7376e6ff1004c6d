//go:build exercise

package sales

import (
	"maps"
	"slices"
	"testing"
	"time"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// record was placed and appended so many seconds after noon.
func record(order string, placed, appended, cents int) Record {
	at := func(seconds int) time.Time { return noon.Add(time.Duration(seconds) * time.Second) }
	return Record{order, at(placed), at(appended), cents}
}

func add(log ...Record) map[string]int {
	var s Sales
	for _, r := range log {
		s.Add(r)
	}
	return s.Minutes
}

func TestAdd(t *testing.T) {
	log := []Record{
		record("a", 10, 11, 100), record("b", 59, 61, 20), record("c", 70, 71, 3),
		record("d", 30, 200, 4000), // its customer had no network
	}
	want := map[string]int{"12:00": 4120, "12:01": 3}
	if got := add(log...); !maps.Equal(got, want) {
		t.Fatalf("the log of this noon, read again: %v, want %v", got, want)
	}
	back := slices.Clone(log)
	slices.Reverse(back)
	if got := add(back...); !maps.Equal(got, want) {
		t.Errorf("in another order: %v, want %v", got, want)
	}
	ahead := record("e", 3600, 65, 7) // its customer's clock is an hour ahead
	if got := add(ahead); !maps.Equal(got, map[string]int{"12:01": 7}) {
		t.Errorf("a clock that is ahead: %v, want 7 at 12:01", got)
	}
	if got := add(append(log, log[0], log[3])...); !maps.Equal(got, want) {
		t.Errorf("two orders stand in the log twice: %v, want %v", got, want)
	}
	zone := record("f", 10, 11, 5)
	zone.Placed = zone.Placed.In(time.FixedZone("there", 3600))
	if got := add(zone); got["12:00"] != 5 {
		t.Errorf("a customer in another time zone: %v, want 5 at 12:00", got)
	}
}
