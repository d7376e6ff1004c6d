//go:build !race

package main

import (
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/cluster"

	"course.example/12-actors/inproc"
)

// A cluster of three silos in the memory of a test: the lecture's ProjectToTest.
// Each grain is active once, whoever calls, and the silos share them.
//
// The engine's own code races when several silos are in one process, which never
// happens elsewhere: under the race detector [TestCluster] runs this alone.
func TestThreeSilos(t *testing.T) {
	members := inproc.NewMembers()
	silos := make([]*cluster.Cluster, 3)
	for i := range silos {
		silos[i] = members.StartSilo(
			HelloKind(Polite{}, io.Discard, time.Minute), HostKind(time.Minute))
		defer inproc.Stop(silos[i])
	}
	// Who is in the list of members is placed upon a moment later, on each silo by
	// itself. They are one cluster when all three place the same names alike.
	eventually(t, func() error { return placeAlike(silos) })
	const grains = 60
	for round, silo := range silos {
		for i := range grains {
			reply, err := GetHelloGrainClient(silo, fmt.Sprint("guest-", i)).SayHello(
				&HelloRequest{Greeting: "hi"}, inproc.Once(aLongTime)...)
			if err != nil || int(reply.GetCalls()) != round+1 {
				t.Fatalf("guest-%d, from silo %d: %v, %v; an activation of its own?",
					i, round, reply, err)
			}
		}
	}
	total := 0
	for i, silo := range silos {
		here := int(silo.GetClusterKind("Hello").Count())
		t.Logf("silo %d holds %d grains", i, here)
		if total += here; here == 0 {
			t.Errorf("silo %d holds none of %d grains", i, grains)
		}
	}
	if total != grains {
		t.Errorf("%d activations of %d grains", total, grains)
	}
}

// placeAlike has some other grains placed by every silo.
func placeAlike(silos []*cluster.Cluster) error {
	homes := map[string]bool{}
	for i := range 60 {
		id, first := fmt.Sprint("castle-", i), ""
		for _, silo := range silos {
			pid := silo.Get(id, "Host")
			if pid == nil || first != "" && pid.Address != first {
				return fmt.Errorf("%s is at %q, and at %v", id, first, pid)
			}
			first = pid.Address
		}
		homes[first] = true
	}
	if len(homes) != len(silos) {
		return fmt.Errorf("placed upon %d of %d silos", len(homes), len(silos))
	}
	return nil
}
