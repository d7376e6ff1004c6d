package main

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/memberlist"
)

// The beats of a peer. On a real network they would be longer.
const (
	gossipEvery  = 100 * time.Millisecond // tell rumours, to three peers
	probeEvery   = 300 * time.Millisecond // ask one peer whether it is alive
	probeTimeout = 200 * time.Millisecond
	compareEvery = 5 * time.Second // all that was heard, with one peer
	leaveTimeout = time.Second
	maxText      = 200  // bytes of a rumour: it must fit in a packet
	maxRumours   = 1000 // that a peer remembers
)

// Rumour is something that everybody should hear.
type Rumour struct {
	ID, Text string
	Hops     int // how many have passed it on
}

// Heard is a rumour that a peer has heard.
type Heard struct {
	Rumour
	At       time.Time
	Compared bool // when it compared all with another peer; otherwise by gossip
}

// Node is one peer. All are alike. It is safe for concurrent use.
type Node struct {
	Store Store
	name  string
	web   string // where others get pieces
	hub   string // see wrong.go

	list  atomic.Pointer[memberlist.Memberlist]
	queue *memberlist.TransmitLimitedQueue
	mu    sync.Mutex
	heard map[string]Heard
	dead  map[string]time.Time // by name: when this peer took it for dead
}

// Config is how a peer is started.
type Config struct {
	Name, Web string        // its own name, and where others get pieces
	Label     string        // of the swarm: packets with another one are not taken
	Hub       string        // see wrong.go
	Compare   time.Duration // how often it compares all that it has heard with another's
}

// Start begins to gossip on a free port of this machine. It knows nobody yet. The port may
// have been a dead peer's of another swarm, who is still looked for there: hence the label.
func Start(c Config) (*Node, error) {
	n := &Node{name: c.Name, web: c.Web, hub: c.Hub,
		heard: map[string]Heard{}, dead: map[string]time.Time{}}
	n.queue = &memberlist.TransmitLimitedQueue{NumNodes: n.alive, RetransmitMult: 4}
	config := memberlist.DefaultLANConfig()
	config.Name, config.Label = c.Name, c.Label
	config.BindAddr, config.BindPort = "127.0.0.1", 0
	config.GossipInterval, config.PushPullInterval = gossipEvery, c.Compare
	config.ProbeInterval, config.ProbeTimeout = probeEvery, probeTimeout
	config.Delegate, config.Events = ear{n}, events{n}
	config.Logger = slog.NewLogLogger(slog.Default().Handler(), slog.LevelDebug)
	list, err := memberlist.Create(config)
	if err != nil {
		return nil, fmt.Errorf("start gossiping: %w", err)
	}
	n.list.Store(list)
	return n, nil
}

// Join meets one peer. From it this one hears of all others, and they of this one.
func (n *Node) Join(peer string) error {
	if _, err := n.list.Load().Join([]string{peer}); err != nil {
		return fmt.Errorf("join %s: %w", peer, err)
	}
	return nil
}

// Close tells the others that this peer leaves, so that they need not find out.
func (n *Node) Close() error {
	if err := n.list.Load().Leave(leaveTimeout); err != nil {
		slog.Info("perhaps nobody knows that this peer leaves", "peer", n.name, "error", err)
	}
	if err := n.list.Load().Shutdown(); err != nil {
		return fmt.Errorf("stop gossiping: %w", err)
	}
	return nil
}

// Tell starts a rumour.
func (n *Node) Tell(id, text string) error {
	return n.hear(Rumour{ID: id, Text: text}, false)
}

// hear notes a rumour, and passes on what is new: at every beat the queue tells it to three
// peers, until it has told it 4·log10 N times.
func (n *Node) hear(r Rumour, compared bool) error {
	if r.ID == "" || len(r.ID)+len(r.Text) > maxText {
		return fmt.Errorf("a rumour must have an id, and %d bytes at most", maxText)
	}
	n.mu.Lock()
	_, known := n.heard[r.ID]
	full := len(n.heard) >= maxRumours
	if !known && !full {
		n.heard[r.ID] = Heard{r, time.Now(), compared}
	}
	n.mu.Unlock()
	switch {
	case known:
		return nil
	case full:
		return fmt.Errorf("%d rumours are known already, and that is the most", maxRumours)
	}
	message, err := json.Marshal(Rumour{r.ID, r.Text, r.Hops + 1})
	if err != nil {
		return fmt.Errorf("rumour %s: %w", r.ID, err)
	}
	if n.hub != "" {
		n.viaHub(r, message)
		return nil
	}
	n.queue.QueueBroadcast(broadcast(message))
	return nil
}
