package engine

import (
	"slices"

	"github.com/cespare/xxhash/v2"
)

// Silo is a process that hosts grains.
type Silo struct {
	ID      string // of this life: a silo that comes back is another one
	Address string // host:port
	Kinds   []string
}

// Membership is who is in the cluster, as of some moment. A list of a higher version
// is a newer one.
type Membership struct {
	Version int64
	Silos   []Silo
}

// home is the silo on which a grain lives: the one of the highest score. Every process
// computes the same from the same list and asks nobody, and when a silo comes or goes
// only its share of the names moves. It is rendezvous hashing.
func (m Membership) home(grain Name) (home Silo, found bool) {
	var highest uint64
	for _, silo := range m.Silos {
		if !slices.Contains(silo.Kinds, grain.Kind) {
			continue
		}
		score := xxhash.Sum64String(silo.ID + "/" + grain.String())
		if !found || score > highest {
			home, highest, found = silo, score, true
		}
	}
	return home, found
}

// Name is what a grain is known by, everywhere and forever.
type Name struct{ Kind, ID string }

// String is how the course prints a name: Hello/ada.
func (n Name) String() string { return Key(n.Kind, n.ID) }

// Key names a grain of any kind.
func Key(kind, id string) string { return kind + "/" + id }
