//go:build exercise

package round

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// rounds counts until all of 4096 peers know it, on average.
func rounds(t *testing.T) float64 {
	const runs, n = 10, 4096
	all := 0
	for run := range runs {
		random := rand.New(rand.NewPCG(1, uint64(run)))
		knows := make([]bool, n)
		knows[0] = true
		for ; slices.Contains(knows, false); all++ {
			next := Round(slices.Clone(knows), random)
			if len(next) != n {
				t.Fatalf("there were %d peers, and there are %d", n, len(next))
			}
			for peer := range n {
				if knows[peer] && !next[peer] {
					t.Fatalf("peer %d has forgotten it", peer)
				}
			}
			if all > 100*runs {
				t.Fatal("it does not reach everybody")
			}
			knows = next
		}
	}
	return float64(all) / runs
}

func TestRounds(t *testing.T) {
	switch got := rounds(t); {
	case got > 14:
		t.Errorf("%.1f rounds with pushes alone, or nearly: who does not know it must ask", got)
	case got < 9.5:
		t.Errorf("%.1f rounds: what was learned in a round was passed on in the same one", got)
	default:
		t.Logf("%.1f rounds", got)
	}
}

// With two peers one round is enough; with one who knows it among three, two can have it from
// him, and nobody from one who has just heard it.
func TestOneRound(t *testing.T) {
	for seed := range uint64(50) {
		next := Round([]bool{true, false}, rand.New(rand.NewPCG(seed, 1)))
		if !next[1] {
			t.Fatal("one of two knows it, and the other one does not ask and is not told")
		}
		if slices.Contains(Round(make([]bool, 5), rand.New(rand.NewPCG(seed, 1))), true) {
			t.Fatal("nobody knew it, and now somebody does")
		}
	}
}
