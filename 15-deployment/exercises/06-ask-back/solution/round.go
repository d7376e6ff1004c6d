// Package round is gossip in rounds.
package round

import (
	"math/rand/v2"
	"slices"
)

// Round is one round of gossip. Knows says who knows the rumour at its beginning; the result,
// who knows it at its end.
func Round(knows []bool, random *rand.Rand) []bool {
	next, n := slices.Clone(knows), len(knows)
	for peer := range n {
		other := (peer + 1 + random.IntN(n-1)) % n // anybody but himself
		if knows[peer] {
			next[other] = true // push
		} else if knows[other] {
			next[peer] = true // pull
		}
	}
	return next
}
