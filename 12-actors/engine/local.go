package engine

import (
	"fmt"
	"log/slog"
	"slices"
	"sync"

	"github.com/asynkron/protoactor-go/cluster"
)

// Members is a list in memory by which silos of one process find each other: for the
// patterns of the step, and for tests that want a cluster without machines. Its
// methods are safe for concurrent use.
type Members struct {
	mu    sync.Mutex
	list  Membership
	silos map[string]*cluster.Cluster
}

// NewMembers returns an empty list.
func NewMembers() *Members { return &Members{silos: map[string]*cluster.Cluster{}} }

// StartSilo starts one silo for grains of these kinds, and no other silo knows it. End
// it with [Stop].
func StartSilo(kinds ...*cluster.Kind) *cluster.Cluster {
	return NewMembers().StartSilo(kinds...)
}

// StartSilo starts a silo that forms a cluster with the others of the list.
func (m *Members) StartSilo(kinds ...*cluster.Kind) *cluster.Cluster {
	return m.Start(Config{Kinds: kinds})
}

// Start is [Members.StartSilo] for a silo that is special.
func (m *Members) Start(config Config) *cluster.Cluster {
	config.Log = slog.New(slog.DiscardHandler) // the patterns print for people
	silo, err := Start(config)
	if err != nil {
		panic(fmt.Errorf("join the silos of this process: %w", err))
	}
	m.Join(silo)
	return silo
}

// Join puts a silo on the list. Some of the others' grains move to it.
func (m *Members) Join(silo *cluster.Cluster) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.silos[silo.ActorSystem.ID] = silo
	m.list.Silos = append(slices.Clone(m.list.Silos), Me(silo))
	m.tell()
}

// Leave takes a silo off the list. Its grains move to the others.
func (m *Members) Leave(silo *cluster.Cluster) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.list.Silos = slices.DeleteFunc(slices.Clone(m.list.Silos), func(s Silo) bool {
		return s.ID == silo.ActorSystem.ID
	})
	m.tell()
	delete(m.silos, silo.ActorSystem.ID)
}

func (m *Members) tell() {
	m.list.Version++
	for _, silo := range m.silos {
		Tell(silo, m.list)
	}
}
