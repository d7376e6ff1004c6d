package main

import (
	"context"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
)

// envelope is a message on its way to another system.
type envelope struct {
	To  string
	Msg any
}

// Listen lets other systems send to this one's actors. From now on the addresses
// of its actors say where it is.
func (s *System) Listen(ctx context.Context) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listen for other systems: %w", err)
	}
	var readers sync.WaitGroup
	var open sync.Map // the connections that are being read
	readers.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return // closed: nothing else ends an Accept here
			}
			open.Store(conn, true)
			readers.Go(func() { s.read(conn) })
		}
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	s.host = listener.Addr().String()
	s.closed = func() {
		err := listener.Close()
		open.Range(func(conn, _ any) bool {
			err = errors.Join(err, conn.(net.Conn).Close())
			return true
		})
		if err != nil {
			slog.Debug("a link did not close well", "reason", err)
		}
		readers.Wait()
	}
	return nil
}

func (s *System) read(conn net.Conn) {
	in := gob.NewDecoder(conn)
	for {
		var e envelope
		if err := in.Decode(&e); err != nil {
			if !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) {
				slog.Warn("a link has broken", "from", conn.RemoteAddr(), "reason", err)
			}
			return
		}
		s.Tell(Address{e.To, s.host}, e.Msg)
	}
}

// link is the mailbox of the actor that holds the connection to another system.
// It is an actor so that a slow network makes the link wait and not the sender.
func (s *System) link(host string) *mailbox {
	name := "link to " + host
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.actors[name]
	if a == nil {
		a = &Actor{Self: Address{name, s.host}, system: s, create: linkTo(host),
			mailbox: newMailbox(), gone: make(chan struct{})}
		s.actors[name] = a
		s.roots = append(s.roots, a.Self)
		go a.live()
	}
	return a.mailbox
}

// linkTo connects with the first letter, and says so when one is lost. It does
// not send it again: Tell promises no delivery, to no address.
func linkTo(host string) func() Behaviour {
	return func() Behaviour {
		var conn net.Conn
		var out *gob.Encoder
		send := func(letter any) (err error) {
			if conn == nil {
				if conn, err = net.Dial("tcp", host); err != nil {
					return err
				}
				out = gob.NewEncoder(conn)
			}
			return out.Encode(letter)
		}
		return func(_ *Actor, msg any) {
			var err error
			if _, last := msg.(Stopping); !last {
				err = send(msg)
			} else if conn != nil {
				err = conn.Close()
			}
			if err != nil {
				slog.Warn("a letter may be lost", "to", host, "reason", err)
			}
		}
	}
}
