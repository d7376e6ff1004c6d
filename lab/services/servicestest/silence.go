package servicestest

import (
	"io"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
)

// Silenced puts a network between a test and the server at the address, and
// returns the address to use instead. After silence has been called nothing comes
// back from the server any more, and no connection ends by itself: what a server
// looks like that is busy with its own recovery.
func Silenced(t testing.TB, address string) (through string, silence func()) {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal("the server's address is no URL")
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	n := &line{listener: listener, server: u.Host}
	n.running.Go(n.accept)
	t.Cleanup(n.end)
	u.Host = listener.Addr().String()
	return u.String(), func() { n.silent.Store(true) }
}

type line struct {
	listener net.Listener
	server   string
	silent   atomic.Bool
	running  sync.WaitGroup

	mu    sync.Mutex
	ended bool
	conns []net.Conn
}

func (n *line) accept() {
	for {
		client, err := n.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", n.server)
		if err != nil {
			_ = client.Close()
			continue
		}
		n.running.Go(func() { n.carry(server, client) })
		n.running.Go(func() { n.carry(muted{client, &n.silent}, server) })
	}
}

// carry copies until one end has closed, and then closes the other.
func (n *line) carry(to, from net.Conn) {
	n.mu.Lock()
	n.conns = append(n.conns, to)
	if n.ended {
		_ = to.Close()
	}
	n.mu.Unlock()
	_, _ = io.Copy(to, from)
	_ = to.Close()
}

func (n *line) end() {
	_ = n.listener.Close()
	n.mu.Lock()
	n.ended = true
	for _, c := range n.conns {
		_ = c.Close()
	}
	n.mu.Unlock()
	n.running.Wait()
}

// muted takes what is written to it and passes it on until it is silenced.
type muted struct {
	net.Conn
	silent *atomic.Bool
}

func (m muted) Write(p []byte) (int, error) {
	if m.silent.Load() {
		return len(p), nil
	}
	return m.Conn.Write(p)
}
