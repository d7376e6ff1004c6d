package services

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"
)

const (
	// attempt bounds one handshake: a server that comes up may accept and not answer yet.
	attempt = 5 * time.Second
	// poll is how often a server that comes up is asked.
	poll = 50 * time.Millisecond
	// restarts is how often a server is started that ends while it comes up. After a kill its
	// port or shared memory may still be held for a moment by what is left of it.
	restarts = 5
)

// rejoin is how long a node that was started again is given to find its cluster, which may have to
// choose a leader first. NATS takes 4 to 9 s for that when the old one was killed.
var rejoin = 15 * time.Second

// errEnded says that a server ended by itself while it was coming up.
var errEnded = errors.New("it ended while coming up")

// bringUp starts the instance and returns when it is ready, in bounded time. The error of a
// server that does not come up holds the last lines of its log.
func (s *Server) bringUp(ctx context.Context) error {
	limit := traits[s.Kind].boot
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("not ready after %v", limit))
	defer cancel()
	for try := 1; ; try++ {
		err := s.inst.Start(ctx)
		if err == nil {
			err = s.awaitReady(ctx)
		}
		if err == nil {
			return nil
		}
		if errors.Is(err, errEnded) && try < restarts && ctx.Err() == nil {
			if p, ok := s.inst.(*process); ok {
				p.fallBack()
			}
			wait(ctx, 4*poll)
			continue
		}
		// The caller's context may have ended too, and the log is still wanted.
		logCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), attempt)
		defer cancel()
		return withLog(err, s.inst.Tail(logCtx))
	}
}

// awaitReady asks until the server makes a whole handshake.
func (s *Server) awaitReady(ctx context.Context) error {
	tick := time.NewTicker(poll)
	defer tick.Stop()
	var ended <-chan struct{} // of others it cannot be seen
	if p, ok := s.inst.(*process); ok {
		ended = p.ended()
	}
	for {
		version, err := s.tryOnce(ctx)
		if err == nil {
			// An in-process server has no command to ask for its version, and after a restart
			// others may be reading what has not changed.
			if version != "" && version != s.Version {
				s.Version = version
			}
			return nil
		}
		select {
		case <-tick.C:
		case <-ended:
			return errEnded
		case <-ctx.Done():
			return fmt.Errorf("%w; the last answer was: %w", context.Cause(ctx), err)
		}
	}
}

// bringBack is bringUp of a server that may have been part of a cluster before.
func (s *Server) bringBack(ctx context.Context) error {
	if err := s.bringUp(ctx); err != nil {
		return err
	}
	if s.member {
		// It is up in any case: the others may not be.
		_ = s.awaitJoined(ctx, rejoin)
	}
	return nil
}

// awaitJoined waits until the node does its part in its cluster, or for the time given.
func (s *Server) awaitJoined(ctx context.Context, limit time.Duration) error {
	if traits[s.Kind].joined == nil {
		return nil
	}
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("not in its cluster after %v", limit))
	defer cancel()
	tick := time.NewTicker(poll)
	defer tick.Stop()
	for {
		err := traits[s.Kind].joined(ctx, s.address())
		if err == nil {
			s.member = true
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("%w; the last answer was: %w", context.Cause(ctx), err)
		}
	}
}

func (s *Server) tryOnce(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, attempt)
	defer cancel()
	return s.handshake(ctx, s.address())
}

func withLog(err error, lines []string) error {
	if len(lines) == 0 {
		return err
	}
	for i, line := range lines {
		lines[i] = shorten(line)
	}
	return fmt.Errorf("%w; the end of its log:\n    %s", err, strings.Join(lines, "\n    "))
}

// shorten keeps a line of a log to what fits on a projector: some servers explain themselves in
// a paragraph, and the reason is at its beginning.
func shorten(line string) string {
	const most = 160
	if runes := []rune(line); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return line
}

func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// awaitListening waits until something listens on the local port or the process has ended.
func awaitListening(ctx context.Context, p *process, port int) error {
	ctx, cancel := context.WithTimeout(ctx, attempt)
	defer cancel()
	tick := time.NewTicker(poll / 10)
	defer tick.Stop()
	for {
		if listening(ctx, port) {
			return nil
		}
		select {
		case <-tick.C:
		case <-p.ended():
			return errEnded
		case <-ctx.Done():
			return fmt.Errorf("nothing listens on port %d: %w", port, ctx.Err())
		}
	}
}

func listening(ctx context.Context, port int) bool {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return false
	}
	_ = conn.Close() // it has told what it was opened for
	return true
}
