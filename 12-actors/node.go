package actors

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"course.example/12-actors/dashboard"
	"course.example/12-actors/engine"
	"github.com/asynkron/protoactor-go/cluster"
)

const (
	// leaveTimeout bounds each of the two things that a silo waits for when it leaves.
	leaveTimeout = 3 * time.Second
	// lastTimeout bounds what it waits for when it has to.
	lastTimeout = time.Second
	// mailboxSize is how many calls may wait for one grain.
	mailboxSize = 250
)

// Node is this process's part in the cluster: a member, which hosts grains, or a
// client, which calls them.
type Node struct {
	cluster *cluster.Cluster
	table   *Table
	counter *dashboard.Counter
	retries engine.Retries // of calls that are made again
	name    string

	seen    atomic.Pointer[[]Member] // the members, as last heard
	born    time.Time
	asked   time.Time    // when the table was visited last
	lease   atomic.Int64 // until when the lease runs, since the birth of this node
	me      Member
	probing probing
	stop    context.CancelFunc // of the visits to the table
	visits  sync.WaitGroup
	ended   chan error   // gets one when the visits end
	release func() error // what only this node needs; nil: nothing
}

// startNode joins the cluster. Without kinds of grains it is a client. The ctx
// bounds the start alone: [Node.Run] is what ends it.
func startNode(
	ctx context.Context, table *Table, counter *dashboard.Counter, settings Settings,
	kinds ...*cluster.Kind,
) (*Node, error) {
	how := variants[settings.Variant]
	n := &Node{
		table: table, counter: counter, retries: how.retries(), name: settings.Name,
		born: time.Now(), ended: make(chan error, 1),
	}
	n.seen.Store(&[]Member{})
	var err error
	config := engine.Config{
		Host: settings.Host, Kinds: kinds, Observer: counter,
		Mailbox: how.mailbox, ServeExpired: how.serveExpired,
	}
	if !how.servesOn {
		config.Serves = n.serves
	}
	n.cluster, err = engine.Start(config)
	if err != nil {
		return nil, err
	}
	if len(kinds) == 0 {
		err = n.enter(ctx, look, nil, look)
	} else {
		me := engine.Me(n.cluster)
		n.me = Member{
			ID: me.ID, Name: n.name, Address: me.Address, Kinds: me.Kinds,
			PID: os.Getpid(), Started: time.Now().UTC(),
		}
		joined := []dashboard.Event{{Time: time.Now().UTC(), Event: "silo joined", Silo: n.name}}
		err = n.enter(ctx, join, joined, renew)
	}
	if err != nil {
		engine.Kill(n.cluster)
		return nil, err
	}
	return n, nil
}

// enter visits the table for the first time, and goes on visiting it.
func (n *Node) enter(ctx context.Context, first string, events []dashboard.Event, then string) error {
	n.asked = time.Now()
	list, err := n.table.visit(ctx, first, Report{Me: n.me, Events: events})
	if err != nil {
		return err
	}
	n.tell(list)
	ctx, n.stop = context.WithCancel(context.WithoutCancel(ctx))
	if len(n.me.Kinds) > 0 {
		n.visits.Go(func() { n.probing.run(ctx, n) })
	}
	n.visits.Go(func() {
		if err := n.table.keep(ctx, then, n.report, n.tell); err != nil {
			n.ended <- err
		}
	})
	return nil
}

// Members are the silos that this node knows.
func (n *Node) Members() []Member { return *n.seen.Load() }

// silos are the members as the dashboard shows them.
func (n *Node) silos() []dashboard.SiloView {
	silos := []dashboard.SiloView{}
	for _, m := range n.Members() {
		silos = append(silos, dashboard.SiloView{
			Name: m.Name, ID: m.ID, Address: m.Address, PID: m.PID, Started: m.Started,
			UptimeSeconds: time.Since(m.Started).Seconds(),
			SilentMillis:  (m.Silent + n.heard()).Milliseconds(),
			Goroutines:    m.Census.Goroutines, HeapBytes: m.Census.HeapBytes, Kinds: m.Census.Kinds,
		})
	}
	return silos
}

// heard is how long ago the table told of them.
func (n *Node) heard() time.Duration {
	return time.Since(n.born) + n.table.lease - time.Duration(n.lease.Load())
}

// Run takes part until ctx ends, and leaves then: the grains are deactivated one
// by one, after the calls in progress, while the others take them over.
// It returns [ErrLeaseLost] when the others did not wait for that.
func (n *Node) Run(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return n.leave(context.WithoutCancel(ctx))
	case err := <-n.ended:
		slog.Error("the others have taken this silo for dead, and it ends", "banned", 1)
		// The calls in progress are finished: whatever they still write, the store
		// refuses if it is out of date.
		n.settle(lastTimeout, func() bool { return n.counter.Busy() == 0 })
		n.close()
		return err
	}
}

func (n *Node) leave(ctx context.Context) error {
	n.stop()
	n.visits.Wait()
	defer n.close()
	if len(n.me.Kinds) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, leaveTimeout)
	defer cancel()
	events := []dashboard.Event{{Time: time.Now().UTC(), Event: "silo left", Silo: n.name}}
	list, err := n.table.visit(ctx, leave, Report{Me: n.me, Events: events})
	banned := 0
	if errors.Is(err, ErrLeaseLost) {
		banned, err = 1, nil
	}
	slog.Info("leaving the cluster", "banned", banned)
	if err == nil {
		n.tell(list) // without this one: its grains go, and calls are passed on
	} else {
		engine.Tell(n.cluster, engine.Membership{}) // its grains go
	}
	n.settle(leaveTimeout, func() bool {
		return n.counter.Active() == 0 && n.counter.Busy() == 0
	})
	if active := n.counter.Active(); active > 0 {
		slog.Warn("grains were still active at the end", "grains", active)
	}
	return err
}

// close ends the engine.
func (n *Node) close() {
	n.stop()
	engine.Kill(n.cluster)
	if n.release == nil {
		return
	}
	if err := n.release(); err != nil {
		slog.Warn("the node has not ended well", "reason", err)
	}
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

// tell gives the engine the list of members.
func (n *Node) tell(list List) {
	members := list.Members
	if list.Forming {
		members = n.withKnown(members)
	}
	before := map[string]bool{}
	for _, m := range n.Members() {
		before[m.ID] = true
	}
	silos := engine.Membership{Version: list.Version}
	for _, m := range members {
		silos.Silos = append(silos.Silos, engine.Silo{ID: m.ID, Address: m.Address, Kinds: m.Kinds})
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
	n.lease.Store(int64(n.asked.Sub(n.born) + n.table.lease))
	n.seen.Store(&members)
	engine.Tell(n.cluster, silos)
}

// withKnown adds the members that this node knows to those of a table that is not
// complete. Not itself: it is missing there only when it has left.
func (n *Node) withKnown(members []Member) []Member {
	all := slices.Clone(members)
	for _, known := range n.Members() {
		there := slices.ContainsFunc(all, func(m Member) bool { return m.ID == known.ID })
		if !there && known.ID != n.me.ID {
			all = append(all, known)
		}
	}
	return all
}

// report is what this node tells at each visit.
func (n *Node) report() Report {
	n.asked = time.Now()
	tells := Report{Me: n.me, Unreachable: n.probing.unreachable(n.Members())}
	tells.Me.Told = n.asked.UTC()
	tells.Me.Census, tells.Events = n.counter.Take(tells.Me.Told)
	return tells
}

// serves reports whether the lease of this silo runs, by its own clock, which nobody
// sets. It counts from before the visit at which the lease was renewed: the others do
// not take this silo for dead sooner.
func (n *Node) serves() bool { return time.Since(n.born) < time.Duration(n.lease.Load()) }
