package servicestest

import (
	"net"
	"net/url"
	"sync"
	"testing"
)

// Wire is a network between programs and a server that can fall silent and be cut. Its
// methods are safe for concurrent use.
type Wire struct {
	// URL is the server's, by way of this network.
	URL string

	listener net.Listener
	server   string
	running  sync.WaitGroup

	mu      sync.Mutex
	changed sync.Cond
	silent  bool
	ended   bool
	conns   map[net.Conn]bool
}

// NewWire puts a network between a test and the server at the address, until the test ends.
func NewWire(t testing.TB, address string) *Wire {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal("the server's address is no URL")
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &Wire{listener: listener, server: u.Host, conns: map[net.Conn]bool{}}
	w.changed.L = &w.mu
	w.running.Go(w.accept)
	t.Cleanup(w.end)
	u.Host = listener.Addr().String()
	w.URL = u.String()
	return w
}

// Silenced is a [Wire] for a test that needs no more than the address, and the moment from which
// nothing comes back any more.
func Silenced(t testing.TB, address string) (through string, silence func()) {
	t.Helper()
	w := NewWire(t, address)
	return w.URL, w.Silence
}

// Silence keeps back what the server says, on connections that are there and on new ones, and
// ends none of them: what a server looks like that is busy with its own recovery.
func (w *Wire) Silence() { w.change(func() { w.silent = true }) }

// Speak delivers what was kept back, and all that follows.
func (w *Wire) Speak() { w.change(func() { w.silent = false }) }

// Cut ends all connections. New ones are carried.
func (w *Wire) Cut() {
	w.change(func() {
		for c := range w.conns {
			_ = c.Close()
		}
		clear(w.conns)
	})
}

func (w *Wire) end() {
	_ = w.listener.Close()
	w.change(func() { w.ended = true })
	w.Cut()
	w.running.Wait()
}

func (w *Wire) change(what func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	what()
	w.changed.Broadcast()
}

func (w *Wire) accept() {
	for {
		client, err := w.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", w.server)
		if err != nil {
			_ = client.Close()
			continue
		}
		w.change(func() {
			w.conns[client], w.conns[server] = true, true
			if w.ended {
				_, _ = client.Close(), server.Close()
			}
		})
		w.running.Go(func() { w.carry(server, client, func() {}) })
		w.running.Go(func() { w.carry(client, server, func() { w.wait(client) }) })
	}
}

// carry copies until one end has closed, and then closes both.
func (w *Wire) carry(to, from net.Conn, wait func()) {
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		wait()
		if n > 0 && err == nil {
			_, err = to.Write(buffer[:n])
		}
		if err != nil {
			break
		}
	}
	_ = to.Close()
	_ = from.Close()
	w.change(func() { delete(w.conns, to); delete(w.conns, from) })
}

// wait returns when the server may speak, or nobody listens any more.
func (w *Wire) wait(client net.Conn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.silent && !w.ended && w.conns[client] {
		w.changed.Wait()
	}
}
