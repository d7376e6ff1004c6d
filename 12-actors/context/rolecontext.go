package main

import (
	"cmp"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/asynkron/protoactor-go/cluster"

	"course.example/12-actors/engine"
)

// roleHeader is the header of a message that says in which role its sender acts.
const roleHeader = "user-role"

// Nobody is the role of a call that came without one. It may do nothing: a
// context that got lost on its way must close doors, not open them.
const Nobody = "nobody"

// As are the options of a call that is made in a role. They are for the edge,
// where somebody has proved who they are.
func As(silo *cluster.Cluster, role string, timeout time.Duration) []cluster.GrainCallOption {
	put := func(next actor.SenderFunc) actor.SenderFunc {
		return func(s actor.SenderContext, to *actor.PID, envelope *actor.MessageEnvelope) {
			envelope.SetHeader(roleHeader, role)
			next(s, to, envelope)
		}
	}
	root := silo.ActorSystem.Root.Copy().WithSenderMiddleware(put)
	return []cluster.GrainCallOption{engine.Within(timeout), cluster.WithContext(root)}
}

// RoleOf is the role of the call in hand: it belongs to the message, not to the
// grain, and the next message has another.
func RoleOf(ctx cluster.GrainContext) string {
	return cmp.Or(ctx.MessageHeader().Get(roleHeader), Nobody)
}

// Forward are the options of a call that a grain makes for whoever called it.
func Forward(ctx cluster.GrainContext, timeout time.Duration) []cluster.GrainCallOption {
	return As(ctx.Cluster(), RoleOf(ctx), timeout)
}
