package pace

import (
	"testing"
	"time"
)

func TestSlownessLeavesOutTheSlowestTenth(t *testing.T) {
	t.Parallel()
	ms := func(all ...int) []time.Duration {
		var took []time.Duration
		for _, n := range all {
			took = append(took, time.Duration(n)*time.Millisecond)
		}
		return took
	}
	cases := []struct {
		name string
		took []time.Duration
		want float64
	}{
		{"nothing measured", nil, 1},
		{"free", ms(10, 10, 10), 1},
		{"faster than ever before", ms(5, 5), 1},
		{"twice as slow", ms(20, 20, 20), 2},
		{"one hiccup in ten", ms(10, 10, 10, 10, 10, 10, 10, 10, 10, 90), 1},
		{"two in ten", ms(10, 10, 10, 10, 10, 10, 10, 10, 90, 90), 9},
	}
	for _, c := range cases {
		if got := slowness(c.took, 10*time.Millisecond); got != c.want {
			t.Errorf("%s: %g, want %g", c.name, got, c.want)
		}
	}
}

// A piece of work that somebody is in the way of takes longer, and is noticed.
func TestMeterNoticesABusyMachine(t *testing.T) {
	t.Parallel()
	m := Start(t.Context())
	working.Lock() // nobody gets on for a while
	time.AfterFunc(20*piece, working.Unlock)
	if got := m.Stop(); got < 1 {
		t.Errorf("×%g, want at least 1", got)
	}
	if len(m.took) == 0 {
		t.Error("nothing was measured")
	}
}

func TestNowIsTheAverageOfTheLastSeconds(t *testing.T) {
	t.Parallel()
	m := &Meter{}
	if got := m.Now(); got != 1 {
		t.Errorf("nothing measured yet: ×%g", got)
	}
	for _, n := range []int{90, 90, 10, 10, 10, 30, 30, 30} { // the first two are long ago
		m.took = append(m.took, time.Duration(n)*time.Millisecond)
	}
	if got := m.Now(); got != 2 {
		t.Errorf("×%g, want ×2", got)
	}
}
