// Package servicestest gives tests the real servers they talk to.
//
// A test binary starts at most one shared server of each kind, when the first test asks for it,
// and every test works in a place of its own on it. Tests that stop or kill a server take a
// private one. With Docker the servers are containers (testcontainers-go), without it they come
// by the same chain as for the lab itself; addresses in the environment come first, because
// `lab test` starts the servers once for all packages. When none can be had the test fails and
// says what to do: a test that is skipped proves nothing.
//
// Servers keep goroutines in the test binary: a test that looks for leaks takes its server first
// and then ignores what runs already (goleak.IgnoreCurrent).
//
// A package that uses it hands its tests over:
//
//	func TestMain(m *testing.M) { servicestest.Main(m) }
package servicestest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"course.example/lab/internal/home"
	"course.example/lab/services"
)

// closeTimeout bounds the end: a server that hangs must not hang the tests' end with it.
const closeTimeout = time.Minute

// Main runs the tests, stops every server they started and exits with the tests' code.
func Main(m *testing.M) { os.Exit(Run(m)) }

// Run is [Main] for a TestMain with more to do: it returns the exit code, which is 1 when the
// tests passed and the servers could not be stopped.
func Run(m interface{ Run() int }) (code int) {
	b, err := open()
	if err != nil {
		fmt.Fprintln(os.Stderr, "servicestest:", err)
		return 1
	}
	bench.Store(b)
	// The end of a test binary by Ctrl-C passes over every defer.
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	go func() {
		if _, ok := <-signals; ok {
			_ = b.close()
			os.Exit(130)
		}
	}()
	defer func() {
		if err := b.close(); err != nil {
			fmt.Fprintln(os.Stderr, "servicestest:", err)
			code = max(code, 1)
		}
	}()
	return m.Run()
}

// shared is what one test binary has of servers.
type shared struct {
	run   *home.Run
	chain *services.Chain

	mu       sync.Mutex
	servers  map[services.Kind]*provided
	programs map[string]*built
}

// provided is one shared server, provided once however many tests ask for it at once.
type provided struct {
	once    sync.Once
	servers services.Servers
	err     error
}

// bench is nil in a binary without our TestMain.
var bench atomic.Pointer[shared]

func open() (*shared, error) {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	say := func(line string) { fmt.Fprintln(os.Stderr, "servicestest:", line) }
	if err := services.Sweep(ctx, say); err != nil {
		say("could not clean up after an earlier run: " + err.Error())
	}
	run, err := home.Open("tests of " + filepath.Base(os.Args[0]))
	if err != nil {
		return nil, err
	}
	chain, err := services.NewChain(run, services.Options{
		Say: say, Container: newContainer, Images: helperImages(),
	})
	if err != nil {
		return nil, errors.Join(err, run.Close())
	}
	return &shared{
		run: run, chain: chain,
		servers: map[services.Kind]*provided{}, programs: map[string]*built{},
	}, nil
}

func (b *shared) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	return errors.Join(b.chain.Close(ctx), b.run.Close())
}

// need returns the binary's bench or ends the test.
func need(t testing.TB) *shared {
	t.Helper()
	b := bench.Load()
	if b == nil {
		t.Fatal("servicestest: this package's tests lack " +
			"func TestMain(m *testing.M) { servicestest.Main(m) }")
	}
	return b
}

// Shared returns the binary's one server of the kind, for tests that leave it as it is. The
// place on it is everybody's: [RabbitMQ], [Postgres] and [Redis] give the test its own.
func Shared(t testing.TB, kind services.Kind) *services.Server {
	t.Helper()
	b := need(t)
	b.mu.Lock()
	p := b.servers[kind]
	if p == nil {
		p = new(provided)
		b.servers[kind] = p
	}
	b.mu.Unlock()
	p.once.Do(func() {
		p.servers, p.err = b.chain.Provide(context.Background(), services.Need{Kind: kind})
	})
	if p.err != nil {
		t.Fatal(p.err)
	}
	return p.servers[0]
}

// Private returns servers that are this test's alone, to stop and kill as it likes. They are
// closed when the test ends.
func Private(t testing.TB, kind services.Kind, count int) services.Servers {
	t.Helper()
	if kind == services.Replicated {
		pairs.Lock()
		defer pairs.Unlock()
	}
	return provide(t, services.Need{Kind: kind, Count: count})
}

// pairs is held from the start of a pair of Redis to that of its Sentinels: they watch over the
// last pair that was started, which must not be another test's.
var pairs sync.Mutex

// WithSentinels returns a Redis with its replica, and three Sentinels that watch over the two.
func WithSentinels(t testing.TB) (pair, sentinels services.Servers) {
	t.Helper()
	pairs.Lock()
	defer pairs.Unlock()
	pair = provide(t, services.Need{Kind: services.Replicated, Count: 2})
	return pair, provide(t, services.Need{Kind: services.Sentinel, Count: 3})
}

// DurableRedis returns n independent servers that keep what they have acknowledged when they are
// killed, for a test to stop and kill as it likes.
func DurableRedis(t testing.TB, n int) services.Servers {
	t.Helper()
	return provide(t, services.Need{Kind: services.Redis, Count: n, Durable: true})
}

func provide(t testing.TB, wanted services.Need) services.Servers {
	t.Helper()
	b := need(t)
	wanted.Private = true
	all, err := b.chain.Provide(t.Context(), wanted)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// The test's own context has ended by now.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), closeTimeout)
		defer cancel()
		for _, s := range all {
			if err := s.Close(ctx); err != nil {
				t.Error(err)
			}
		}
	})
	return all
}

// isolate returns the address of a place of the test's own on the shared server.
func isolate(t testing.TB, kind services.Kind, variable string) (string, *services.Server) {
	t.Helper()
	s := Shared(t, kind)
	env, cleanup, err := s.Isolate(t.Context(), "test-"+t.Name())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), closeTimeout)
		defer cancel()
		if err := cleanup(ctx); err != nil {
			t.Errorf("servicestest: %v", err)
		}
	})
	return env[variable], s
}

// Broker is a vhost of a test's own.
type Broker struct {
	// URL is the AMQP URL, vhost included.
	URL string
	// Management is the management API's URL without credentials, empty when there is none.
	// Its login is the one in URL.
	Management string
	// Server is the shared broker: not to be stopped.
	Server *services.Server
}

// RabbitMQ returns a vhost of the test's own on the shared broker, removed when the test ends.
func RabbitMQ(t testing.TB) Broker {
	t.Helper()
	url, s := isolate(t, services.RabbitMQ, "AMQP_URL")
	return Broker{URL: url, Management: s.Env()["RABBITMQ_MANAGEMENT_URL"], Server: s}
}

// PrivateRabbitMQ returns a broker that the test may stop, kill and start. It costs a boot of 4
// to 8 seconds of CPU. A quorum queue declared less than 1.5 s before a kill may come back
// without its messages: wait for that.
func PrivateRabbitMQ(t testing.TB) *services.Server {
	t.Helper()
	return Private(t, services.RabbitMQ, 1)[0]
}

// Postgres returns the URL of a database of the test's own, dropped when the test ends.
func Postgres(t testing.TB) string {
	t.Helper()
	url, _ := isolate(t, services.Postgres, "DATABASE_URL")
	return url
}

// PrivatePostgres returns a server that the test may stop, kill and start.
func PrivatePostgres(t testing.TB) *services.Server {
	t.Helper()
	return Private(t, services.Postgres, 1)[0]
}

// Redis returns the URL of a database number of the test's own, emptied when the test ends.
// There are 15 of them: more tests than that cannot run at once.
func Redis(t testing.TB) string {
	t.Helper()
	url, _ := isolate(t, services.Redis, "REDIS_URL")
	return url
}

// RedisNodes returns n independent servers that the test may stop, kill and start.
func RedisNodes(t testing.TB, n int) services.Servers {
	t.Helper()
	return Private(t, services.Redis, n)
}

// NATS returns the URL of a part of the shared NATS that is the test's own: its path is what the
// names of streams begin with. The streams are deleted when the test ends. One node runs, so that no
// stream can have more than one replica.
func NATS(t testing.TB) string {
	t.Helper()
	url, _ := isolate(t, services.NATS, "NATS_URL")
	return url
}

// NATSCluster returns three nodes of a cluster that the test may stop, kill and start.
func NATSCluster(t testing.TB) services.Servers {
	t.Helper()
	return Private(t, services.NATS, 3)
}

// Chromium returns the path of a Chromium to test a web page with, installing one where there is
// none and that is allowed. Without one the test fails, and says what to do.
func Chromium(t testing.TB) string {
	t.Helper()
	path, err := need(t).chain.Tool(t.Context(), services.Browser)
	if err != nil {
		t.Fatal(err)
	}
	return path
}
