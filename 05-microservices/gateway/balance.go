package gateway

import (
	"math/rand/v2"
	"slices"
	"sync/atomic"
)

// balancer chooses one of the backends that are up; there is at least one. It is
// called concurrently.
type balancer func(up []*backend) *backend

// balancers are the ways to choose.
var balancers = map[string]func() balancer{
	"round-robin":       roundRobin,
	"least-connections": leastConnections,
}

// roundRobin takes them in turn: each gets as many requests, whatever they cost.
func roundRobin() balancer {
	var turn atomic.Uint64
	return func(up []*backend) *backend {
		return up[(turn.Add(1)-1)%uint64(len(up))]
	}
}

// leastConnections takes the one with the fewest requests under way: who is slow
// has more of them, and gets less. Of several, one by chance: the first would get
// everything as long as all are idle.
func leastConnections() balancer {
	return func(up []*backend) *backend {
		fewest := slices.MinFunc(up, func(x, y *backend) int {
			return int(x.underway.Load() - y.underway.Load())
		}).underway.Load()
		var idle []*backend
		for _, b := range up {
			if b.underway.Load() <= fewest {
				idle = append(idle, b)
			}
		}
		if len(idle) == 0 { // all have got more since we looked
			idle = up
		}
		return idle[rand.IntN(len(idle))]
	}
}
