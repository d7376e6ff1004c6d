package engine

import "github.com/asynkron/protoactor-go/cluster"

// Hooks is embedded by a grain that needs no hooks, or not all of them.
type Hooks struct{}

// Init is called before the first call: OnActivateAsync.
func (Hooks) Init(cluster.GrainContext) {}

// Terminate is called when the activation ends: OnDeactivateAsync. A killed silo calls
// it for nobody.
func (Hooks) Terminate(cluster.GrainContext) {}

// ReceiveDefault gets what is no call: events of a stream, messages of a timer.
func (Hooks) ReceiveDefault(cluster.GrainContext) {}
