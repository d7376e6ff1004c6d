package main

import "log/slog"

// variants are how peers are started who do something wrong.
var variants = map[string][]string{
	"right":     nil,
	"central":   {"-hub", "node-1"}, // all rumours go through one peer
	"unchecked": {"-unchecked"},     // whatever a peer sends is taken for the piece
}

// viaHub sends a rumour to one peer, who sends it to all: two hops, and the end with that
// peer.
func (n *Node) viaHub(r Rumour, message []byte) {
	for _, m := range n.members() {
		toHub := r.Hops == 0 && m.Name == n.hub
		if m.Name == n.name || n.name != n.hub && !toHub {
			continue
		}
		if err := n.list.Load().SendReliable(m, message); err != nil {
			slog.Warn("a rumour was not delivered", "rumour", r.ID, "to", m.Name, "error", err)
		}
	}
}

// Flood has everybody who hears a rumour tell it to everybody else at once.
func Flood(n int) Told {
	heard := make([]bool, n)
	heard[0] = true
	t := Told{Rounds: 1, Heard: 1}
	for tells := []int{0}; len(tells) > 0; tells = tells[1:] {
		for to := range n {
			if to == tells[0] {
				continue
			}
			t.Messages++
			if !heard[to] {
				heard[to] = true
				t.Heard++
				tells = append(tells, to)
			}
		}
	}
	return t
}

// anything is a check that finds nothing.
func anything(string, []byte) bool { return true }

// corrupted is a piece as a peer hands it out who has a broken disk, or a bad mind.
func corrupted(piece []byte) []byte {
	other := append([]byte(nil), piece...)
	if len(other) > 0 {
		other[len(other)/2] ^= 1
	}
	return other
}
