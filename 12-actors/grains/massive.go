package main

import (
	"fmt"
	"io"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/asynkron/protoactor-go/cluster"
	"golang.org/x/sync/errgroup"

	"course.example/12-actors/engine"
)

// Massive is what came of many calls at once.
type Massive struct {
	Calls, AtOnce int // AtOnce is how many were being served at the same moment
	Took          time.Duration
}

// Slow is a greeter that takes its time, and counts how many calls it serves at
// the same moment. The counter is of many grains: those are not of one thread.
type Slow struct {
	Takes     time.Duration
	now, most atomic.Int32
}

// Greet answers after a while.
func (s *Slow) Greet(string, string) (string, error) {
	now := s.now.Add(1)
	defer s.now.Add(-1)
	for most := s.most.Load(); now > most && !s.most.CompareAndSwap(most, now); {
		most = s.most.Load()
	}
	<-time.After(s.Takes) // the work: a database would take so long
	return "Hello!", nil
}

// MassiveSameID calls one grain n times at once, MassiveDifferentIDs n grains
// once each: the lecture's massiveSameId and massiveDifferentIds.
func MassiveSameID(silo *cluster.Cluster, slow *Slow, n int) (Massive, error) {
	return massive(silo, slow, n, func(int) string { return "massive" })
}

// MassiveDifferentIDs calls n grains at once.
func MassiveDifferentIDs(silo *cluster.Cluster, slow *Slow, n int) (Massive, error) {
	return massive(silo, slow, n, func(i int) string { return "massive-" + strconv.Itoa(i) })
}

func massive(
	silo *cluster.Cluster, slow *Slow, n int, id func(int) string,
) (Massive, error) {
	slow.most.Store(0)
	began := time.Now()
	var all errgroup.Group
	for i := range n {
		all.Go(func() error {
			// The last in the line waits for all the others: give it the time.
			_, err := GetHelloGrainClient(silo, id(i)).SayHello(&HelloRequest{},
				engine.Within(time.Minute))
			if err != nil {
				return fmt.Errorf("call %s: %s", id(i), engine.Reason(err))
			}
			return nil
		})
	}
	err := all.Wait()
	return Massive{n, int(slow.most.Load()), time.Since(began)}, err
}

func (m Massive) print(out io.Writer, what string) {
	fmt.Fprintf(out, "  %s: %d calls, at most %d at once, in %d ms\n",
		what, m.Calls, m.AtOnce, m.Took.Milliseconds())
}
