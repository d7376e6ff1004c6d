package main

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
)

// Direction is the way that bytes go, seen from the client.
type Direction string

// Out is to the broker, In is from it.
const (
	Out Direction = "out"
	In  Direction = "in"
)

// Wire is what lies between one client and the broker. It counts the bytes, and can lose them as a cable
// does that was cut: nobody is told, until [Wire.Mend] ends the connections. Its methods are safe for
// concurrent use.
type Wire struct {
	mu    sync.Mutex
	bytes map[Direction]int  // that have passed
	lost  map[Direction]int  // since the last cut
	cut   map[Direction]bool // what goes this way is lost
	conns []*counted
	ends  int           // how often all connections were ended
	moved chan struct{} // closed when something was lost
}

// NewWire returns one that is whole.
func NewWire() *Wire {
	return &Wire{
		bytes: map[Direction]int{}, lost: map[Direction]int{}, cut: map[Direction]bool{},
		moved: make(chan struct{}),
	}
}

// Dial connects over the wire.
func (w *Wire) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	c := &counted{Conn: conn, wire: w}
	w.conns = append(w.conns, c)
	return c, nil
}

// Cut loses what goes these ways from now on.
func (w *Wire) Cut(ways ...Direction) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, way := range ways {
		w.cut[way], w.lost[way] = true, 0
	}
}

// AwaitLost waits until so many bytes were lost since the cut.
func (w *Wire) AwaitLost(ctx context.Context, way Direction, bytes int) error {
	for {
		w.mu.Lock()
		enough, moved := w.lost[way] >= bytes, w.moved
		w.mu.Unlock()
		if enough {
			return nil
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Mend ends all connections, and lets new ones pass.
func (w *Wire) Mend() {
	w.mu.Lock()
	defer w.mu.Unlock()
	clear(w.cut)
	for _, conn := range w.conns {
		conn.broken.Store(true)
		_ = conn.Close() // nobody wants to know how that went
	}
	w.conns = nil
	w.ends++
}

// Broken returns how often it was mended.
func (w *Wire) Broken() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.ends
}

// Bytes returns how many have passed.
func (w *Wire) Bytes() (out, in int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.bytes[Out], w.bytes[In]
}

// pass counts, and reports whether the bytes arrive.
func (w *Wire) pass(way Direction, bytes int) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.cut[way] {
		w.bytes[way] += bytes
		return true
	}
	w.lost[way] += bytes
	close(w.moved)
	w.moved = make(chan struct{})
	return false
}

// counted is a connection over a wire.
type counted struct {
	net.Conn
	wire   *Wire
	broken atomic.Bool // by the wire, and not closed by the client
}

func (c *counted) Write(p []byte) (int, error) {
	if !c.wire.pass(Out, len(p)) {
		return len(p), nil // the sender's system has taken it, and knows no more than the sender
	}
	n, err := c.Conn.Write(p)
	return n, c.explain(err)
}

func (c *counted) Read(p []byte) (int, error) {
	for {
		n, err := c.Conn.Read(p)
		if n == 0 || c.wire.pass(In, n) {
			return n, c.explain(err)
		}
		if err != nil {
			return 0, c.explain(err)
		}
	}
}

// explain makes of a wire's end what a client gets to hear of it.
func (c *counted) explain(err error) error {
	if err != nil && c.broken.Load() {
		return syscall.ECONNRESET
	}
	return err
}
