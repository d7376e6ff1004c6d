package main

import (
	"fmt"
	"time"

	"github.com/asynkron/protoactor-go/cluster"

	"course.example/12-actors/inproc"
)

// HostGrain calls other grains. It does not know whether they are active, or on
// which silo: it knows their names.
type HostGrain struct{}

// HostKind makes HostGrains.
func HostKind(idle time.Duration) *cluster.Kind {
	return NewHostKind(func() Host { return &HostGrain{} }, idle, inproc.Recover())
}

// Init has nothing to load.
func (*HostGrain) Init(cluster.GrainContext) {}

// Terminate has nothing to give back.
func (*HostGrain) Terminate(cluster.GrainContext) {}

// ReceiveDefault takes what is none of the grain's calls: nothing, here.
func (*HostGrain) ReceiveDefault(cluster.GrainContext) {}

// Invite greets every guest in turn.
func (*HostGrain) Invite(
	req *InviteRequest, ctx cluster.GrainContext,
) (*InviteReply, error) {
	reply := &InviteReply{}
	for _, guest := range req.GetGuests() {
		hello := GetHelloGrainClient(ctx.Cluster(), guest)
		answer, err := hello.SayHello(&HelloRequest{Greeting: "come in"},
			inproc.Once(5*time.Second)...)
		if err != nil {
			return nil, fmt.Errorf("invite %s: %s", guest, inproc.Reason(err))
		}
		reply.Answers = append(reply.Answers, answer.GetText())
	}
	return reply, nil
}
