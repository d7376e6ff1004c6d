package rabbitmq

import (
	"errors"
	"net"
	"sync"
	"time"
)

const (
	// writeTimeout bounds one write to the network. It is shorter than the 5 s
	// that amqp091-go waits for a reader of returned messages who is busy
	// writing: see openWindow for why none of those may be dropped.
	writeTimeout = 3 * time.Second
	// maxGathered bounds what waits for the network, in bytes.
	maxGathered = 256 << 10
)

// socket sends what is written to it in as few system calls as it can.
// amqp091-go makes one for every publish and every acknowledgement, and each
// wakes the broker up. Here a goroutine does the sending, and what is written
// while it is busy goes out together with its next write: at rest nothing waits,
// under load a write carries dozens of orders.
//
// It also gives up on a write that the other side does not take. Otherwise a
// frozen broker would hold the publishing goroutine forever, and with it the
// lock that amqp091-go needs to close the connection.
type socket struct {
	net.Conn
	finished chan struct{} // when nothing more is sent

	mu       sync.Mutex
	changed  *sync.Cond
	gathered []byte
	err      error // why nothing more can be written
}

func newSocket(conn net.Conn) *socket {
	s := &socket{Conn: conn, finished: make(chan struct{})}
	s.changed = sync.NewCond(&s.mu)
	go s.send()
	return s
}

// Write returns when p is on its way or cannot be. Only the broker's answer says
// that something has arrived, as with any socket.
func (s *socket) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.err == nil && len(s.gathered) >= maxGathered {
		s.changed.Wait()
	}
	if s.err != nil {
		return 0, s.err
	}
	s.gathered = append(s.gathered, p...)
	s.changed.Broadcast()
	return len(p), nil
}

// send is the goroutine that sends, until the socket is closed or broken.
func (s *socket) send() {
	defer close(s.finished)
	var buffer []byte
	for {
		buffer = s.take(buffer)
		if len(buffer) == 0 {
			return
		}
		err := s.SetWriteDeadline(time.Now().Add(writeTimeout))
		if err == nil {
			_, err = s.Conn.Write(buffer)
		}
		if err != nil {
			s.end(err)
			// The reader of this connection learns of it by this.
			_ = s.Conn.Close()
			return
		}
	}
}

// take waits for something to send, and leaves the empty buffer in its place. It
// returns nothing once the socket is closed and all is sent.
func (s *socket) take(empty []byte) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.err == nil && len(s.gathered) == 0 {
		s.changed.Wait()
	}
	full := s.gathered
	s.gathered = empty[:0]
	s.changed.Broadcast()
	return full
}

func (s *socket) end(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = errors.Join(s.err, err)
	s.changed.Broadcast()
}

// Close sends what has gathered, if that can be done in time, and closes.
func (s *socket) Close() error {
	s.end(net.ErrClosed)
	<-s.finished
	return s.Conn.Close()
}
