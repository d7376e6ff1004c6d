package rabbitmq

import (
	"errors"
	"io"
	"net"
	"net/url"
	"sync"
	"testing"
)

// proxy is a network between a test and the broker that can be cut, frozen and
// forged.
type proxy struct {
	listener net.Listener
	broker   string

	mu      sync.Mutex
	away    bool
	pairs   map[*pair]bool
	thawed  sync.Cond
	silent  bool // nothing goes to the client
	deaf    bool // nothing goes to the broker
	running sync.WaitGroup
}

type pair struct{ client, broker net.Conn }

func (p *pair) close() error { return errors.Join(p.client.Close(), p.broker.Close()) }

// through returns the settings with a proxy between them and the broker.
func through(t *testing.T, s Settings) (Settings, *proxy) {
	t.Helper()
	address, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listener: listener, broker: address.Host, pairs: map[*pair]bool{}}
	p.thawed.L = &p.mu
	p.running.Go(p.accept)
	t.Cleanup(func() {
		p.thaw()
		p.setAway(true)
		if err := listener.Close(); err != nil {
			t.Error(err)
		}
		p.running.Wait()
	})
	address.Host = listener.Addr().String()
	s.URL = address.String()
	return s, p
}

func (p *proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		broker, err := net.Dial("tcp", p.broker)
		if err != nil {
			_ = client.Close()
			continue
		}
		c := &pair{client, broker}
		p.mu.Lock()
		p.pairs[c] = true
		away := p.away
		p.mu.Unlock()
		if away {
			_ = c.close()
			continue
		}
		p.running.Go(func() { p.pump(c, client, broker, &p.silent) })
		p.running.Go(func() { p.pump(c, broker, client, &p.deaf) })
	}
}

func (p *proxy) pump(c *pair, to, from net.Conn, frozen *bool) {
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		p.mu.Lock()
		for *frozen && p.pairs[c] {
			p.thawed.Wait()
		}
		p.mu.Unlock()
		if n > 0 {
			if _, err := to.Write(buffer[:n]); err != nil {
				break
			}
		}
		if err != nil {
			break
		}
	}
	_ = c.close()
}

// cut closes every connection, as a broken cable does, a little faster.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.pairs {
		_ = c.close()
		delete(p.pairs, c)
	}
	p.thawed.Broadcast()
}

// setAway cuts, and drops every new connection at once, until it is called with
// false.
func (p *proxy) setAway(away bool) {
	p.mu.Lock()
	p.away = away
	p.mu.Unlock()
	p.cut()
}

// freeze lets the connections open and stops what flows: to the client, to the
// broker, or both.
func (p *proxy) freeze(toClient, toBroker bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.silent, p.deaf = toClient, toBroker
	p.thawed.Broadcast()
}

func (p *proxy) thaw() { p.freeze(false, false) }

// forge sends the bytes to the clients as if from the broker. The line must be
// idle.
func (p *proxy) forge(t *testing.T, frame []byte) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.pairs {
		if _, err := c.client.Write(frame); err != nil && !errors.Is(err, io.EOF) {
			t.Error(err)
		}
	}
}

// beat sends a heartbeat to the clients that are still there.
func (p *proxy) beat() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.pairs {
		_, _ = c.client.Write([]byte{8, 0, 0, 0, 0, 0, 0, 0xCE})
	}
}
