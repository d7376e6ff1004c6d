package main

import (
	"io"
	"time"

	"github.com/asynkron/protoactor-go/cluster"
)

// NoRecoverKind makes HelloGrains whose panics nobody recovers. The engine
// restarts such a grain and tells its caller nothing: an error that is known at
// once reaches the caller as a time-out.
func NoRecoverKind(service Greeter, events io.Writer, idle time.Duration) *cluster.Kind {
	return helloKind(service, events, idle)
}
