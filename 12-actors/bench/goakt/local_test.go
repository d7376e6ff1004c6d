package goakt

import (
	"context"
	"testing"
	"time"

	"course.example/12-actors/bench"
	"github.com/tochemey/goakt/v4/actor"
	"github.com/tochemey/goakt/v4/log"
)

type tell struct{}

type ask struct{}

// counter is the actor.
type counter struct{ told func() }

func (*counter) PreStart(*actor.Context) error { return nil }
func (*counter) PostStop(*actor.Context) error { return nil }

func (c *counter) Receive(ctx *actor.ReceiveContext) {
	switch ctx.Message().(type) {
	case *tell:
		c.told()
	case *ask:
		ctx.Response(&ask{})
	}
}

type local struct {
	ctx context.Context
	pid *actor.PID
}

func start(b testing.TB, told func()) bench.Local {
	ctx := b.Context()
	system, err := actor.NewActorSystem("bench", actor.WithLogger(log.DiscardLogger))
	if err != nil {
		b.Fatal(err)
	}
	if err := system.Start(ctx); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := system.Stop(context.WithoutCancel(ctx)); err != nil {
			b.Error(err)
		}
	})
	pid, err := system.Spawn(ctx, "bench", &counter{told}, actor.WithLongLived())
	if err != nil {
		b.Fatal(err)
	}
	return local{ctx, pid}
}

func (l local) Tell() error { return actor.Tell(l.ctx, l.pid, &tell{}) }

func (l local) Ask() error {
	_, err := actor.Ask(l.ctx, l.pid, &ask{}, time.Minute)
	return err
}

func BenchmarkLocal(b *testing.B) { bench.Compare(b, start) }

func TestLocal(t *testing.T) { bench.Check(t, start) }
