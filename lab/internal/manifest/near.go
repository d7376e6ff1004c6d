package manifest

import (
	"fmt"
	"slices"
	"strings"

	"course.example/lab/internal/nearest"
)

// didYouMean ends an error about a name that nobody bears: with the nearest name, or, where none
// is near, with those that there are.
func didYouMean(name string, names []string) string {
	if len(names) == 0 {
		return ": there is none"
	}
	near := nearest.To(name, names)
	for _, n := range names {
		if near == "" && len(name) > 2 && strings.HasPrefix(n, name) {
			near = n // the rest was left out
		}
	}
	if near != "" {
		return fmt.Sprintf(": did you mean %s?", near)
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
