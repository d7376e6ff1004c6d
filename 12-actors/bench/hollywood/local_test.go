package hollywood

import (
	"testing"
	"time"

	"course.example/12-actors/bench"
	"github.com/anthdm/hollywood/actor"
)

type tell struct{}

type ask struct{}

type local struct {
	engine *actor.Engine
	pid    *actor.PID
}

func start(b testing.TB, told func()) bench.Local {
	engine, err := actor.NewEngine(actor.NewEngineConfig())
	if err != nil {
		b.Fatal(err)
	}
	pid := engine.SpawnFunc(func(c *actor.Context) {
		switch c.Message().(type) {
		case tell:
			told()
		case ask:
			c.Respond(ask{})
		}
	}, "bench")
	b.Cleanup(func() { <-engine.Poison(pid).Done() })
	return local{engine, pid}
}

func (l local) Tell() error { l.engine.Send(l.pid, tell{}); return nil }

func (l local) Ask() error {
	_, err := l.engine.Request(l.pid, ask{}, time.Minute).Result()
	return err
}

func BenchmarkLocal(b *testing.B) { bench.Compare(b, start) }

func TestLocal(t *testing.T) { bench.Check(t, start) }
