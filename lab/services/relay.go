package services

import (
	"errors"
	"fmt"
	"net"
	"sync"
)

// relay carries the connections that one node of a cluster makes to another. While it is cut it takes every
// byte and passes none on, as a broken cable does: only timeouts can notice. When it is mended, the
// connections of that time are closed, because what was lost on them cannot be sent again.
type relay struct {
	listener net.Listener
	to       string
	ended    sync.WaitGroup

	mu     sync.Mutex
	cuts   int               // how many of its ends are cut off
	conns  map[net.Conn]bool // that it carries, both sides of them
	closed bool
}

func startRelay(to string) (*relay, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for a node's connections to %s: %w", to, err)
	}
	r := &relay{listener: listener, to: to, conns: map[net.Conn]bool{}}
	r.ended.Go(r.serve)
	return r, nil
}

func (r *relay) serve() {
	for {
		conn, err := r.listener.Accept()
		if err != nil {
			return // it is closed
		}
		r.ended.Go(func() { r.carry(conn) })
	}
}

// carry ends the connection when the node that it leads to is down.
func (r *relay) carry(from net.Conn) {
	defer r.drop(from)
	if !r.keep(from) {
		return
	}
	to, err := net.DialTimeout("tcp", r.to, attempt)
	if err != nil {
		return
	}
	defer r.drop(to)
	if !r.keep(to) {
		return
	}
	var back sync.WaitGroup
	back.Go(func() { r.pass(from, to) })
	r.pass(to, from)
	back.Wait()
}

// pass copies from one connection to the other until either ends, and ends both.
func (r *relay) pass(to, from net.Conn) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 && !r.isCut() {
			_, lost := to.Write(buffer[:n])
			err = errors.Join(err, lost)
		}
		if err != nil {
			_, _ = from.Close(), to.Close()
			return
		}
	}
}

func (r *relay) keep(conn net.Conn) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.closed {
		r.conns[conn] = true
	}
	return !r.closed
}

func (r *relay) drop(conn net.Conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.conns, conn)
	_ = conn.Close()
}

func (r *relay) isCut() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.cuts > 0
}

func (r *relay) cut() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cuts++
}

func (r *relay) mend() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.cuts--; r.cuts == 0 {
		r.hangUp()
	}
}

// hangUp is called with the lock held.
func (r *relay) hangUp() {
	for conn := range r.conns {
		_ = conn.Close()
	}
}

func (r *relay) close() {
	r.mu.Lock()
	r.closed = true
	_ = r.listener.Close()
	r.hangUp()
	r.mu.Unlock()
	r.ended.Wait()
}

// relays stand between the nodes of a cluster, one for each way from a node to another.
type relays struct {
	ways [][]*relay // by the node that dials, and the one that is dialled; nil to itself

	mu  sync.Mutex
	off []bool // nodes that are cut off
}

// startRelays makes them for nodes that listen for each other on their port of that index.
func startRelays(ports [][]int, index int) (*relays, error) {
	r := &relays{off: make([]bool, len(ports))}
	for from := range ports {
		row := make([]*relay, len(ports))
		r.ways = append(r.ways, row)
		for to := range ports {
			if to == from {
				continue
			}
			way, err := startRelay(fmt.Sprintf("127.0.0.1:%d", ports[to][index]))
			if err != nil {
				r.close()
				return nil, err
			}
			row[to] = way
		}
	}
	return r, nil
}

// startRelays makes relays that are closed with the site.
func (at *site) startRelays(ports [][]int, index int) (*relays, error) {
	r, err := startRelays(ports, index)
	if err == nil {
		at.mu.Lock()
		at.relays = append(at.relays, r)
		at.mu.Unlock()
	}
	return r, err
}

// from are the addresses at which a node reaches the others.
func (r *relays) from(node int) (all []string) {
	for _, way := range r.ways[node] {
		if way != nil {
			all = append(all, way.listener.Addr().String())
		}
	}
	return all
}

// each does something to all ways to and from a node.
func (r *relays) each(node int, do func(*relay)) {
	for from, row := range r.ways {
		for to, way := range row {
			if way != nil && (from == node || to == node) {
				do(way)
			}
		}
	}
}

// cut cuts a node off from the others, or mends that; twice is once.
func (r *relays) cut(node int, off bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.off[node] == off {
		return
	}
	r.off[node] = off
	if off {
		r.each(node, (*relay).cut)
	} else {
		r.each(node, (*relay).mend)
	}
}

func (r *relays) isCut(node int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.off[node]
}

func (r *relays) close() {
	for _, row := range r.ways {
		for _, way := range row {
			if way != nil {
				way.close()
			}
		}
	}
}

// side is one node's place among the relays.
type side struct {
	between *relays
	node    int
}

// ErrNoRelays says that nothing stands between a server and the others of its kind.
var ErrNoRelays = errors.New("its connections to the others of its kind lead past the lab: " +
	"ask for relayed servers, such as nats x3 relayed")

// CutOff cuts the server off from the other nodes of its cluster: what they send each other is lost, and
// nobody is told. Clients still reach it.
func (s *Server) CutOff() error {
	if s.side == nil {
		return fmt.Errorf("cut %s off: %w", s.Name, ErrNoRelays)
	}
	s.side.between.cut(s.side.node, true)
	return nil
}

// Rejoin mends what [Server.CutOff] has done. Where it has done nothing, neither does Rejoin.
func (s *Server) Rejoin() {
	if s.side != nil {
		s.side.between.cut(s.side.node, false)
	}
}

// IsCutOff says whether the server is cut off from the other nodes of its cluster.
func (s *Server) IsCutOff() bool { return s.side != nil && s.side.between.isCut(s.side.node) }
