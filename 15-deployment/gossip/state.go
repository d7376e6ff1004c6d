package main

import (
	"maps"
	"slices"
	"time"

	"github.com/hashicorp/memberlist"
)

// alive counts the peers that this one takes for alive, and itself.
func (n *Node) alive() int { return len(n.members()) }

func (n *Node) members() []*memberlist.Node {
	if list := n.list.Load(); list != nil {
		return list.Members()
	}
	return nil // it is just being made
}

// Peers are the addresses of all others, by their names.
func (n *Node) Peers() map[string]string {
	peers := map[string]string{}
	for _, m := range n.members() {
		if m.Name != n.name {
			peers[m.Name] = string(m.Meta)
		}
	}
	return peers
}

// State is what a peer knows.
type State struct {
	Alive []string
	Dead  map[string]time.Time
	Heard map[string]Heard
}

// State returns what this peer knows now.
func (n *Node) State() State {
	s := State{}
	for _, m := range n.members() {
		s.Alive = append(s.Alive, m.Name)
	}
	slices.Sort(s.Alive)
	n.mu.Lock()
	defer n.mu.Unlock()
	s.Dead, s.Heard = maps.Clone(n.dead), maps.Clone(n.heard)
	return s
}
