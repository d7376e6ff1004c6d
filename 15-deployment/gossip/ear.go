package main

import (
	"encoding/json"
	"log/slog"
	"time"

	"github.com/hashicorp/memberlist"
)

// ear is what memberlist calls for a peer's own messages. None of it may wait.
type ear struct{ n *Node }

// NodeMeta is what all others know of this peer.
func (e ear) NodeMeta(int) []byte { return []byte(e.n.web) }

// NotifyMsg gets a rumour from another peer, or from anybody who can send a packet.
func (e ear) NotifyMsg(message []byte) {
	var r Rumour
	err := json.Unmarshal(message, &r)
	if err == nil {
		err = e.n.hear(r, false)
	}
	if err != nil {
		slog.Warn("a rumour was not taken", "error", err)
	}
}

// GetBroadcasts is what goes into the next packet.
func (e ear) GetBroadcasts(overhead, limit int) [][]byte {
	return e.n.queue.GetBroadcasts(overhead, limit)
}

// LocalState and MergeRemoteState are anti-entropy: two peers compare all that they have
// heard. It is slow, and finds what gossip has missed, and what one missed who was away.
func (e ear) LocalState(bool) []byte {
	if e.n.hub != "" {
		return nil
	}
	var all []Rumour
	for _, h := range e.n.State().Heard {
		all = append(all, Rumour{h.ID, h.Text, h.Hops + 1})
	}
	text, err := json.Marshal(all)
	if err != nil {
		slog.Warn("nothing to compare", "error", err)
	}
	return text
}

func (e ear) MergeRemoteState(text []byte, _ bool) {
	if len(text) == 0 {
		return
	}
	var all []Rumour
	if err := json.Unmarshal(text, &all); err != nil {
		slog.Warn("what another peer has heard cannot be read", "error", err)
	}
	for _, r := range all {
		if err := e.n.hear(r, true); err != nil {
			slog.Warn("a rumour was not taken", "error", err)
		}
	}
}

// events is told who comes and who goes.
type events struct{ n *Node }

func (e events) NotifyJoin(peer *memberlist.Node) { e.note(peer.Name, false) }

func (e events) NotifyLeave(peer *memberlist.Node) { e.note(peer.Name, true) }

func (e events) NotifyUpdate(*memberlist.Node) {}

func (e events) note(name string, dead bool) {
	e.n.mu.Lock()
	defer e.n.mu.Unlock()
	if dead {
		e.n.dead[name] = time.Now()
	} else {
		delete(e.n.dead, name)
	}
}

// broadcast is a rumour in the queue. No rumour takes the place of another.
type broadcast []byte

func (b broadcast) Message() []byte                       { return b }
func (b broadcast) Invalidates(memberlist.Broadcast) bool { return false }
func (b broadcast) Finished()                             {}
func (b broadcast) UniqueBroadcast()                      {}
