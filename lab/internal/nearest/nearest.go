// Package nearest finds the name that somebody has probably meant.
package nearest

import "slices"

// To returns the name that is nearest to what was written, or "" when none is near: more than a
// third of its letters would have to be changed.
func To(written string, names []string) string {
	best, near := "", len(written)/3+1
	for _, name := range names {
		if d := distance(written, name); d <= near && (best == "" || d < near) {
			best, near = name, d
		}
	}
	return best
}

// distance is how many letters must be changed, added or taken away to make b of a, where two
// neighbours that have changed places count once (optimal string alignment).
func distance(a, b string) int {
	x, y := []rune(a), []rune(b)
	var before, last []int
	for j := range len(y) + 1 {
		last = append(last, j)
	}
	for i := range x {
		row := []int{i + 1}
		for j := range y {
			cost := 1
			if x[i] == y[j] {
				cost = 0
			}
			d := min(last[j]+cost, last[j+1]+1, row[j]+1)
			if i > 0 && j > 0 && x[i] == y[j-1] && x[i-1] == y[j] {
				d = min(d, before[j-1]+1)
			}
			row = append(row, d)
		}
		before, last = slices.Clone(last), row
	}
	return last[len(y)]
}
