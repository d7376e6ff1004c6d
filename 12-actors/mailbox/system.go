package main

import (
	"fmt"
	"log/slog"
	"slices"
	"sync"
)

// Address is all that one actor knows of another. It is plain data: it can be
// sent in a message, which is how actors come to know each other.
type Address struct {
	Name string
	Host string // where its system listens; empty in a system that does not
}

func (a Address) String() string { return a.Name }

// System is where actors live: it knows which mailbox an address means. Safe for
// concurrent use.
type System struct {
	mu     sync.Mutex
	host   string
	actors map[string]*Actor
	lives  map[string][]Transition
	roots  []Address
	closed func()
}

// NewSystem returns a system that no other can reach; see [System.Listen].
func NewSystem() *System {
	return &System{actors: map[string]*Actor{}, lives: map[string][]Transition{},
		closed: func() {}}
}

// Spawn creates an actor without a parent: if it fails, it stays failed.
func (s *System) Spawn(name string, create func() Behaviour) Address {
	root := s.spawn(Address{}, name, create)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.roots = append(s.roots, root)
	return root
}

func (s *System) spawn(parent Address, name string, create func() Behaviour) Address {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := &Actor{Self: Address{name, s.host}, parent: parent, system: s, create: create,
		mailbox: newMailbox(), gone: make(chan struct{})}
	if s.actors[name] != nil {
		panic(fmt.Sprintf("the name %q is taken: a name means one actor", name))
	}
	s.actors[name] = a
	go a.live()
	return a.Self
}

// Tell puts a message into the mailbox behind an address, here or elsewhere. The
// sender cannot tell the difference, and need not: location transparency.
func (s *System) Tell(to Address, msg any) {
	if to.Host != s.host {
		s.link(to.Host).put(envelope{to.Name, msg})
		return
	}
	if a := s.find(to.Name); a != nil {
		a.mailbox.put(msg)
		return
	}
	// A dead letter. The sender is not told: it may have ended itself.
	slog.Debug("nobody has this address", "address", to.Name, "message", msg)
}

func (s *System) order(to Address, order any) {
	if a := s.find(to.Name); a != nil {
		a.mailbox.order(order)
	}
}

func (s *System) wait(of Address) {
	if a := s.find(of.Name); a != nil {
		<-a.gone
	}
}

func (s *System) find(name string) *Actor {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.actors[name]
}

func (s *System) bury(a *Actor) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lives[a.Self.Name] = a.life
	delete(s.actors, a.Self.Name)
	close(a.gone)
}

// Close stops every actor and returns when all have ended.
func (s *System) Close() {
	s.mu.Lock()
	closed, roots := s.closed, slices.Clone(s.roots)
	s.mu.Unlock()
	closed() // first of all the door: nothing new comes in
	for _, root := range roots {
		s.order(root, stop{})
	}
	for _, root := range roots {
		s.wait(root)
	}
}

// Life returns what an actor that has ended went through.
func (s *System) Life(name string) []Transition {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lives[name]
}
