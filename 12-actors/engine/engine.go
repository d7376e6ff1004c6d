// Package engine is what the cluster and the patterns of this step stand on. It
// keeps protoactor-go behind it, and does better what that does badly.
//
// Where to look, one idea per file:
//
//	membership.go  who is in the cluster, and where a grain lives
//	placement.go   one activation of each grain, and how it ends
//	turn.go        what happens to a call when it is its turn
//	request.go     a call by a grain's name, with a deadline
//	call.go        a call that is tried again, from a budget
//	state.go       State[T]: what a grain remembers, and its version
//	network.go     messages from one process to another
//	engine.go      a silo or a client starts and ends
//	local.go       silos in one process
package engine

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/asynkron/protoactor-go/cluster"
	"google.golang.org/protobuf/types/known/emptypb"
)

// stopTimeout bounds how long a silo waits at its end for its activations.
const stopTimeout = 10 * time.Second

// Config says what a process does in the cluster. The zero value is a client on
// loopback.
type Config struct {
	Host  string          // on which it listens
	Kinds []*cluster.Kind // of grains that it hosts; without any it is a client
	// Mailbox is how many calls may wait for one grain; 0 is any number. A longer
	// queue is no help: who stands at its end has given up before it is served.
	Mailbox int
	// ServeExpired has calls served that were given up. It is a wrong way.
	ServeExpired bool
	// Serves says whether this silo may serve: not when its lease has ended. Nil: always.
	Serves func() bool
	// NoRecover leaves the panic of a grain to protoactor-go. It is a wrong way.
	NoRecover bool
	Observer  Observer     // nil: nobody
	Log       *slog.Logger // of the engine; nil: what it logs is debugging
}

// Start starts a silo or a client that knows nobody yet: see [Tell].
func Start(config Config) (*cluster.Cluster, error) {
	if config.Host == "" {
		config.Host = "127.0.0.1"
	}
	if config.Observer == nil {
		config.Observer = nobody{}
	}
	if config.Log == nil {
		config.Log = slog.Default()
	}
	if config.Serves == nil {
		config.Serves = func() bool { return true }
	}
	system := actor.NewActorSystem(
		actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger {
			return slog.New(quietly{config.Log.Handler()})
		}),
		// So long a goroutine lives for each dead letter, also after the end.
		actor.WithDeadLetterThrottleInterval(100*time.Millisecond))
	net, err := listen(system, config.Host, config.Log)
	if err != nil {
		return nil, err
	}
	place := &placement{
		config: config, net: net, born: time.Now(), props: map[string]*actor.Props{},
		active: map[Name]*activation{}, counts: map[string]int{}, empty: make(chan struct{}),
	}
	place.seen.Store(&Membership{})
	c := cluster.New(system, cluster.Configure("course", nil, place, nil,
		cluster.WithClusterContextProducer(func(*cluster.Cluster) cluster.Context {
			return caller{place}
		})))
	c.IdentityLookup, place.cluster = place, c
	for _, kind := range config.Kinds {
		place.props[kind.Kind] = place.around(kind.Kind, kind.Props)
	}
	system.ProcessRegistry.Add(place, door)
	c.PubSub.Start()
	return c, nil
}

// Me is how the others see this process.
func Me(c *cluster.Cluster) Silo {
	kinds := slices.Sorted(maps.Keys(of(c).props))
	return Silo{c.ActorSystem.ID, c.ActorSystem.Address(), kinds}
}

func of(c *cluster.Cluster) *placement { return c.IdentityLookup.(*placement) }

// Active is how many activations of a kind there are on a silo.
func Active(c *cluster.Cluster, kind string) int { return of(c).count(kind) }

// Tell says who is in the cluster. Grains whose home is elsewhere now are deactivated.
// It is called by one goroutine at a time.
func Tell(c *cluster.Cluster, list Membership) {
	place := of(c)
	before := place.membership().Silos
	place.update(list)
	for _, silo := range before {
		if !contains(list.Silos, silo.ID) { // its connection is of no use
			place.net.forget(silo.Address)
		}
	}
}

func contains(silos []Silo, id string) bool {
	for _, silo := range silos {
		if silo.ID == id {
			return true
		}
	}
	return false
}

// Seen is what was told last.
func Seen(c *cluster.Cluster) Membership { return of(c).membership() }

// Probe returns an error if a process of the cluster does not answer until ctx ends.
func Probe(ctx context.Context, c *cluster.Cluster, address string) error {
	answer, err := caller{of(c)}.exchange(ctx, func(me *actor.PID) error {
		c.ActorSystem.Root.Send(actor.NewPID(address, door),
			&actor.MessageEnvelope{Message: &emptypb.Empty{}, Sender: me})
		return nil
	})
	if failed, ok := answer.(*cluster.GrainErrorResponse); ok && err == nil {
		err = failed
	}
	return err
}

// Cut ends the way from one process to another for good, as a broken cable would. It is
// for tests.
func Cut(c *cluster.Cluster, address string) { of(c).net.cut(address) }

// Deactivate ends the activation of a grain, if it has one on this silo. It does at
// once what a long silence would do, and returns when the activation has ended.
func Deactivate(ctx context.Context, c *cluster.Cluster, kind, id string) error {
	return of(c).deactivate(ctx, Name{kind, id})
}

// Stop ends a silo or a client in order: its grains are deactivated, with their hooks.
func Stop(c *cluster.Cluster) {
	c.IdentityLookup.Shutdown()
	Kill(c)
}

// Kill ends a silo or a client at once. What it has answered is sent.
func Kill(c *cluster.Cluster) {
	if err := of(c).net.close(); err != nil {
		of(c).config.Log.Warn("the network has not ended well", "error", err)
	}
	c.ActorSystem.Shutdown()
}

// quietly makes debugging lines of all that the engine logs. It calls every absent
// silo an error: here they are what the step is about, and are reported by those whom
// they concern. LOG_LEVEL=debug shows them.
type quietly struct{ next slog.Handler }

func (q quietly) Enabled(ctx context.Context, _ slog.Level) bool {
	return q.next.Enabled(ctx, slog.LevelDebug)
}

func (q quietly) Handle(ctx context.Context, r slog.Record) error {
	r.Level = slog.LevelDebug
	r.Message = "engine: " + r.Message
	return q.next.Handle(ctx, r)
}

func (q quietly) WithAttrs(attrs []slog.Attr) slog.Handler {
	return quietly{q.next.WithAttrs(attrs)}
}

func (q quietly) WithGroup(name string) slog.Handler { return quietly{q.next.WithGroup(name)} }
