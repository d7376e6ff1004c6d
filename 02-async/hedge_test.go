package async

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestHedgeAsksTheSecondOnlyWhenTheFirstIsSlow(t *testing.T) {
	t.Parallel()
	const limit = 50 * time.Millisecond
	for name, c := range map[string]struct {
		first, second func(context.Context) (int, error)
		takes         time.Duration
		want          int
		asked         int64
	}{
		"in time": {after(49*time.Millisecond, 1, nil), after(0, 2, nil),
			49 * time.Millisecond, 1, 0},
		"late": {after(time.Hour, 1, nil), after(20*time.Millisecond, 2, nil),
			70 * time.Millisecond, 2, 1},
		"late, but faster still": {after(60*time.Millisecond, 1, nil), after(time.Hour, 2, nil),
			60 * time.Millisecond, 1, 1},
		"down": {after(0, 0, errWork), after(20*time.Millisecond, 2, nil),
			70 * time.Millisecond, 2, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var asked atomic.Int64
				second := func(ctx context.Context) (int, error) {
					asked.Add(1)
					return c.second(ctx)
				}
				wantTime(t, took(func() {
					value, err := Hedge(t.Context(), limit, c.first, second).Await(t.Context())
					if value != c.want || err != nil {
						t.Errorf("got %d, %v", value, err)
					}
				}), c.takes)
				synctest.Wait()
				if asked.Load() != c.asked {
					t.Errorf("the second was asked %d times", asked.Load())
				}
			})
		})
	}
}

func TestHedgeFailsWhenBothDo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		down := after(0, 0, errWork)
		f := Hedge(t.Context(), time.Second, down, down)
		if _, err := f.Await(t.Context()); !errors.Is(err, errWork) {
			t.Error(err)
		}
	})
}

// replica answers in 1 to 2 ms, but one time in twenty in 100 ms: a garbage
// collection, a full queue, a disk that was asleep.
func replica(random *rand.Rand) func(context.Context) (int, error) {
	takes := time.Millisecond + time.Duration(random.Int64N(int64(time.Millisecond)))
	if random.IntN(20) == 0 {
		takes = 100 * time.Millisecond
	}
	return after(takes, 0, nil)
}

// ways to ask two replicas. Each returns how many calls that cost.
var ways = []struct {
	name string
	ask  func(ctx context.Context, random *rand.Rand) (calls int64, err error)
}{
	{"one", func(ctx context.Context, random *rand.Rand) (int64, error) {
		_, err := Go(ctx, replica(random)).Await(ctx)
		return 1, err
	}},
	{"race", func(ctx context.Context, random *rand.Rand) (int64, error) {
		_, err := Race(ctx, Go(ctx, replica(random)), Go(ctx, replica(random))).Await(ctx)
		return 2, err
	}},
	{"hedge", func(ctx context.Context, random *rand.Rand) (int64, error) {
		var calls atomic.Int64
		counted := func(work func(context.Context) (int, error)) func(context.Context) (int, error) {
			return func(ctx context.Context) (int, error) {
				calls.Add(1)
				return work(ctx)
			}
		}
		_, err := Hedge(ctx, 3*time.Millisecond,
			counted(replica(random)), counted(replica(random))).Await(ctx)
		return calls.Load(), err
	}},
}

// In a bubble the tail is exact: what the waiting costs, and nothing else. The
// benchmark of the same name measures it on a real machine.
func TestTwoReplicasCutTheTail(t *testing.T) {
	t.Parallel()
	const n = 2000
	p99, calls := map[string]time.Duration{}, map[string]int64{}
	for _, way := range ways {
		synctest.Test(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(1, 2))
			latencies := make([]time.Duration, n)
			for i := range latencies {
				latencies[i] = took(func() {
					asked, err := way.ask(t.Context(), random)
					if err != nil {
						t.Error(err)
					}
					calls[way.name] += asked
				})
			}
			p99[way.name] = percentile(latencies, 99)
		})
	}
	t.Logf("99th percentile %v, calls %v", p99, calls)
	if p99["one"] != 100*time.Millisecond {
		t.Errorf("one replica has no tail to cut: %v", p99)
	}
	if p99["race"] > 2*time.Millisecond || p99["hedge"] > 5*time.Millisecond {
		t.Errorf("the tail is still there: %v", p99)
	}
	if calls["race"] != 2*n || calls["hedge"] > n*11/10 || calls["hedge"] == n {
		t.Errorf("calls: %v", calls)
	}
}

// percentile is the nearest rank. It sorts the values.
func percentile(values []time.Duration, p int) time.Duration {
	slices.Sort(values)
	return values[max(0, (len(values)*p+99)/100-1)]
}
