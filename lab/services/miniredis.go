package services

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"

	"github.com/alicebob/miniredis/v2"

	"course.example/lab/internal/port"
)

// mini is Redis inside this process. As with Redis at its defaults, a clean stop keeps the
// data and a kill loses it.
type mini struct {
	port int
	mu   sync.Mutex
	m    *miniredis.Miniredis
	up   bool
}

// oneMiniredis is the stand-in for Redis.
func oneMiniredis(ctx context.Context, c *Chain, need Need) (*Server, error) {
	ports, err := port.Free(1)
	if err != nil {
		return nil, err
	}
	s := c.newServer(need, "in-process stand-in", redisAddress(ports[0]))
	s.inst, s.Version = newMiniredis(ports[0]), miniredisVersion()
	return s, c.launch(ctx, s)
}

func newMiniredis(port int) instance {
	m := miniredis.NewMiniRedis()
	// Otherwise keys would only expire when a test says so, and a lock would be held for ever.
	m.ClockTTL(true)
	return &mini{port: port, m: m}
}

// miniredisVersion is for people: the server itself has no answer.
func miniredisVersion() string {
	info, ok := debug.ReadBuildInfo()
	if ok {
		for _, dep := range info.Deps {
			if dep.Path == "github.com/alicebob/miniredis/v2" {
				return "miniredis " + dep.Version
			}
		}
	}
	return "miniredis"
}

func (i *mini) start(context.Context) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.up {
		return fmt.Errorf("it is already running")
	}
	// Close has ended the context that blocking commands wait on; they need a new one.
	i.m.Ctx, i.m.CtxCancel = context.WithCancel(context.Background())
	if err := i.m.StartAddr(fmt.Sprintf("127.0.0.1:%d", i.port)); err != nil {
		return err
	}
	i.up = true
	return nil
}

func (i *mini) stop(context.Context) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.up {
		i.m.Close()
		i.up = false
	}
	return nil
}

func (i *mini) kill(ctx context.Context) error {
	err := i.stop(ctx)
	i.m.FlushAll()
	return err
}

func (i *mini) close(ctx context.Context) error { return i.kill(ctx) }

func (i *mini) ended() <-chan struct{} { return nil }

func (i *mini) tail(context.Context) []string { return nil }
