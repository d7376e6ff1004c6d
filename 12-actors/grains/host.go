package main

import (
	"fmt"
	"time"

	"github.com/asynkron/protoactor-go/cluster"

	"course.example/12-actors/engine"
)

// HostGrain calls other grains. It does not know whether they are active, or on
// which silo: it knows their names.
type HostGrain struct{ engine.Hooks }

// HostKind makes HostGrains.
func HostKind(idle time.Duration) *cluster.Kind {
	return NewHostKind(func() Host { return &HostGrain{} }, idle)
}

// Invite greets every guest in turn.
func (*HostGrain) Invite(
	req *InviteRequest, ctx cluster.GrainContext,
) (*InviteReply, error) {
	reply := &InviteReply{}
	for _, guest := range req.GetGuests() {
		hello := GetHelloGrainClient(ctx.Cluster(), guest)
		answer, err := hello.SayHello(&HelloRequest{Greeting: "come in"},
			engine.Within(5*time.Second))
		if err != nil {
			return nil, fmt.Errorf("invite %s: %s", guest, engine.Reason(err))
		}
		reply.Answers = append(reply.Answers, answer.GetText())
	}
	return reply, nil
}
