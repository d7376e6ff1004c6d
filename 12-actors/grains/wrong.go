package main

import (
	"github.com/asynkron/protoactor-go/cluster"

	"course.example/12-actors/engine"
)

// carelessSilo starts a silo in which nobody recovers the panic of a grain. The engine
// restarts such a grain and tells its caller nothing: an error that is known at once
// reaches the caller as a time-out.
func carelessSilo(kinds ...*cluster.Kind) *cluster.Cluster {
	return engine.NewMembers().Start(engine.Config{Kinds: kinds, NoRecover: true})
}
