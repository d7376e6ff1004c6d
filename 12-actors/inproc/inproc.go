// Package inproc runs silos inside this process: one for the small parts of the
// step, several for a test that wants a cluster without machines. They find each
// other by a list in memory and talk over loopback, as silos on machines do.
package inproc

import (
	"fmt"
	"io"
	"log/slog"
	"math"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/asynkron/protoactor-go/cluster"
	"github.com/asynkron/protoactor-go/cluster/clusterproviders/test"
	"github.com/asynkron/protoactor-go/cluster/identitylookup/disthash"
	"github.com/asynkron/protoactor-go/remote"
)

// Members is the list in memory by which silos find each other.
type Members struct{ agent *test.InMemAgent }

// NewMembers returns an empty list.
func NewMembers() Members { return Members{test.NewInMemAgent()} }

// StartSilo starts one silo for grains of these kinds, and no other silo knows it.
func StartSilo(kinds ...*cluster.Kind) *cluster.Cluster {
	return NewMembers().StartSilo(kinds...)
}

// StartSilo starts a silo that forms a cluster with the others of the list. End
// it with [Stop]. ENGINE_LOG=1 shows what the engine logs; it calls every
// time-out an error, and the parts have some on purpose.
func (m Members) StartSilo(kinds ...*cluster.Kind) *cluster.Cluster {
	system := actor.NewActorSystem(actor.WithLoggerFactory(engineLog))
	list := listed{test.NewTestProvider(m.agent), make(chan error, 1)}
	config := cluster.Configure("course", list, disthash.New(),
		remote.Configure("127.0.0.1", 0), cluster.WithKinds(kinds...))
	silo := cluster.New(system, config)
	go silo.StartMember() // sleeps for a second at its end, and nobody waits for it
	if err := <-list.joined; err != nil {
		panic(fmt.Errorf("join the silos of this process: %w", err))
	}
	return silo
}

// listed says when its silo has joined, which is the last thing that a start does.
type listed struct {
	cluster.ClusterProvider
	joined chan error
}

func (l listed) StartMember(silo *cluster.Cluster) error {
	err := l.ClusterProvider.StartMember(silo)
	l.joined <- err
	return err
}

func engineLog(*actor.ActorSystem) *slog.Logger {
	if os.Getenv("ENGINE_LOG") == "" {
		return slog.New(slog.NewTextHandler(io.Discard, nil))
	}
	return slog.New(slog.NewTextHandler(os.Stderr, nil))
}

// Stop ends a silo in order: its grains are deactivated, with their hooks.
func Stop(silo *cluster.Cluster) {
	silo.IdentityLookup.Shutdown()
	silo.Shutdown(false)
}

// Once are the options of a call that is delivered at most once. A call that nobody
// got, because the grain has just been deactivated, is made again until the time
// is up. One that was not answered in time is not: the grain may be at it still,
// and a second one behind it would hide a deadlock, or do the same thing twice.
//
// By itself the engine calls again after a time-out, and after nanoseconds.
func Once(timeout time.Duration) []cluster.GrainCallOption {
	return []cluster.GrainCallOption{
		cluster.WithTimeout(timeout), cluster.WithRetryCount(math.MaxInt),
		// What the engine asks for is a pause. When it ends after a time-out, the
		// time of the whole call is up as well, and the engine gives up.
		cluster.WithRetryAction(func(tries int) int {
			<-time.After(10 * time.Millisecond)
			return tries + 1
		}),
	}
}

// Key names a grain of any kind as the course prints it: Hello/ada.
func Key(kind, id string) string { return kind + "/" + id }

// Recover turns a grain's panic into an error for its caller, who would otherwise
// wait for an answer until the time-out. What the panic has left of the grain's
// memory is not to be trusted: it is deactivated, and the next call gets a fresh
// activation.
func Recover() actor.PropsOption {
	return actor.WithReceiverMiddleware(func(next actor.ReceiverFunc) actor.ReceiverFunc {
		return func(c actor.ReceiverContext, envelope *actor.MessageEnvelope) {
			defer func() {
				reason := recover()
				if reason == nil {
					return
				}
				slog.Debug("a grain panicked", "grain", c.Self().Id, "reason", reason,
					"stack", string(debug.Stack()))
				// It cannot be reached from here on. The engine stops it a moment later,
				// and forgets without a word what came into its mailbox in between.
				c.ActorSystem().Root.Stop(c.Self())
				c.ActorSystem().ProcessRegistry.Remove(c.Self())
				if envelope.Sender != nil {
					c.ActorSystem().Root.Send(envelope.Sender, cluster.NewGrainErrorResponse(
						cluster.ErrorReason_INTERNAL, fmt.Sprintf("the grain panicked: %v", reason)))
				}
			}()
			next(c, envelope)
		}
	})
}

// Reason is what went wrong in a grain call, without the engine's wrapping.
func Reason(err error) string {
	if err == nil {
		return ""
	}
	text := err.Error()
	if e := cluster.FromError(err); e.Reason != cluster.ErrorReason_UNKNOWN {
		return e.Message
	}
	for _, late := range []string{"max retries", "deadline exceeded", "timeout", "timed out"} {
		if strings.Contains(text, late) {
			return "no answer in time"
		}
	}
	return cluster.FromError(err).Message
}

// Addresses are the members that a silo sees, in order.
func Addresses(silo *cluster.Cluster) []string {
	var all []string
	for _, m := range silo.MemberList.Members().Members() {
		all = append(all, m.Address())
	}
	slices.Sort(all)
	return all
}
