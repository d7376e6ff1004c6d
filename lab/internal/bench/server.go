package bench

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"course.example/lab/internal/act"
)

// server is a service of the run as a [act.Target], which remembers what was done to it.
type server struct {
	Service
	sup *supervisor

	mu         sync.Mutex
	down, held bool
}

// Running says whether no act has ended the server.
func (s *server) Running() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.down
}

// Hangs says whether an act has paused the server.
func (s *server) Hangs() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.held
}

// Kill ends the server with SIGKILL.
func (s *server) Kill(ctx context.Context) error { return s.do(ctx, s.Service.Kill, true) }

// Stop ends the server in order.
func (s *server) Stop(ctx context.Context) error { return s.do(ctx, s.Service.Stop, true) }

// Start starts the server and waits until it is ready.
func (s *server) Start(ctx context.Context) error { return s.do(ctx, s.Service.Start, false) }

// do does something to the server and remembers whether it is down after it.
func (s *server) do(ctx context.Context, what func(context.Context) error, down bool) error {
	if err := s.ours(); err != nil {
		return err
	}
	err := what(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = down || err != nil
	return err
}

// ours refuses to break what somebody else has started.
func (s *server) ours() error {
	if s.Owned() {
		return nil
	}
	return fmt.Errorf("%s was not started by the lab, so it leaves it alone: %w",
		s.Name(), act.ErrCannot)
}

// Pause lets the server hang.
func (s *server) Pause(ctx context.Context) error { return s.hold(ctx, true) }

// Resume lets the server run on.
func (s *server) Resume(ctx context.Context) error { return s.hold(ctx, false) }

func (s *server) hold(ctx context.Context, on bool) error {
	if err := s.ours(); err != nil {
		return err
	}
	cannot := fmt.Errorf("%s can be killed, not paused: %w", s.Name(), act.ErrCannot)
	p, ok := s.Service.(interface {
		Pause(context.Context) error
		Resume(context.Context) error
	})
	if !ok {
		return cannot
	}
	hold := p.Resume
	if on {
		hold = p.Pause
	}
	if err := hold(ctx); errors.Is(err, errors.ErrUnsupported) {
		return cannot
	} else if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held = on
	return nil
}

// Impaired says whether the connections to this server, or to the others of its kind, are cut or slow.
func (s *server) Impaired() bool {
	node, ok := s.Service.(clustered)
	return s.sup.wire.impaired(s.host()) || ok && node.IsCutOff()
}

// clustered is a service that may be one of several that talk to each other.
type clustered interface {
	CutOff() error
	Rejoin()
	IsCutOff() bool
}

// Isolate cuts the server off from the others of its kind.
func (s *server) Isolate(context.Context) error {
	node, ok := s.Service.(clustered)
	if !ok {
		return fmt.Errorf("%s is not one of several: %w", s.Name(), act.ErrCannot)
	}
	if err := node.CutOff(); err != nil {
		return errors.Join(err, act.ErrCannot)
	}
	return nil
}

// Cut cuts all connections to the server.
func (s *server) Cut(ctx context.Context) error {
	return s.onWire(func(name string) error { return s.sup.wire.cut(ctx, name) })
}

// Slow makes all connections to the server slow.
func (s *server) Slow(ctx context.Context, how act.Slow) error {
	return s.onWire(func(name string) error { return s.sup.wire.slow(ctx, name, how) })
}

// Heal mends all connections to the server, those of the others of its kind, too.
func (s *server) Heal(ctx context.Context) error {
	if node, ok := s.Service.(clustered); ok {
		node.Rejoin()
	}
	return s.onWire(func(name string) error { return s.sup.wire.heal(ctx, name) })
}

// onWire does something to the connections of the server, or, where it does not tell its address,
// to those of all processes.
func (s *server) onWire(do func(string) error) error {
	if s.sup.wire == nil {
		return errNoProxy
	}
	if host := s.host(); host != "" {
		return do(host)
	}
	var errs []error
	for _, p := range s.sup.all() {
		errs = append(errs, do(p.name))
	}
	return errors.Join(errs...)
}

// host is host and port of a service that tells them. Of several servers of a
// kind, such as redis-1 to redis-5, one alone can be cut off by it.
func (s *server) host() string {
	if told, ok := s.Service.(interface{ Host() string }); ok {
		return told.Host()
	}
	return ""
}
