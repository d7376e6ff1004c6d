package durable

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/dbos-inc/dbos-transact-golang/dbos"
)

// variant is a way to run the part. The right code does not know of the wrong ones.
type variant struct {
	key     func(dbos.Context) (string, error) // of idempotency
	pinned  bool                               // all releases call themselves by one version
	patched bool                               // the second release knows the sagas of the first
}

var variants = map[string]variant{
	"right": {key: dbos.GetWorkflowID},

	// As right: the second release takes over what the first has begun.
	"patched": {key: dbos.GetWorkflowID, pinned: true, patched: true},

	// What goes wrong: the workflow reads the clock. In its next life the key is another one,
	// and the service charges a second time. The engine cannot notice it: the steps are the same.
	"non-deterministic": {key: keyFromTheClock},

	// The second release is deployed under the version of the first.
	//
	// What goes wrong: it asks for another step than the record has at this place. The engine
	// notices, and ends the workflow with an error: the money is taken, and nobody goes on.
	"changed-while-running": {key: dbos.GetWorkflowID, pinned: true},
}

func keyFromTheClock(dbos.Context) (string, error) {
	return time.Now().Format(time.RFC3339Nano), nil
}

func variantNames() string {
	return strings.Join(slices.Sorted(maps.Keys(variants)), ", ")
}
