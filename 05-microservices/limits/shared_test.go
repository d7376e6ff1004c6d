package limits

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"course.example/lab/services/servicestest"
)

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	servicestest.Main(m)
}

// gateway is the limiter of one gateway: 5 at once, and then one in many seconds.
func gateway(t testing.TB, address string, args ...string) Limiter {
	t.Helper()
	s, err := ParseSettings(append([]string{
		"-redis", address, "-n", "1", "-burst", "5", "-redis-timeout", "10s"}, args...))
	if err != nil {
		t.Fatal(err)
	}
	limiter, end, err := s.Limiter()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := end(); err != nil {
			t.Error(err)
		}
	})
	return limiter
}

// passed asks each gateway n times, and counts. It says besides how long that took:
// the clock of Redis is not ours.
func passed(t testing.TB, n int, customer string, gateways ...Limiter) (count, more int) {
	t.Helper()
	began := time.Now()
	for range n {
		for _, g := range gateways {
			if g.Take(t.Context(), customer).Wait == 0 {
				count++
			}
		}
	}
	return count, 1 + int(time.Since(began).Seconds())
}

// Three gateways that share let as much pass as one; three that do not, three times
// as much.
func TestThreeGateways(t *testing.T) {
	t.Parallel()
	address := servicestest.Redis(t)
	for name, c := range map[string]struct {
		args []string
		want int
	}{
		"right":       {nil, 5},
		"per-process": {[]string{"-variant", "per-process"}, 15},
	} {
		var gateways []Limiter
		for range 3 {
			gateways = append(gateways, gateway(t, address, c.args...))
		}
		for _, customer := range []string{name + "-ada", name + "-grace"} {
			n, more := passed(t, 20, customer, gateways...)
			if n < c.want || n > c.want+3*more {
				t.Errorf("%s: %d requests of %s passed, want %d", name, n, customer, c.want)
			}
		}
	}
}

// Nobody listens at the address, or somebody who does not answer.
func TestRedisIsAway(t *testing.T) {
	t.Parallel()
	silent, silence := servicestest.Silenced(t, servicestest.Redis(t))
	silence()
	for name, address := range map[string]string{
		"dead": "redis://127.0.0.1:1", "silent": silent,
	} {
		for away, want := range map[string]int{"local": 5, "open": 20, "closed": 0} {
			t.Run(name+", "+away, func(t *testing.T) {
				t.Parallel()
				g := gateway(t, address, "-away", away, "-redis-timeout", "50ms")
				n, more := passed(t, 20, "ada", g)
				if n < want || n > want+more*min(want, 1) {
					t.Errorf("%d requests passed, want %d", n, want)
				}
			})
		}
	}
}

// A customer who has hung up says nothing of Redis.
func TestImpatientCustomersOpenNoBreaker(t *testing.T) {
	t.Parallel()
	g := gateway(t, servicestest.Redis(t), "-away", "closed")
	gone, hangUp := context.WithCancel(t.Context())
	hangUp()
	for range 10 {
		g.Take(gone, "impatient")
	}
	if answer := g.Take(t.Context(), "patient"); answer.Wait > 0 {
		t.Errorf("the next customer is refused: %+v", answer)
	}
}

// The price of the shared limit is a round trip: go test -bench Shared.
func BenchmarkShared(b *testing.B) {
	g := gateway(b, servicestest.Redis(b), "-n", "1000000", "-burst", "1000000")
	for b.Loop() {
		sink = g.Take(b.Context(), "ada")
	}
}
