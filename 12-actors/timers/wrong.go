package main

import (
	"time"

	"github.com/asynkron/protoactor-go/cluster"
)

// alarm is a tick that nobody may miss, and that is the mistake.
type alarm struct{}

// byTimer keeps in the activation's memory what must outlive the activation.
func byTimer(p *PotGrain, in time.Duration, ctx cluster.GrainContext) error {
	p.sendMyself(in, &alarm{}, ctx)
	return nil
}
