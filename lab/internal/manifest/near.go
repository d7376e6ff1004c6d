package manifest

import (
	"fmt"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"
)

// didYouMean ends an error about a name that nobody bears: with the nearest name, or, where none
// is near, with those that there are.
func didYouMean(name string, names []string) string {
	if len(names) == 0 {
		return ": there is none"
	}
	best, distance := "", len(name)
	for _, n := range names {
		d := levenshtein.ComputeDistance(strings.ToLower(name), strings.ToLower(n))
		if letters(name) == letters(n) {
			d = 1 // two of them have changed places
		}
		if d < distance {
			best, distance = n, d
		}
	}
	for _, n := range names {
		if len(name) > 2 && strings.HasPrefix(n, name) && distance > 1+len(name)/4 {
			best, distance = n, 0 // the rest was left out
		}
	}
	if best != "" && distance <= 1+len(name)/4 {
		return fmt.Sprintf(": did you mean %s?", best)
	}
	const most = 12
	some := slices.Sorted(slices.Values(names))
	if len(some) > most {
		some = append(some[:most:most], "…")
	}
	if len(some) == 1 {
		return ": there is " + some[0]
	}
	return ": there are " + strings.Join(some, ", ")
}

// letters are those of a name in the order of the alphabet.
func letters(name string) string {
	all := []rune(strings.ToLower(name))
	slices.Sort(all)
	return string(all)
}
