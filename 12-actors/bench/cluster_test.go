package bench_test

import (
	"fmt"
	"net"
	"runtime"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	actors "course.example/12-actors"
	"course.example/12-actors/bench"
	"course.example/12-actors/engine"
	"github.com/asynkron/protoactor-go/cluster"
	"golang.org/x/sync/errgroup"
)

// echo is a grain that does nothing: what is measured is the way there and back. It has the
// interface of the step's stock, so that it is called by the step's generated code.
type echo struct{ engine.Hooks }

func (echo) Take(*actors.TakeRequest, cluster.GrainContext) (*actors.TakeReply, error) {
	return &actors.TakeReply{}, nil
}

// Count answers with the port of the silo that the grain is on.
func (echo) Count(_ *actors.CountRequest, ctx cluster.GrainContext) (*actors.CountReply, error) {
	port, err := portOf(ctx.Self().GetAddress())
	return &actors.CountReply{Sold: port}, err
}

func portOf(address string) (int64, error) {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return 0, fmt.Errorf("address of a silo: %w", err)
	}
	return strconv.ParseInt(port, 10, 64)
}

// silos starts n silos that know each other. They are in this process and talk over loopback, as
// silos in processes of their own do.
func silos(tb testing.TB, n int) []*cluster.Cluster {
	tb.Helper()
	members := engine.NewMembers()
	var all []*cluster.Cluster
	for range n {
		kind := actors.NewStockKind(func() actors.Stock { return echo{} }, time.Hour)
		all = append(all, members.StartSilo(kind))
	}
	tb.Cleanup(func() {
		for _, s := range all {
			engine.Stop(s)
		}
	})
	return all
}

// call asks a grain for the port of the silo that it is on.
func call(from *cluster.Cluster, id string) (int64, error) {
	reply, err := actors.GetStockGrainClient(from, id).Count(
		&actors.CountRequest{}, engine.Within(time.Minute))
	if err != nil {
		return 0, fmt.Errorf("call %s: %w", id, err)
	}
	return reply.GetSold(), nil
}

// grainOn returns a grain that lives on that silo. It is active afterwards.
func grainOn(tb testing.TB, silo, from *cluster.Cluster) string {
	tb.Helper()
	want, err := portOf(silo.ActorSystem.Address())
	if err != nil {
		tb.Fatal(err)
	}
	for i := range 1000 {
		id := fmt.Sprint("grain-", i)
		port, err := call(from, id)
		if err != nil {
			tb.Fatal(err)
		}
		if port == want {
			return id
		}
	}
	tb.Fatalf("none of 1000 grains is on %s", silo.ActorSystem.Address())
	return ""
}

// grain is one grain as [bench.Local]: every message to it is a call.
type grain struct {
	from *cluster.Cluster
	id   string
}

func (g grain) Tell() error { return g.Ask() }

func (g grain) Ask() error { _, err := call(g.from, g.id); return err }

// BenchmarkGrain is a call to a grain, beside an ask of a goroutine behind a channel: on the silo
// of the caller, and on another one.
func BenchmarkGrain(b *testing.B) {
	for silo, where := range []string{"local", "remote"} {
		b.Run(where, func(b *testing.B) {
			bench.CompareAsk(b, func(b testing.TB, _ func()) bench.Local {
				both := silos(b, 2)
				return grain{both[0], grainOn(b, both[silo], both[0])}
			})
		})
	}
}

// BenchmarkSilos is how many calls a second 64 callers get through to 300 grains on one, two and
// three silos. All share this machine's cores: it shows what the network between them costs. The
// first silo calls, so that of n silos one nth of the calls stays at home.
func BenchmarkSilos(b *testing.B) {
	const callers, grains, calls = 64, 300, 20_000
	reference := 0.0
	for _, n := range []int{1, 2, 3} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			from := silos(b, n)[0]
			for i := range grains {
				if _, err := call(from, fmt.Sprint("grain-", i)); err != nil {
					b.Fatal(err)
				}
			}
			total := 0
			began := time.Now()
			for b.Loop() {
				var next atomic.Int64
				var group errgroup.Group
				for range callers {
					group.Go(func() error {
						for i := next.Add(1); i <= calls; i = next.Add(1) {
							if _, err := call(from, fmt.Sprint("grain-", i%grains)); err != nil {
								return err
							}
						}
						return nil
					})
				}
				if err := group.Wait(); err != nil {
					b.Fatal(err)
				}
				total += calls
			}
			rate := float64(total) / time.Since(began).Seconds()
			if n == 1 {
				reference = rate
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(rate, "calls/s")
			b.ReportMetric(rate/reference, "×one-silo")
		})
	}
}

// BenchmarkActivate activates 100,000 grains by calling each once, beside as many calls to one
// that is active, and weighs what they take when nobody calls.
func BenchmarkActivate(b *testing.B) {
	const grains = 100_000
	from := silos(b, 1)[0]
	if _, err := call(from, "warm"); err != nil {
		b.Fatal(err)
	}
	round := 0
	for b.Loop() {
		round++
		before := inUse()
		began := time.Now()
		for i := range grains {
			if _, err := call(from, fmt.Sprintf("idle-%d-%d", round, i)); err != nil {
				b.Fatal(err)
			}
		}
		activating := time.Since(began)
		weight := float64(inUse()) - float64(before)
		began = time.Now()
		for range grains {
			if _, err := call(from, "warm"); err != nil {
				b.Fatal(err)
			}
		}
		calling := time.Since(began)
		b.ReportMetric(0, "ns/op")
		b.ReportMetric(grains/activating.Seconds(), "activations/s")
		b.ReportMetric(float64(activating)/float64(calling), "×call")
		b.ReportMetric(weight/grains, "bytes/activation")
	}
}

// BenchmarkDeactivate lets 10,000 and 100,000 idle grains go, and says what one costs, and how much
// of the memory that they took is not given back.
func BenchmarkDeactivate(b *testing.B) {
	reference := 0.0
	for _, grains := range []int{10_000, 100_000} {
		b.Run(fmt.Sprint(grains), func(b *testing.B) {
			silo := silos(b, 1)[0]
			home := engine.Seen(silo)
			for b.Loop() {
				before := inUse()
				for i := range grains {
					if _, err := call(silo, fmt.Sprint("idle-", i)); err != nil {
						b.Fatal(err)
					}
				}
				full := inUse()
				began := time.Now()
				engine.Tell(silo, engine.Membership{Version: home.Version}) // they live nowhere
				for engine.Active(silo, "Stock") > 0 {
					runtime.Gosched()
				}
				each := float64(time.Since(began).Nanoseconds()) / float64(grains)
				engine.Tell(silo, home)
				if reference == 0 {
					reference = each
				}
				b.ReportMetric(0, "ns/op")
				b.ReportMetric(each, "ns/grain")
				b.ReportMetric(each/reference, "×10,000")
				b.ReportMetric(100*(float64(inUse())-float64(before))/(float64(full)-float64(before)), "%kept")
			}
		})
	}
}

// inUse is what heap and stacks hold after a collection, in bytes.
func inUse() uint64 {
	runtime.GC()
	runtime.GC() // what the first one's finalizers have let go
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc + m.StackInuse
}

func TestGrain(t *testing.T) {
	from := silos(t, 1)[0]
	if err := (grain{from, grainOn(t, from, from)}).Ask(); err != nil {
		t.Error(err)
	}
}
