package main

import (
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/cluster"

	"course.example/12-actors/engine"
)

// A cluster of three silos in the memory of a test: the lecture's ProjectToTest.
// Each grain is active once, whoever calls, and the silos share them.
func TestThreeSilos(t *testing.T) {
	members := engine.NewMembers()
	silos := make([]*cluster.Cluster, 3)
	for i := range silos {
		silos[i] = members.StartSilo(
			HelloKind(Polite{}, io.Discard, time.Minute), HostKind(time.Minute))
		defer engine.Stop(silos[i])
	}
	const grains = 60
	for round, silo := range silos {
		for i := range grains {
			reply, err := GetHelloGrainClient(silo, fmt.Sprint("guest-", i)).SayHello(
				&HelloRequest{Greeting: "hi"}, engine.Within(aLongTime))
			if err != nil || int(reply.GetCalls()) != round+1 {
				t.Fatalf("guest-%d, from silo %d: %v, %v; an activation of its own?",
					i, round, reply, err)
			}
		}
	}
	total := 0
	for i, silo := range silos {
		here := engine.Active(silo, "Hello")
		t.Logf("silo %d holds %d grains", i, here)
		if total += here; here == 0 {
			t.Errorf("silo %d holds none of %d grains", i, grains)
		}
	}
	if total != grains {
		t.Errorf("%d activations of %d grains", total, grains)
	}
}
