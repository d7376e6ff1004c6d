package services

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"sync"
)

// ErrNotOwned says that a server was not started by this lab, which therefore leaves it alone.
var ErrNotOwned = errors.New("the lab did not start this server and does not stop it")

// Server is one running server. Its methods are safe for concurrent use.
type Server struct {
	// Kind is what it is.
	Kind Kind
	// Name tells it from the others of a run: "rabbitmq", "redis-2".
	Name string
	// Version is what the server itself answers: "3.10.8".
	Version string
	// Provider says in words where it comes from: "AMQP_URL", "native, private".
	Provider string
	// URL is what clients connect to, credentials included: print [Server.Shown] instead.
	URL string
	// Page is its page for people and Login what to type there, both empty where it has none.
	Page, Login string

	// shared says that others may be using it too.
	shared     bool
	management string
	handshake  func(ctx context.Context, a address) (string, error)
	figures    bool     // it can be asked for [Server.Figures]
	inst       Instance // nil when the lab does not own it
	mu         sync.Mutex
	closed     bool
	member     bool  // it has been part of its cluster
	side       *side // among the relays of its cluster; nil where there are none
}

// Instance is a server the lab owns, however it runs.
type Instance interface {
	// Start begins to start it, the first time or again on the same port with the same durable
	// data. The server need not be ready yet when it returns.
	Start(ctx context.Context) error
	// Stop ends it as its administrator would, Kill as a power cut would.
	Stop(ctx context.Context) error
	Kill(ctx context.Context) error
	// Close ends it for good and removes its data.
	Close(ctx context.Context) error
	// Tail returns the last lines of its log.
	Tail(ctx context.Context) []string
}

// Owned reports whether the lab started this server and so may stop and break it.
func (s *Server) Owned() bool { return s.inst != nil }

// Shared reports whether others may be using this server too, without having been asked for by
// name: it was found answering, or runs by Docker Compose. See [Server.Isolate].
func (s *Server) Shared() bool { return s.shared }

// Host is host and port of the address that clients connect to, or "".
func (s *Server) Host() string {
	u, err := url.Parse(s.URL)
	if err != nil {
		return ""
	}
	return u.Host
}

// Shown is the URL for people: the password is left out when it is not the well-known one.
func (s *Server) Shown() string { return s.ShownAs(s.URL) }

// ShownAs is [Server.Shown] for another URL that leads to this server.
func (s *Server) ShownAs(address string) string {
	u, err := url.Parse(address)
	if err != nil || strings.Contains(address, ",") {
		return "(" + traits[s.Kind].env + ")"
	}
	own, err := url.Parse(traits[s.Kind].usual().URL)
	if err != nil {
		return "(" + traits[s.Kind].env + ")"
	}
	usual, _ := own.User.Password()
	if password, set := u.User.Password(); set && password != usual {
		return u.Redacted()
	}
	return address
}

// Ready makes a whole handshake in the server's own protocol, with credentials, and returns
// nil when the server would serve a client now.
func (s *Server) Ready(ctx context.Context) error {
	_, err := s.handshake(ctx, s.address())
	if err != nil {
		return fmt.Errorf("%s at %s: %w", s.Name, s.Shown(), err)
	}
	return nil
}

// Stop ends the server cleanly and returns when it has ended. A server that is not owned gives
// [ErrNotOwned].
func (s *Server) Stop(ctx context.Context) error {
	return s.act("stop", func() error { return s.inst.Stop(ctx) })
}

// Kill ends the server as a power cut does, with SIGKILL, and returns when it has ended. What
// it had not written down is gone.
func (s *Server) Kill(ctx context.Context) error {
	return s.act("kill", func() error { return s.inst.Kill(ctx) })
}

// Start starts a stopped or killed server again, on the same port and with its durable data,
// and returns when it is ready. A node of a cluster gets some time to find the others, and to catch
// up with them: where too many of them are down it cannot, which is no fault of its own.
func (s *Server) Start(ctx context.Context) error {
	return s.act("start", func() error { return s.bringBack(ctx) })
}

// Restart stops the server cleanly and starts it again.
func (s *Server) Restart(ctx context.Context) error {
	return s.act("restart", func() error {
		return errors.Join(s.inst.Stop(ctx), s.bringBack(ctx))
	})
}

// Close ends the server for good and removes its data; one that is not owned is left as it is.
// Safe to call twice.
func (s *Server) Close(ctx context.Context) error {
	if s.inst == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	if err := s.inst.Close(ctx); err != nil {
		return fmt.Errorf("close %s: %w", s.Name, err)
	}
	s.closed = true
	return nil
}

// Control runs the administrator's tool of the server, such as rabbitmqctl, and returns what it
// prints. Only a server that the lab owns has one, and not every kind.
func (s *Server) Control(ctx context.Context, args ...string) (string, error) {
	tool := traits[s.Kind].tool
	inst, able := s.inst.(commander)
	if tool == "" || !able {
		return "", fmt.Errorf("%s %s: %w", tool, s.Name, ErrNotOwned)
	}
	out, err := inst.Command(ctx, tool, args...)
	if err != nil {
		return out, fmt.Errorf("%s %s at %s: %w", tool, strings.Join(args, " "), s.Name, err)
	}
	return out, nil
}

// commander is an instance in which a program can be run, where it finds what belongs to it.
type commander interface {
	Command(ctx context.Context, program string, args ...string) (string, error)
}

func (s *Server) act(what string, do func() error) error {
	if s.inst == nil {
		return fmt.Errorf("%s %s: %w", what, s.Name, ErrNotOwned)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return fmt.Errorf("%s %s: it is closed", what, s.Name)
	}
	if err := do(); err != nil {
		return fmt.Errorf("%s %s: %w", what, s.Name, err)
	}
	return nil
}

func (s *Server) address() address {
	return address{URL: s.URL, Page: s.Page, Login: s.Login, Management: s.management}
}

// Env returns the environment variables that lead a program to this server.
func (s *Server) Env() map[string]string { return Servers{s}.Env() }

// named says whether the server was named in the environment.
func (s *Server) named() bool { return s.Provider == traits[s.Kind].env }

// Servers are the servers of one or several needs.
type Servers []*Server

// Env returns the environment for all of them; several of a kind share one variable, separated
// by commas.
func (all Servers) Env() map[string]string {
	env := map[string]string{}
	for _, s := range all {
		t := traits[s.Kind]
		if env[t.env] != "" {
			env[t.env] += ","
		}
		env[t.env] += s.URL
		if t.also != nil {
			maps.Copy(env, t.also(s, all))
		}
	}
	return env
}

// Names are what tells them from each other: of a kind that is there once, the kind, and otherwise
// the kind and a number.
func (all Servers) Names() []string {
	total, seen := map[Kind]int{}, map[Kind]int{}
	for _, s := range all {
		total[s.Kind]++
	}
	names := make([]string, len(all))
	for i, s := range all {
		seen[s.Kind]++
		names[i] = string(s.Kind)
		if total[s.Kind] > 1 {
			names[i] = fmt.Sprintf("%s-%d", s.Kind, seen[s.Kind])
		}
	}
	return names
}

// named says whether a server of the kind was named in the environment.
func (all Servers) named(kind Kind) bool {
	return slices.ContainsFunc(all, func(s *Server) bool { return s.Kind == kind && s.named() })
}

// Isolate is [Server.Isolate] for all of them at once. The cleanup is never nil.
func (all Servers) Isolate(
	ctx context.Context, name string,
) (env map[string]string, cleanup func(context.Context) error, err error) {
	own := make(Servers, len(all))
	var undo []func(context.Context) error
	cleanup = func(ctx context.Context) error {
		var errs []error
		for _, f := range undo {
			errs = append(errs, f(ctx))
		}
		return errors.Join(errs...)
	}
	for i, s := range all {
		part, undoOne, err := s.Isolate(ctx, name)
		if err != nil {
			return nil, cleanup, errors.Join(err, cleanup(ctx))
		}
		undo = append(undo, undoOne)
		own[i] = &Server{
			Kind: s.Kind, URL: part[traits[s.Kind].env], management: s.management,
			Provider: s.Provider, figures: s.figures,
		}
	}
	env = all.Env()
	maps.Copy(env, own.Env())
	return env, cleanup, nil
}
