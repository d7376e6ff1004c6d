package grid

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// forever is longer than anybody waits for a worker.
const forever = 100 * 365 * 24 * time.Hour

// variants are how the rules differ from the right ones.
var variants = map[string]func(*Rules){
	"right":    func(*Rules) {},
	"no-lease": func(r *Rules) { r.Lease = forever }, // a unit of a lost worker is never done
	"trust":    func(r *Rules) { r.Quorum = 1 },      // whatever one worker tells stands
}

func variantNames() string {
	return strings.Join(slices.Sorted(maps.Keys(variants)), ", ")
}

// cheat is the result of somebody who wants the fame without the work.
var cheat = Result{Prime: true}
