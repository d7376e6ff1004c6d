package engine

import (
	"bufio"
	"context"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/asynkron/protoactor-go/cluster"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

const (
	// queueSize is how many messages may wait for the way to one other process.
	queueSize = 1024
	// sendTimeout bounds how long one of them is tried to be sent.
	sendTimeout = time.Second
)

// frame is a message on the wire.
type frame struct {
	Target, SenderHost, SenderID string
	Header                       map[string]string
	Type                         string
	Data                         []byte
}

// network carries messages to the other processes of a cluster, and from them: one
// connection for each direction. What it cannot send its sender is told at once. It
// takes the place of the engine's own, which sleeps for two seconds when nobody
// answers, and queues without a bound. Its methods are safe for concurrent use.
type network struct {
	system   *actor.ActorSystem
	log      *slog.Logger
	listener net.Listener
	ctx      context.Context
	end      context.CancelFunc
	all      sync.WaitGroup

	mu    sync.Mutex
	peers map[string]*peer // by address
}

// listen lets a system of actors be reached, and reach others.
func listen(system *actor.ActorSystem, host string, log *slog.Logger) (*network, error) {
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp",
		net.JoinHostPort(host, "0"))
	if err != nil {
		return nil, fmt.Errorf("listen for other silos: %w", err)
	}
	n := &network{system: system, log: log, listener: listener, peers: map[string]*peer{}}
	n.ctx, n.end = context.WithCancel(context.Background())
	system.ProcessRegistry.Address = listener.Addr().String()
	system.ProcessRegistry.RegisterAddressResolver(func(to *actor.PID) (actor.Process, bool) {
		return n.peer(to.GetAddress()), true
	})
	n.all.Go(n.accept)
	return n, nil
}

// close ends all connections. What waits to be sent is sent before.
func (n *network) close() error {
	n.mu.Lock()
	n.end() // from here on there are no new peers
	n.mu.Unlock()
	err := n.listener.Close()
	n.all.Wait()
	return err
}

func (n *network) accept() {
	for {
		conn, err := n.listener.Accept()
		if err != nil {
			return // it was closed
		}
		n.all.Go(func() { n.receive(conn) })
	}
}

// receive delivers what comes over a connection.
func (n *network) receive(conn net.Conn) {
	defer context.AfterFunc(n.ctx, func() { _ = conn.Close() })()
	defer func() { _ = conn.Close() }()
	for in := gob.NewDecoder(bufio.NewReader(conn)); ; {
		var f frame
		err := in.Decode(&f)
		if err == nil {
			err = n.deliver(f)
		}
		if err != nil {
			if !errors.Is(err, io.EOF) && n.ctx.Err() == nil {
				n.log.Warn("a connection has ended", "from", conn.RemoteAddr().String(), "error", err)
			}
			return
		}
	}
}

func (n *network) deliver(f frame) error {
	kind, err := protoregistry.GlobalTypes.FindMessageByName(protoreflect.FullName(f.Type))
	if err != nil {
		return fmt.Errorf("a message of type %q: %w", f.Type, err)
	}
	message := kind.New().Interface()
	if err := proto.Unmarshal(f.Data, message); err != nil {
		return fmt.Errorf("read a message of type %q: %w", f.Type, err)
	}
	envelope := &actor.MessageEnvelope{Header: f.Header, Message: message, Sender: f.sender()}
	n.system.Root.Send(n.system.NewLocalPID(f.Target), envelope)
	return nil
}

func (f frame) sender() *actor.PID {
	if f.SenderID == "" {
		return nil
	}
	return actor.NewPID(f.SenderHost, f.SenderID)
}

// peer finds the way to another process, or opens one.
func (n *network) peer(address string) *peer {
	n.mu.Lock()
	defer n.mu.Unlock()
	p, known := n.peers[address]
	if !known {
		p = &peer{network: n, address: address, queue: make(chan frame, queueSize)}
		p.ctx, p.end = context.WithCancel(n.ctx)
		n.peers[address] = p
		if n.ctx.Err() == nil {
			n.all.Go(p.run)
		}
	}
	return p
}

// forget ends the way to a process that is gone.
func (n *network) forget(address string) {
	n.mu.Lock()
	p, known := n.peers[address]
	n.mu.Unlock()
	if known {
		n.drop(p)
	}
}

// cut is [network.forget] for good.
func (n *network) cut(address string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if p, known := n.peers[address]; known {
		p.end()
	}
	broken := &peer{network: n, address: address, broken: true}
	broken.ctx, broken.end = context.WithCancel(n.ctx)
	broken.end()
	n.peers[address] = broken
}

func (n *network) drop(p *peer) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.peers[p.address] == p && !p.broken {
		delete(n.peers, p.address)
	}
	p.end()
}

// unsent tells the sender of a message that it was not sent.
func (n *network) unsent(f frame, reason string, err error) {
	if sender := f.sender(); sender != nil && sender.GetAddress() == n.system.Address() {
		n.system.Root.Send(sender, cluster.NewGrainErrorResponse(reason, err.Error()))
	}
}

// peer is the way to another process.
type peer struct {
	network *network
	address string
	queue   chan frame
	ctx     context.Context
	end     context.CancelFunc
	broken  bool // by a test
}

var (
	errFullQueue = errors.New("too many messages wait to be sent")
	errGone      = errors.New("it is not in the cluster any more")
)

// SendUserMessage queues a message.
func (p *peer) SendUserMessage(to *actor.PID, message any) {
	header, content, sender := actor.UnwrapEnvelope(message)
	encodable, ok := content.(proto.Message)
	if !ok {
		p.network.log.Error("a message is no protobuf", "to", to.String(), "type", fmt.Sprintf("%T", content))
		return
	}
	data, err := proto.Marshal(encodable)
	if err != nil {
		p.network.log.Error("a message cannot be encoded", "to", to.String(), "error", err)
		return
	}
	f := frame{
		Target: to.GetId(), SenderHost: sender.GetAddress(), SenderID: sender.GetId(),
		Type: string(encodable.ProtoReflect().Descriptor().FullName()), Data: data,
	}
	if header != nil {
		f.Header = header.ToMap()
	}
	if p.ctx.Err() != nil {
		p.network.unsent(f, unavailable, p.failure(errGone))
		return
	}
	select {
	case p.queue <- f:
	default:
		p.network.unsent(f, busy, p.failure(errFullQueue))
	}
}

func (p *peer) failure(err error) error { return fmt.Errorf("send to %s: %w", p.address, err) }

// SendSystemMessage is not needed over the wire: nobody watches a grain.
func (*peer) SendSystemMessage(*actor.PID, any) {}

// Stop is not needed over the wire.
func (*peer) Stop(*actor.PID) {}

// run sends what waits. When that fails, the next message makes a new way.
func (p *peer) run() {
	err := p.send()
	p.network.drop(p)
	for {
		select {
		case f := <-p.queue:
			p.network.unsent(f, unavailable, p.failure(err))
		default:
			return
		}
	}
}

func (p *peer) send() error {
	dialer := net.Dialer{Timeout: sendTimeout}
	conn, err := dialer.DialContext(p.ctx, "tcp", p.address)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	buffer := bufio.NewWriter(conn)
	for out := gob.NewEncoder(buffer); ; {
		var f frame
		select {
		case f = <-p.queue:
		default:
			select {
			case f = <-p.queue:
			case <-p.ctx.Done(): // and nothing waits
				return errGone
			}
		}
		if err := p.write(conn, buffer, out, f); err != nil {
			return err
		}
	}
}

// write sends a message, together with others that wait.
func (p *peer) write(conn net.Conn, buffer *bufio.Writer, out *gob.Encoder, f frame) error {
	err := conn.SetWriteDeadline(time.Now().Add(sendTimeout))
	if err == nil {
		err = out.Encode(f)
	}
	if err == nil && len(p.queue) == 0 {
		err = buffer.Flush()
	}
	if err != nil {
		p.network.unsent(f, unavailable, p.failure(err))
	}
	return err
}
