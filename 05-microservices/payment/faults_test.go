package payment

import "testing"

// A share is spread evenly: no ten calls in a row have more of it than others.
func TestShare(t *testing.T) {
	t.Parallel()
	for of, want := range map[float64]int{0: 0, 0.2: 20, 0.33: 33, 0.5: 50, 1: 100} {
		var s share
		all, last := 0, []bool{}
		for range 100 {
			picked := s.next(of)
			if picked {
				all++
			}
			last = append(last, picked)
		}
		if all != want {
			t.Errorf("a share of %v is %d of 100, want %d", of, all, want)
		}
		for i := range 90 {
			ten := 0
			for _, picked := range last[i : i+10] {
				if picked {
					ten++
				}
			}
			if limit := int(of*10) + 1; ten > limit {
				t.Errorf("%d of ten calls in a row, with a share of %v", ten, of)
			}
		}
	}
}
