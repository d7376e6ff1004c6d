package main

import (
	"sync/atomic"

	"github.com/asynkron/protoactor-go/cluster"

	"course.example/12-actors/engine"
)

// notForwarded calls on without the context of the call in hand: behind the first
// grain nobody knows who has asked.
func notForwarded(cluster.GrainContext) []cluster.GrainCallOption {
	return []cluster.GrainCallOption{engine.Within(timeout)}
}

// variable keeps "the current role" in a place that is not the message. There is
// no such thing as the current role: many calls are under way at once. It has
// no data race, and it is wrong.
type variable struct {
	role     atomic.Value
	schedule schedule
}

func (v *variable) options(ctx cluster.GrainContext) []cluster.GrainCallOption {
	role := RoleOf(ctx)
	v.schedule.before(role)
	v.role.Store(role)
	v.schedule.after(role)
	return As(ctx.Cluster(), v.role.Load().(string), timeout)
}

// schedule is one that a machine may choose at any time; here it is chosen on
// purpose. The guest writes, the admin writes, and only then the guest reads.
type schedule struct{ guestWrote, adminWrote chan struct{} }

func newSchedule() schedule { return schedule{make(chan struct{}), make(chan struct{})} }

func (s schedule) before(role string) {
	if role == "admin" {
		<-s.guestWrote
	}
}

func (s schedule) after(role string) {
	if role == "admin" {
		close(s.adminWrote)
		return
	}
	close(s.guestWrote)
	<-s.adminWrote
}
