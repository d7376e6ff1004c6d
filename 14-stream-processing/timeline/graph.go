package main

import (
	"math"
	"math/rand/v2"
)

// Graph says who follows whom. It is made up: the followers of an account are distributed by a power law,
// as in the networks that there are (a few accounts have most of them), and who they are is chance.
type Graph struct {
	Followers [][]int32 // by account
	Followees [][]int32
}

// NewGraph makes a graph in which an account has mean followers on average, and the largest one share of
// all accounts. The same seed makes the same graph.
func NewGraph(accounts int, mean float64, share float64, seed uint64) *Graph {
	random := rand.New(rand.NewPCG(seed, 0))
	g := &Graph{
		Followers: make([][]int32, accounts), Followees: make([][]int32, accounts),
	}
	for rank, n := range sizes(accounts, mean, share) {
		g.Followers[rank] = choose(random, accounts, rank, n)
		for _, follower := range g.Followers[rank] {
			g.Followees[follower] = append(g.Followees[follower], int32(rank))
		}
	}
	return g
}

// sizes returns how many followers each account has, the largest first: the first one has share·accounts,
// and the exponent of rank^-s is found by bisection so that the mean is right.
func sizes(accounts int, mean, share float64) []int {
	largest := share * float64(accounts)
	sum := func(s float64) (total float64) {
		for rank := range accounts {
			total += largest * math.Pow(float64(rank+1), -s)
		}
		return total
	}
	low, high := 0.0, 3.0
	for range 50 {
		if s := (low + high) / 2; sum(s) > mean*float64(accounts) {
			low = s
		} else {
			high = s
		}
	}
	all := make([]int, accounts)
	rest := 0.0 // what is rounded away goes to the next ones
	for rank := range all {
		exact := largest*math.Pow(float64(rank+1), -low) + rest
		all[rank] = min(int(exact), accounts-1)
		rest = exact - float64(all[rank])
	}
	return all
}

// choose returns n different accounts, and not the one itself: every step-th from a beginning, where step
// and the number of accounts have no common divisor.
func choose(random *rand.Rand, accounts, not, n int) []int32 {
	at, step := random.IntN(accounts), 1+random.IntN(accounts-1)
	for gcd(step, accounts) != 1 {
		step = 1 + random.IntN(accounts-1)
	}
	chosen := make([]int32, 0, n)
	for len(chosen) < n {
		at = (at + step) % accounts
		if at != not {
			chosen = append(chosen, int32(at))
		}
	}
	return chosen
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}
