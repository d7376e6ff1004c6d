package main

import (
	"math"
	"math/rand/v2"
)

// Push is push gossip, computed in rounds: in each of them, everybody who knows the rumour
// tells it to some peers whom he draws. He does not know who knows it already.
type Push struct {
	Fanout int // peers that one tells in a round
	Sends  int // how often one tells it in all: afterwards one is silent
}

// Told is what came of telling a rumour.
type Told struct {
	Rounds   int // until the last one who hears it has heard it
	Messages int // until all are silent
	Heard    int
}

// plus adds up.
func (t Told) plus(o Told) Told {
	return Told{t.Rounds + o.Rounds, t.Messages + o.Messages, t.Heard + o.Heard}
}

// likeMemberlist are the figures of hashicorp/memberlist for n peers, as its
// DefaultLANConfig has them.
func likeMemberlist(n int) Push {
	return Push{Fanout: 3, Sends: 4 * int(math.Ceil(math.Log10(float64(n+1))))}
}

// Spread tells a rumour among n peers, of whom the first knows it. The last `dead` of them
// are dead, and nobody knows that yet: what is sent to them is lost.
func (p Push) Spread(n, dead int, random *rand.Rand) Told {
	left := make([]int, n) // messages that a peer will still send
	heard := make([]bool, n)
	left[0], heard[0] = p.Sends, true
	t := Told{Heard: 1}
	for round, active := 1, []int{0}; len(active) > 0; round++ {
		var next []int
		for _, peer := range active {
			for range min(p.Fanout, left[peer]) {
				t.Messages++
				left[peer]--
				to := (peer + 1 + random.IntN(n-1)) % n // anybody but himself
				if to < n-dead && !heard[to] {
					left[to], heard[to] = p.Sends, true
					t.Heard, t.Rounds = t.Heard+1, round
					next = append(next, to)
				}
			}
			if left[peer] > 0 {
				next = append(next, peer)
			}
		}
		active = next
	}
	return t
}
