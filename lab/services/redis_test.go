//go:build unix

package services

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
)

// redisWay is a way to come by Redis; what the lessons rely on must hold for each.
type redisWay struct{ name, want, skip string }

func redisWays() []redisWay {
	ways := []redisWay{{"stand-in", "in-process stand-in", LinkNative}}
	if _, err := traits[Redis].installed(); err == nil {
		ways = append(ways, redisWay{"native", "native, private", LinkStandIn})
	}
	return ways
}

func ask(t *testing.T, s *Server, command string) string {
	t.Helper()
	var answer string
	must(t, withRedis(t.Context(), s.URL, func(do redisDo) (err error) {
		answer, err = do(strings.Fields(command)...)
		return err
	}))
	return answer
}

func TestFiveRedisNodes(t *testing.T) {
	for _, way := range redisWays() {
		t.Run(way.name, func(t *testing.T) {
			c, _ := bench(t, LinkPort, LinkDocker, way.skip)
			nodes := provide(t, c, Need{Kind: Redis, Count: 5})
			urls := strings.Split(nodes.Env()["REDIS_URL"], ",")
			if len(nodes) != 5 || len(urls) != 5 {
				t.Fatalf("%d nodes, addresses %v", len(nodes), urls)
			}
			for i, n := range nodes {
				if n.Name != fmt.Sprintf("redis-%d", i+1) || n.Provider != way.want || n.Version == "" {
					t.Errorf("node %+v", n)
				}
				if got := ask(t, n, "SET k "+n.Name); got != "OK" {
					t.Errorf("%s: SET answers %q", n.Name, got)
				}
			}
			for _, n := range nodes {
				if got := ask(t, n, "GET k"); got != n.Name {
					t.Errorf("%s holds %q: the nodes are not independent", n.Name, got)
				}
			}
			must(t, nodes[1].Kill(t.Context()))
			if nodes[1].Ready(t.Context()) == nil {
				t.Error("a killed node answers")
			}
			must(t, nodes[0].Ready(t.Context()), nodes[4].Ready(t.Context()))
		})
	}
}

func TestRedisKeepsDataOverAStopAndLosesItInAKill(t *testing.T) {
	for _, way := range redisWays() {
		t.Run(way.name, func(t *testing.T) {
			c, _ := bench(t, LinkPort, LinkDocker, way.skip)
			s := provide(t, c, Need{Kind: Redis})[0]
			before := s.URL
			ask(t, s, "SET k v")
			must(t, s.Restart(t.Context()))
			if got := ask(t, s, "GET k"); got != "v" || s.URL != before {
				t.Errorf("after a restart k is %q, at %s (before: %s)", got, s.URL, before)
			}
			ask(t, s, "SET k2 v")
			must(t, s.Kill(t.Context()), s.Start(t.Context()))
			if got := ask(t, s, "GET k2"); got != "" {
				t.Errorf("after a kill k2 is %q, want it lost", got)
			}
			// A lock must end by itself, on the stand-in too.
			ask(t, s, "SET lock me NX PX 60")
			await(t, "the lock to expire", func() bool { return ask(t, s, "GET lock") == "" })
			// Commands that block must still do so after a restart.
			begun := time.Now()
			must(t, withRedis(t.Context(), s.URL, func(do redisDo) error {
				_ = sequence(do, "BLPOP nothing 0.2") // its answer is a nil of its own kind
				return nil
			}))
			if took := time.Since(begun); took < 150*time.Millisecond {
				t.Errorf("a blocking command came back after %v, want 200 ms", took)
			}
		})
	}
}

// What a durable one has said yes to is there after kill -9.
func TestDurableRedisKeepsItsDataOverAKill(t *testing.T) {
	need := Need{Kind: Redis, Durable: true, Private: true}
	c, _ := bench(t, LinkDocker)
	s := provide(t, c, need)[0]
	must(t, redisKeeps(t.Context(), s.address()))
	for _, k := range []string{"a", "b"} {
		ask(t, s, "SET "+k+" v")
		must(t, s.Kill(t.Context()), s.Start(t.Context()))
		if got := ask(t, s, "GET "+k); got != "v" {
			t.Errorf("after a kill %s is %q", k, got)
		}
	}
	if got := ask(t, s, "GET a"); got != "v" {
		t.Errorf("after two kills a is %q", got)
	}
	if i := traits[Redis].container(need, []int{1}); !slices.Equal(i.Args, traits[Redis].durable) {
		t.Errorf("a container gets %q", i.Args)
	}
}

// A server that may lose data is not used where a durable one is wanted, unless it was named on
// purpose: then it is said.
func TestRedisThatIsNotDurable(t *testing.T) {
	durable := Need{Kind: Redis, Durable: true}
	private := durable
	private.Private = true
	c, _ := bench(t, LinkDocker)
	plain := provide(t, c, Need{Kind: Redis, Private: true})[0]

	port, out := chain(t, Options{Skip: []string{LinkDocker}})
	setTrait(t, Redis, answersAt(plain.URL))
	s := provide(t, port, durable)[0]
	if s.URL == plain.URL || !strings.Contains(out.text(), `is not used, it may lose`) {
		t.Errorf("got %s, said %q", s.URL, out.text())
	}
	must(t, redisKeeps(t.Context(), s.address()))

	t.Setenv("REDIS_URL", plain.URL)
	named, out := chain(t, Options{})
	if s := provide(t, named, durable)[0]; s.URL != plain.URL {
		t.Errorf("got %s and not the one that was named", s.URL)
	}
	want := `the Redis of REDIS_URL may lose what it has acknowledged when it is killed: ` +
		`CONFIG GET answers "append`
	if !strings.Contains(out.text(), want) {
		t.Errorf("said %q, want %q", out.text(), want)
	}

	standIn, out := chain(t, Options{Skip: []string{
		LinkEnv, LinkPort, LinkDocker, LinkNative, LinkInstall,
	}})
	provide(t, standIn, durable)
	if !strings.Contains(out.text(), "the stand-in loses everything when it is killed") {
		t.Errorf("said %q", out.text())
	}
	_, err := standIn.Provide(t.Context(), private)
	if err == nil || !strings.Contains(err.Error(), "no durable Redis to be had") ||
		!strings.Contains(err.Error(), "loses everything when it is killed") {
		t.Errorf("to be broken, a stand-in for a durable one: %v", err)
	}
}

// A number is claimed by a name: what is swept must not be another run's by now.
func TestRedisPlaceOfAKilledRunIsEmptied(t *testing.T) {
	c, _ := bench(t, LinkPort, LinkDocker, LinkNative)
	s := provide(t, c, Need{Kind: Redis})[0]
	place := func(name string) *Server {
		url, err := redisPlace(t.Context(), s.address(), name)
		must(t, err)
		own := &Server{Kind: Redis, URL: url}
		ask(t, own, "SET k "+name)
		return own
	}
	killed, other := place("killed"), place("other")
	for range 2 { // a second sweep finds nothing, and that is no error
		must(t, removeRedisPlace(t.Context(), s.address(), "killed"))
	}
	if got := ask(t, killed, "GET k"); got != "" {
		t.Errorf("%q is left in %s", got, killed.URL)
	}
	if got := ask(t, other, "GET k"); got != "other" {
		t.Errorf("somebody else's place holds %q", got)
	}
	if next := place("next"); next.URL != killed.URL {
		t.Errorf("the next place is %s, and %s was free", next.URL, killed.URL)
	}
}

func TestRedisRefusesAWrongPassword(t *testing.T) {
	m := miniredis.RunT(t)
	m.RequireUserAuth("u", "right")
	for url, want := range map[string]string{
		"redis://u:right@" + m.Addr() + "/0": "",
		"redis://u:wrong@" + m.Addr() + "/0": "refuses the user name or password",
		"redis://" + m.Addr() + "/0":         "NOAUTH",
	} {
		_, err := redisHandshake(t.Context(), address{URL: url})
		if want == "" && err != nil {
			t.Errorf("%s: %v", url, err)
		}
		if want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: error %v, want %q", url, err, want)
		}
	}
}

func TestRedisDatabasesOfOnesOwn(t *testing.T) {
	for _, way := range redisWays() {
		t.Run(way.name, func(t *testing.T) {
			c, _ := bench(t, LinkPort, LinkDocker, way.skip)
			s := provide(t, c, Need{Kind: Redis})[0]
			must(t, withRedis(t.Context(), s.URL, func(do redisDo) error {
				return sequence(do, "SELECT 3", "SET somebodys data")
			}))
			const users = 14 // of 15, one holds somebody's data
			var mu sync.Mutex
			seen := map[string]bool{}
			var undo []func(context.Context) error
			var wg sync.WaitGroup
			for range users {
				wg.Go(func() {
					env, cleanup, err := s.Isolate(t.Context(), "test")
					mu.Lock()
					defer mu.Unlock()
					if err != nil {
						t.Error(err)
						return
					}
					if seen[env["REDIS_URL"]] || strings.HasSuffix(env["REDIS_URL"], "/3") {
						t.Errorf("%s is not one's own", env["REDIS_URL"])
					}
					seen[env["REDIS_URL"]] = true
					undo = append(undo, cleanup)
				})
			}
			wg.Wait()
			_, _, err := s.Isolate(t.Context(), "test")
			if err == nil || !strings.Contains(err.Error(), "none of the databases 1 to 15 is free") {
				t.Errorf("a 15th database: %v", err)
			}
			for _, f := range undo {
				must(t, f(t.Context()))
			}
			_, cleanup, err := s.Isolate(t.Context(), "test")
			must(t, err)
			must(t, cleanup(t.Context()))
			must(t, withRedis(t.Context(), s.URL, func(do redisDo) error {
				if err := sequence(do, "SELECT 3"); err != nil {
					return err
				}
				if got, err := do("GET", "somebodys"); err != nil || got != "data" {
					t.Errorf("somebody's data is %q, %v", got, err)
				}
				return nil
			}))
		})
	}
}
