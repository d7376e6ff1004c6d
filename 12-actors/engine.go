package actors

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/asynkron/protoactor-go/cluster"
	"github.com/asynkron/protoactor-go/cluster/identitylookup/disthash"
	"github.com/asynkron/protoactor-go/remote"
)

const (
	// leaveTimeout bounds each of the two things that a silo waits for when it leaves.
	leaveTimeout = 3 * time.Second
	// lastTimeout bounds what it waits for when it has to.
	lastTimeout = time.Second
)

// Node is this process's part in the cluster: a member, which hosts grains, or a
// client, which calls them. It hides the engine, protoactor-go: nothing outside
// this file starts or stops it.
type Node struct {
	cluster *cluster.Cluster
	table   *Table
	counter *counter
	budget  *Budget // of calls that are made again
	name    string
	client  bool

	seen   atomic.Pointer[[]Member] // the members, as last heard
	me     Member
	joined func()             // called when it is in the table
	stop   context.CancelFunc // of the visits to the table
	visits sync.WaitGroup
	ended  chan error // gets one when the visits end
}

// startNode joins the cluster. Without kinds of grains it is a client. The ctx
// bounds the start alone: [Node.Run] is what ends it.
func startNode(
	ctx context.Context, table *Table, counter *counter, settings Settings,
	kinds ...*cluster.Kind,
) (*Node, error) {
	system := actor.NewActorSystem(actor.WithLoggerFactory(
		func(*actor.ActorSystem) *slog.Logger { return slog.New(quietly{slog.Default().Handler()}) }))
	n := &Node{
		table: table, counter: counter, budget: NewBudget(), name: settings.Name,
		client: len(kinds) == 0, ended: make(chan error, 1),
	}
	n.seen.Store(&[]Member{})
	// Placement is rendezvous hashing (disthash): every node computes from the
	// list of members which silo a grain lives on, and asks nobody.
	n.cluster = cluster.New(system, cluster.Configure("course",
		&provider{node: n, ctx: ctx}, disthash.New(), remote.Configure(settings.Host, 0),
		cluster.WithKinds(kinds...),
		// The lease is what decides who is alive. The engine's own gossip bans for
		// ever whom it misses, so it must be the slower of the two.
		cluster.WithHeartbeatExpiration(time.Hour)))
	return n, n.start()
}

// start joins. The engine sleeps for a second after that, and nobody waits for it.
func (n *Node) start() error {
	started := make(chan error, 2)
	n.joined = func() { started <- nil }
	go func() {
		defer func() {
			if reason := recover(); reason != nil { // as the engine reports a port in use
				started <- fmt.Errorf("start the engine: %v", reason)
			}
		}()
		if n.client {
			n.cluster.StartClient()
			started <- nil
		} else {
			n.cluster.StartMember()
		}
	}()
	return <-started
}

// Members are the silos that this node knows.
func (n *Node) Members() []Member { return *n.seen.Load() }

// Run takes part until ctx ends, and leaves then: the grains are deactivated one
// by one, after the calls that they have in hand, while the others take them over.
// It returns [ErrLeaseLost] when the others did not wait for that.
func (n *Node) Run(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return n.leave(context.WithoutCancel(ctx))
	case err := <-n.ended:
		slog.Error("the others have taken this silo for dead, and it ends", "banned", 1)
		// The calls in hand are finished: whatever they still write, the store
		// refuses if it is out of date.
		n.settle(lastTimeout, func() bool { return n.counter.busy() == 0 })
		n.close()
		return err
	}
}

func (n *Node) leave(ctx context.Context) error {
	n.stop()
	n.visits.Wait()
	if n.client {
		n.close()
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, leaveTimeout)
	defer cancel()
	events := []Event{{Time: time.Now().UTC(), Event: "silo left", Silo: n.name}}
	members, _, err := n.table.visit(ctx, leave, n.me, events)
	banned := 0
	if errors.Is(err, ErrLeaseLost) {
		banned, err = 1, nil
	}
	slog.Info("leaving the cluster", "banned", banned)
	if err == nil {
		n.tell(members, false) // without this one: the engine now moves its grains away
		n.settle(leaveTimeout, func() bool {
			return n.counter.active() == 0 && n.counter.busy() == 0
		})
	}
	// Somebody who had not heard of it may have activated another grain here.
	swept := make(chan struct{})
	go func() {
		defer close(swept)
		n.cluster.IdentityLookup.Shutdown()
	}()
	select {
	case <-swept:
	case <-time.After(leaveTimeout):
		slog.Warn("grains were still active at the end", "grains", n.counter.active())
	}
	n.close()
	return err
}

// close ends the engine, without its own way of leaving, which takes two seconds
// of sleep, and panics in a client.
func (n *Node) close() {
	n.stop()
	n.cluster.Remote.Shutdown(false)
	n.cluster.ActorSystem.Shutdown()
}

// settle waits until something is so, at most for limit.
func (n *Node) settle(limit time.Duration, so func() bool) {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	end := time.NewTimer(limit)
	defer end.Stop()
	for !so() {
		select {
		case <-tick.C:
		case <-end.C:
			return
		}
	}
}

// tell gives the engine the list of members. Those who are no longer on it, it
// bans: a member that was taken for dead must come back as another.
func (n *Node) tell(members []Member, forming bool) {
	if forming {
		members = n.withKnown(members)
	}
	before := map[string]bool{}
	for _, m := range n.Members() {
		before[m.ID] = true
	}
	var list cluster.Members
	for _, m := range members {
		host, port, err := splitAddress(m.Address)
		if err != nil {
			slog.Error("a member has no address", "silo", m.Name, "error", err)
			continue
		}
		list = append(list, &cluster.Member{
			Id: m.ID, Host: host, Port: port, Kinds: m.Kinds,
		})
		if !before[m.ID] && m.ID != n.me.ID {
			slog.Info("silo joined", "silo", m.Name, "silos", len(members))
		}
		delete(before, m.ID)
	}
	for _, m := range n.Members() {
		if before[m.ID] && m.ID != n.me.ID {
			slog.Info("silo gone", "silo", m.Name, "silos", len(members))
		}
	}
	n.seen.Store(&members)
	n.cluster.MemberList.UpdateClusterTopology(list)
}

func splitAddress(address string) (host string, port int32, err error) {
	host, text, err := net.SplitHostPort(address)
	if err != nil {
		return "", 0, fmt.Errorf("read an address: %w", err)
	}
	number, err := strconv.ParseInt(text, 10, 32)
	if err != nil {
		return "", 0, fmt.Errorf("read an address: %w", err)
	}
	return host, int32(number), nil
}

// withKnown adds the members that this node knows to those of a table that is not
// complete.
func (n *Node) withKnown(members []Member) []Member {
	all := slices.Clone(members)
	for _, known := range n.Members() {
		if !slices.ContainsFunc(all, func(m Member) bool { return m.ID == known.ID }) {
			all = append(all, known)
		}
	}
	return all
}

// provider tells the engine who is in the cluster.
type provider struct {
	node *Node
	ctx  context.Context
}

// StartMember enters the table and goes on renewing the lease.
func (p *provider) StartMember(c *cluster.Cluster) error {
	n := p.node
	n.me = Member{
		ID: c.ActorSystem.ID, Name: n.name, Address: c.ActorSystem.Address(),
		PID: os.Getpid(), Started: time.Now().UTC(), Kinds: c.GetClusterKinds(),
	}
	joined := []Event{{Time: time.Now().UTC(), Event: "silo joined", Silo: n.name}}
	if err := p.start(join, joined, renew); err != nil {
		return err
	}
	n.joined()
	return nil
}

// StartClient reads the table, and goes on reading it.
func (p *provider) StartClient(*cluster.Cluster) error { return p.start(look, nil, look) }

// Shutdown has nothing to do: [Node.leave] does it.
func (*provider) Shutdown(bool) error { return nil }

func (p *provider) start(first string, events []Event, then string) error {
	n := p.node
	members, forming, err := n.table.visit(p.ctx, first, n.me, events)
	if err != nil {
		return err
	}
	n.tell(members, forming)
	ctx, cancel := context.WithCancel(context.WithoutCancel(p.ctx))
	n.stop = cancel
	n.visits.Go(func() {
		if err := n.table.keep(ctx, then, n.report, n.tell); err != nil {
			n.ended <- err
		}
	})
	return nil
}

// report is what this node tells of itself at each visit.
func (n *Node) report() (Member, []Event) {
	now := time.Now().UTC()
	me := n.me
	me.Told = now
	var events []Event
	me.Census, events = n.counter.take(now)
	return me, events
}
