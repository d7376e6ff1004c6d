package actors

import (
	"context"
	"sync"
	"time"

	"course.example/12-actors/engine"
)

// missesToAccuse is how many probes in a row a silo must leave without an answer.
const missesToAccuse = 3

// probing is how a silo knows whether it can call the others. A silo that reaches the
// table is not alive for that: alive means that the others can call it. Whom it cannot
// reach it tells the table, where the silos vote. The zero value has probed nobody. Its
// methods are safe for concurrent use.
type probing struct {
	mu     sync.Mutex
	asking map[string]bool // by identity: a probe is under way
	misses map[string]int  // in a row
}

// run probes the other members until ctx ends. A probe may take half a lease; a silo
// that has so much to do that it takes longer three times does not renew either.
func (p *probing) run(ctx context.Context, n *Node) {
	p.mu.Lock()
	p.asking, p.misses = map[string]bool{}, map[string]int{}
	p.mu.Unlock()
	tick := time.NewTicker(n.table.lease / 6)
	defer tick.Stop()
	var probes sync.WaitGroup
	defer probes.Wait()
	for {
		for _, m := range n.Members() {
			if m.ID != n.me.ID && p.begin(m.ID) {
				probes.Go(func() {
					limited, cancel := context.WithTimeout(ctx, n.table.lease/2)
					defer cancel()
					p.end(m.ID, engine.Probe(limited, n.cluster, m.Address))
				})
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

func (p *probing) begin(id string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.asking[id] {
		return false
	}
	p.asking[id] = true
	return true
}

func (p *probing) end(id string, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.asking, id)
	switch {
	case err == nil:
		delete(p.misses, id)
	case !engine.Busy(err): // or else it was not sent: that is our fault
		p.misses[id]++
	}
}

// unreachable are the members that have not answered for a while.
func (p *probing) unreachable(members []Member) []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var all []string
	misses := map[string]int{} // of those that are still there
	for _, m := range members {
		if misses[m.ID] = p.misses[m.ID]; misses[m.ID] >= missesToAccuse {
			all = append(all, m.ID)
		}
	}
	p.misses = misses
	return all
}
