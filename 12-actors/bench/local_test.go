package bench_test

import (
	"io"
	"log/slog"
	"testing"
	"time"

	"course.example/12-actors/bench"
	"github.com/asynkron/protoactor-go/actor"
)

type tell struct{}

type ask struct{}

// local is an actor of Proto.Actor, the engine of the step.
type local struct {
	root *actor.RootContext
	pid  *actor.PID
}

func startActor(b testing.TB, told func()) bench.Local {
	quiet := func(*actor.ActorSystem) *slog.Logger {
		return slog.New(slog.NewTextHandler(io.Discard, nil))
	}
	system := actor.NewActorSystem(actor.WithLoggerFactory(quiet))
	pid := system.Root.Spawn(actor.PropsFromFunc(func(c actor.Context) {
		switch c.Message().(type) {
		case *tell:
			told()
		case *ask:
			c.Respond(&ask{})
		}
	}))
	b.Cleanup(func() {
		if err := system.Root.StopFuture(pid).Wait(); err != nil {
			b.Error(err)
		}
		system.Shutdown()
	})
	return local{system.Root, pid}
}

func (l local) Tell() error { l.root.Send(l.pid, &tell{}); return nil }

func (l local) Ask() error {
	_, err := l.root.RequestFuture(l.pid, &ask{}, time.Minute).Result()
	return err
}

func BenchmarkLocal(b *testing.B) { bench.Compare(b, startActor) }

func TestLocal(t *testing.T) { bench.Check(t, startActor) }
