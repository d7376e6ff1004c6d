package engine

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/asynkron/protoactor-go/cluster"
	"google.golang.org/protobuf/types/known/emptypb"
)

// door is the name under which a silo takes the calls to all its grains.
const door = "grains"

// Headers of a call.
const (
	kindHeader    = "grain-kind"
	idHeader      = "grain-id"
	versionHeader = "membership" // the newest version that the call has seen on its way
	hopsHeader    = "hops"       // how often it was passed on
)

const leaseEnded = "the lease of its silo has ended"

// maxHops is how often a call is passed on. Two silos with the same list agree, so
// that there is more than one hop only while a list is not complete yet.
const maxHops = 3

// placement says where grains live, and has the activations of those that live here.
// All calls to them come through its door, which is how it sees to it that a grain is
// active once: who calls one that is about to end waits for it to have ended.
//
// It takes the place of the engine's own (disthash), of which each caller keeps an
// address for every grain that it has ever called, and a call that comes when its
// grain is about to end is lost. Its methods are safe for concurrent use.
type placement struct {
	config  Config
	cluster *cluster.Cluster
	net     *network
	born    time.Time // deadlines are counted from here, by the monotonic clock
	seen    atomic.Pointer[Membership]
	props   map[string]*actor.Props // by kind

	mu       sync.Mutex
	active   map[Name]*activation
	counts   map[string]int // of them, by kind
	spawning *activation    // the one that is being made
	closed   bool
	empty    chan struct{} // closed when there is no activation left after the end
}

// activation is one life of a grain.
type activation struct {
	name Name
	pid  *actor.PID

	// The lock of the placement is held for the rest.
	queued  int                      // calls in its mailbox
	turns   int                      // that it is in: one, or none
	ending  bool                     // it is given no more calls
	over    bool                     // it must not serve those that it has been given
	failed  error                    // why it could not be activated
	waiting []*actor.MessageEnvelope // for the next activation
	idle    time.Duration            // after which it ends; 0 is never
	timer   *time.Timer
	used    time.Time     // when it was called last
	ended   chan struct{} // for those who wait for its end
}

// Setup has nothing to do: see [Start].
func (*placement) Setup(*cluster.Cluster, []string, bool) {}

// count is how many activations of a kind there are.
func (p *placement) count(kind string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.counts[kind]
}

func (p *placement) membership() Membership { return *p.seen.Load() }

// update takes a new list, and ends the activations whose home is elsewhere now.
func (p *placement) update(list Membership) {
	p.seen.Store(&list)
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, a := range p.active {
		if home, found := list.home(a.name); !found || home.ID != p.cluster.ActorSystem.ID {
			p.retire(a)
		}
	}
}

// SendUserMessage takes a message at the door.
func (p *placement) SendUserMessage(_ *actor.PID, message any) {
	envelope := actor.WrapEnvelope(message)
	if _, probe := envelope.Message.(*emptypb.Empty); probe {
		p.cluster.ActorSystem.Root.Send(envelope.Sender, &emptypb.Empty{})
		return
	}
	if left, err := time.ParseDuration(envelope.GetHeader(timeLeft)); err == nil {
		until := time.Since(p.born) + left
		envelope.SetHeader(deadline, strconv.FormatInt(int64(until), 10))
	}
	p.deliver(envelope)
}

// SendSystemMessage is of no use here.
func (*placement) SendSystemMessage(*actor.PID, any) {}

// Stop is of no use here.
func (*placement) Stop(*actor.PID) {}

// deliver gives a call to its grain, or passes it on to where the grain lives.
func (p *placement) deliver(call *actor.MessageEnvelope) {
	name := Name{call.GetHeader(kindHeader), call.GetHeader(idHeader)}
	list := p.membership()
	home, found := list.home(name)
	version, _ := strconv.ParseInt(call.GetHeader(versionHeader), 10, 64)
	// Whoever has called by a newer list than ours knows better that it is us.
	if home.ID != p.cluster.ActorSystem.ID && version <= list.Version {
		p.pass(call, home, found, list.Version)
		return
	}
	if !p.config.Serves() {
		p.answer(call, unavailable, leaseEnded)
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	a, err := p.activationOf(name)
	switch {
	case err != nil:
		p.answer(call, unavailable, err.Error())
	case p.config.Mailbox > 0 && a.queued+len(a.waiting) >= p.config.Mailbox:
		p.answer(call, busy, "too many calls wait for "+name.String())
	case a.ending:
		a.waiting = append(a.waiting, call)
	default:
		p.give(a, call)
	}
}

// give puts a call into a mailbox. It is called with the lock held.
func (p *placement) give(a *activation, call *actor.MessageEnvelope) {
	a.queued++
	a.used = time.Now()
	p.cluster.ActorSystem.Root.Send(a.pid, call)
}

// pass gives a call to another silo: its caller has a list that is out of date.
func (p *placement) pass(call *actor.MessageEnvelope, home Silo, found bool, version int64) {
	hops, _ := strconv.Atoi(call.GetHeader(hopsHeader))
	if !found || hops >= maxHops {
		p.answer(call, unavailable, "the silos do not agree on where it lives")
		return
	}
	call.SetHeader(hopsHeader, strconv.Itoa(hops+1))
	call.SetHeader(versionHeader, strconv.FormatInt(version, 10))
	p.cluster.ActorSystem.Root.Send(actor.NewPID(home.Address, door), call)
}

// answer tells the caller that the call was not carried out.
func (p *placement) answer(call *actor.MessageEnvelope, reason, text string) {
	if call.Sender != nil {
		p.cluster.ActorSystem.Root.Send(call.Sender, cluster.NewGrainErrorResponse(reason, text))
	}
}

// activationOf finds an activation, or makes one. It is called with the lock held.
func (p *placement) activationOf(name Name) (*activation, error) {
	if a, found := p.active[name]; found {
		return a, nil
	}
	props, known := p.props[name.Kind]
	switch {
	case !known:
		return nil, fmt.Errorf("no grain of kind %q lives here", name.Kind)
	case p.closed:
		return nil, fmt.Errorf("the silo ends: %s is not activated", name)
	}
	a := &activation{name: name, used: time.Now()}
	p.spawning = a
	a.pid = p.cluster.ActorSystem.Root.SpawnPrefix(props, name.String())
	p.spawning = nil
	p.active[name] = a
	p.counts[name.Kind]++
	return a, nil
}

// retire lets an activation serve the calls that it has been given, and ends it. It is
// called with the lock held.
func (p *placement) retire(a *activation) {
	if !a.ending {
		a.ending = true
		p.cluster.ActorSystem.Root.Poison(a.pid)
	}
}

// end ends an activation that must serve no more calls. Those that it has been given
// are for the next one.
func (p *placement) end(a *activation, failed error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	a.over, a.failed = true, failed
	p.retire(a)
}

// deactivate ends an activation, and returns when it has ended.
func (p *placement) deactivate(ctx context.Context, grain Name) error {
	p.mu.Lock()
	a, found := p.active[grain]
	if !found {
		p.mu.Unlock()
		return nil
	}
	if a.ended == nil {
		a.ended = make(chan struct{})
	}
	ended := a.ended
	p.retire(a)
	p.mu.Unlock()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("deactivate %s: %w", grain, context.Cause(ctx))
	}
}

// gone is called when an activation has ended. Whoever waits gets the next one.
func (p *placement) gone(a *activation) {
	p.mu.Lock()
	if a.timer != nil {
		a.timer.Stop()
	}
	delete(p.active, a.name)
	p.counts[a.name.Kind]--
	if p.closed && len(p.active) == 0 {
		close(p.empty)
	}
	if a.ended != nil {
		close(a.ended)
	}
	waiting := a.waiting
	p.mu.Unlock()
	for _, call := range waiting {
		p.deliver(call)
	}
}

// idleAfter ends an activation when it was not called for so long.
func (p *placement) idleAfter(a *activation, idle time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if a.timer != nil {
		a.timer.Stop()
	}
	if a.idle = idle; idle > 0 {
		a.timer = time.AfterFunc(idle, func() { p.endIfIdle(a) })
	}
}

// endIfIdle looks whether an activation was called since its timer was set. One timer
// is set once for each time of silence, whatever the number of calls.
func (p *placement) endIfIdle(a *activation) {
	p.mu.Lock()
	defer p.mu.Unlock()
	left := a.idle - time.Since(a.used)
	if a.queued+a.turns > 0 {
		left = a.idle
	}
	if left > 0 {
		a.timer.Reset(left)
		return
	}
	p.retire(a)
}

// Get returns the address of a grain's activation, and activates it if need be. Topics
// send to it; a call goes by the grain's name.
func (p *placement) Get(id *cluster.ClusterIdentity) *actor.PID {
	answer, err := caller{p}.Request(id.Identity, id.Kind,
		&cluster.ActivationRequest{ClusterIdentity: id})
	if response, ok := answer.(*cluster.ActivationResponse); ok && err == nil {
		return response.GetPid()
	}
	return nil
}

// RemovePid has nothing to do: nobody keeps addresses.
func (*placement) RemovePid(*cluster.ClusterIdentity, *actor.PID) {}

// Shutdown ends all activations, and returns when they have ended.
func (p *placement) Shutdown() {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return
	}
	p.closed = true
	if len(p.active) == 0 {
		close(p.empty)
	}
	for _, a := range slices.Collect(maps.Values(p.active)) {
		p.retire(a)
	}
	p.mu.Unlock()
	select {
	case <-p.empty:
	case <-time.After(stopTimeout):
		p.config.Log.Warn("grains were still active at the end")
	}
}
