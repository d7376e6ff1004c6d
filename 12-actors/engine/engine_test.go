package engine

import (
	"context"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/asynkron/protoactor-go/cluster"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// aLongTime is more than any call here needs, also on a busy machine.
const aLongTime = 30 * time.Second

// probe is a kind of grain for tests, which answers a text with what says makes of it.
type probe struct {
	kind string
	idle time.Duration
	init func(grain cluster.GrainContext)
	says func(grain cluster.GrainContext, text string) string
	// awaits leaves the answer to a later turn.
	awaits func(grain cluster.GrainContext)

	active sync.Map // by name: that there is an activation of it
	twice  atomic.Int64
	lives  atomic.Int64
}

func (p *probe) build() *cluster.Kind {
	return cluster.NewKind(p.kind, actor.PropsFromProducer(func() actor.Actor {
		return &probeGrain{probe: p}
	}))
}

type probeGrain struct {
	probe *probe
	grain cluster.GrainContext
}

func (g *probeGrain) Receive(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case *cluster.ClusterInit:
		g.grain = cluster.NewGrainContext(ctx, m.Identity, m.Cluster)
		ctx.SetReceiveTimeout(g.probe.idle)
		if _, there := g.probe.active.LoadOrStore(m.Identity.Identity, true); there {
			g.probe.twice.Add(1)
		}
		g.probe.lives.Add(1)
		if g.probe.init != nil {
			g.probe.init(g.grain)
		}
	case *actor.Stopped:
		g.probe.active.Delete(g.grain.Identity())
	case *wrapperspb.StringValue:
		if g.probe.awaits != nil {
			g.probe.awaits(g.grain)
			return
		}
		answer := m.GetValue()
		if g.probe.says != nil {
			answer = g.probe.says(g.grain, answer)
		}
		ctx.Respond(wrapperspb.String(answer))
	}
}

// ask calls a grain.
func ask(
	c *cluster.Cluster, kind, id, text string, options ...cluster.GrainCallOption,
) (string, error) {
	options = append([]cluster.GrainCallOption{Within(aLongTime)}, options...)
	answer, err := c.Request(id, kind, wrapperspb.String(text), options...)
	if err != nil {
		return "", err
	}
	switch m := answer.(type) {
	case *wrapperspb.StringValue:
		return m.GetValue(), nil
	case *cluster.GrainErrorResponse:
		return "", m
	default:
		return "", fmt.Errorf("the answer is a %T", answer)
	}
}

func mustAsk(t *testing.T, c *cluster.Cluster, kind, id, text string) string {
	t.Helper()
	answer, err := ask(c, kind, id, text)
	if err != nil {
		t.Fatalf("%s/%s %s: %v", kind, id, text, err)
	}
	return answer
}

func start(t *testing.T, config Config) *cluster.Cluster {
	t.Helper()
	config.Log = slog.New(slog.DiscardHandler)
	c, err := Start(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { Stop(c) })
	Tell(c, Membership{Version: 1, Silos: []Silo{Me(c)}})
	return c
}

// Activations end all the time while many call, and there is never a second one of the
// same grain, and never a call that nobody has answered.
func TestOneActivation(t *testing.T) {
	t.Parallel()
	p := &probe{kind: "One"}
	c := start(t, Config{Kinds: []*cluster.Kind{p.build()}})
	var all sync.WaitGroup
	for n := range 8 {
		all.Go(func() {
			for i := range 200 {
				id := fmt.Sprint(i % 3)
				if n == 0 {
					if err := Deactivate(t.Context(), c, "One", id); err != nil {
						t.Error(err)
					}
				}
				if _, err := ask(c, "One", id, "hello"); err != nil {
					t.Errorf("a call was lost: %v", err)
				}
			}
		})
	}
	all.Wait()
	if p.twice.Load() > 0 || p.lives.Load() < 10 {
		t.Errorf("%d lives, %d beside another of the same grain", p.lives.Load(), p.twice.Load())
	}
}

// A grain that ends its own activation is not there for the next call: another one is.
func TestGrainEndsItself(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"poison", "stop"} {
		p := &probe{kind: "Mortal", says: func(g cluster.GrainContext, text string) string {
			if text == "end" && how == "poison" {
				g.Poison(g.Self())
			}
			if text == "end" && how == "stop" {
				g.Stop(g.Self())
			}
			return text
		}}
		c := start(t, Config{Kinds: []*cluster.Kind{p.build()}})
		mustAsk(t, c, "Mortal", "1", "end")
		mustAsk(t, c, "Mortal", "1", "hello")
		if p.lives.Load() != 2 || p.twice.Load() != 0 {
			t.Errorf("%s: %d lives, %d at once", how, p.lives.Load(), p.twice.Load())
		}
	}
}

// A grain panics: its caller hears of it at once, the calls that wait are served by the
// next activation, which has a memory of its own.
func TestPanic(t *testing.T) {
	t.Parallel()
	inside, goOn := make(chan struct{}), make(chan struct{})
	var fault sync.Once
	p := &probe{kind: "Nervous", says: func(_ cluster.GrainContext, text string) string {
		fault.Do(func() { close(inside); <-goOn; panic("no nerves") })
		return text
	}}
	c := start(t, Config{Kinds: []*cluster.Kind{p.build()}})
	first := make(chan error, 1)
	go func() { _, err := ask(c, "Nervous", "1", "first"); first <- err }()
	<-inside
	var all sync.WaitGroup
	for i := range 10 {
		all.Go(func() {
			if _, err := ask(c, "Nervous", "1", fmt.Sprint(i)); err != nil {
				t.Errorf("a call that waited: %v", err)
			}
		})
	}
	waitFor(t, func() bool { return queued(c, "Nervous", "1") == 10 })
	close(goOn)
	if err := <-first; Reason(err) != "the grain panicked: no nerves" {
		t.Errorf("the caller was told %v", err)
	}
	all.Wait()
	if p.lives.Load() != 2 || p.twice.Load() != 0 {
		t.Errorf("%d lives, %d at once", p.lives.Load(), p.twice.Load())
	}
}

// An activation that fails says why, and the next call tries again.
func TestActivationFails(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"panic", "error"} {
		var fault sync.Once
		p := &probe{kind: "Unready", init: func(g cluster.GrainContext) {
			fault.Do(func() {
				if how == "panic" {
					panic("no database yet")
				}
				Fail(g, errors.New("no database yet"))
			})
		}}
		c := start(t, Config{Kinds: []*cluster.Kind{p.build()}})
		if _, err := ask(c, "Unready", "1", "hello"); !strings.HasSuffix(
			Reason(err), "cannot be activated: no database yet") {
			t.Errorf("%s: the caller was told %v", how, err)
		}
		mustAsk(t, c, "Unready", "1", "hello")
	}
}

// In a later turn, after a wait, a panic is an answer as well.
func TestPanicAfterAWait(t *testing.T) {
	t.Parallel()
	p := &probe{kind: "Late", awaits: func(g cluster.GrainContext) {
		future := actor.NewFuture(g.ActorSystem(), aLongTime)
		g.ReenterAfter(future, func(any, error) { panic("no nerves") })
		g.ActorSystem().Root.Send(future.PID(), wrapperspb.String("now"))
	}}
	c := start(t, Config{Kinds: []*cluster.Kind{p.build()}})
	if _, err := ask(c, "Late", "1", "hello"); Reason(err) != "the grain panicked: no nerves" {
		t.Errorf("the caller was told %v", err)
	}
}

// A grain that nobody calls ends, one that is called now and then does not.
func TestIdle(t *testing.T) {
	t.Parallel()
	p := &probe{kind: "Sleepy", idle: 200 * time.Millisecond}
	c := start(t, Config{Kinds: []*cluster.Kind{p.build()}})
	mustAsk(t, c, "Sleepy", "1", "hello")
	waitFor(t, func() bool { return Active(c, "Sleepy") == 0 })
	mustAsk(t, c, "Sleepy", "1", "hello")
	if p.lives.Load() != 2 {
		t.Errorf("%d lives", p.lives.Load())
	}
}

func queued(c *cluster.Cluster, kind, id string) int {
	p := c.IdentityLookup.(*placement)
	p.mu.Lock()
	defer p.mu.Unlock()
	a := p.active[Name{kind, id}]
	if a == nil {
		return 0
	}
	return a.queued
}

func waitFor(t *testing.T, so func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	late := time.After(aLongTime)
	for !so() {
		select {
		case <-tick.C:
		case <-late:
			t.Fatal("it did not happen")
		}
	}
}

// A call that waits in the mailbox for longer than its caller is dropped, and a full
// mailbox says so at once.
func TestMailbox(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name         string
		serveExpired bool
		served       int64
	}{{"right", false, 2}, {"no-deadline", true, 4}} {
		inside, goOn := make(chan struct{}), make(chan struct{})
		var once sync.Once
		var served atomic.Int64
		p := &probe{kind: "Hot", says: func(_ cluster.GrainContext, text string) string {
			once.Do(func() { close(inside); <-goOn })
			served.Add(1)
			return text
		}}
		silo := start(t, Config{
			Kinds: []*cluster.Kind{p.build()}, Mailbox: 2, ServeExpired: c.serveExpired,
		})
		first := make(chan error, 1)
		go func() { _, err := ask(silo, "Hot", "1", "first"); first <- err }()
		<-inside
		ctx, cancel := context.WithTimeoutCause(t.Context(), 100*time.Millisecond, ErrNoAnswer)
		var all sync.WaitGroup
		for range 2 {
			all.Go(func() {
				if _, err := ask(silo, "Hot", "1", "dead", Until(ctx)); !errors.Is(err, ErrNoAnswer) {
					t.Errorf("%s: who has given up got %v", c.name, err)
				}
			})
		}
		waitFor(t, func() bool { return queued(silo, "Hot", "1") == 2 })
		if _, err := ask(silo, "Hot", "1", "one too many"); !Busy(err) {
			t.Errorf("%s: the mailbox is full, and said %v", c.name, err)
		}
		all.Wait()
		cancel()
		close(goOn)
		if err := <-first; err != nil {
			t.Error(err)
		}
		waitFor(t, func() bool { return queued(silo, "Hot", "1") == 0 })
		mustAsk(t, silo, "Hot", "1", "last")
		if served.Load() != c.served {
			t.Errorf("%s: %d calls were served, want %d", c.name, served.Load(), c.served)
		}
	}
}

// Until knows that its time is up before it calls.
func TestTooLateToCall(t *testing.T) {
	t.Parallel()
	var served atomic.Int64
	p := &probe{kind: "Early", says: func(_ cluster.GrainContext, text string) string {
		served.Add(1)
		return text
	}}
	c := start(t, Config{Kinds: []*cluster.Kind{p.build()}})
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("the customer has left"))
	if _, err := ask(c, "Early", "1", "hello", Until(ctx)); err == nil ||
		err.Error() != "the customer has left" {
		t.Errorf("got %v", err)
	}
	mustAsk(t, c, "Early", "1", "hello") // would come after it
	if served.Load() != 1 {
		t.Error("the call was made")
	}
}

func TestNoSilo(t *testing.T) {
	t.Parallel()
	c := start(t, Config{})
	if _, err := ask(c, "Nobody", "1", "hello"); !errors.Is(err, ErrNoSilo) {
		t.Errorf("got %v", err)
	}
}

// Silos come and go under load. Each grain is active once, however many silos there
// are and whoever calls it; no call is lost, and none is kept by its caller.
func TestSilosComeAndGo(t *testing.T) {
	t.Parallel()
	p := &probe{kind: "Nomad"}
	members := NewMembers()
	silo := func() *cluster.Cluster { return start(t, Config{Kinds: []*cluster.Kind{p.build()}}) }
	a, b, d := silo(), silo(), silo()
	members.Join(a)
	members.Join(b)
	const grains = 40
	ctx, stop := context.WithCancel(t.Context())
	var all sync.WaitGroup
	var calls atomic.Int64
	for range 4 {
		all.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				if _, err := ask(a, "Nomad", fmt.Sprint(i%grains), "hello"); err != nil {
					t.Errorf("a call was lost: %v", err)
				}
				calls.Add(1)
			}
		})
	}
	after := func(n int64) {
		t.Helper()
		n += calls.Load()
		waitFor(t, func() bool { return calls.Load() > n })
	}
	after(200)
	members.Join(d)
	after(200)
	if Active(d, "Nomad") == 0 {
		t.Error("no grain has moved to the new silo")
	}
	members.Leave(b)
	waitFor(t, func() bool { return Active(b, "Nomad") == 0 })
	after(200)
	stop()
	all.Wait()
	waitFor(t, func() bool {
		return Active(a, "Nomad")+Active(d, "Nomad") == grains
	})
	if _, kept := a.PidCache.Get("1", "Nomad"); kept {
		t.Error("the caller keeps an address for each grain")
	}
}

// A caller whose list is out of date reaches the grain all the same, and makes no
// second activation of it.
func TestOldList(t *testing.T) {
	t.Parallel()
	p := &probe{kind: "Moved"}
	silo := func() *cluster.Cluster { return start(t, Config{Kinds: []*cluster.Kind{p.build()}}) }
	a, b, client := silo(), silo(), start(t, Config{})
	Tell(client, Membership{Version: 1, Silos: []Silo{Me(a)}}) // and hears of no other
	for _, c := range []*cluster.Cluster{a, b} {
		Tell(c, Membership{Version: 2, Silos: []Silo{Me(a), Me(b)}})
	}
	for i := range 40 {
		mustAsk(t, client, "Moved", fmt.Sprint(i), "hello")
	}
	here, there := Active(a, "Moved"), Active(b, "Moved")
	if there == 0 || here+there != 40 {
		t.Errorf("%d and %d of 40", here, there)
	}
	// The other way round: the silo has not heard yet what the caller knows.
	Tell(b, Membership{Version: 1, Silos: []Silo{Me(a)}})
	waitFor(t, func() bool { return Active(b, "Moved") == 0 })
	Tell(client, Membership{Version: 3, Silos: []Silo{Me(b)}})
	mustAsk(t, client, "Moved", "new", "hello")
	if Active(b, "Moved") != 1 {
		t.Error("the silo did not believe a caller who knows more")
	}
}

// Silos that do not agree on where a grain lives say so, rather than to pass a call on
// forever.
func TestSilosDisagree(t *testing.T) {
	t.Parallel()
	p := &probe{kind: "Lost"}
	a, b := start(t, Config{Kinds: []*cluster.Kind{p.build()}}),
		start(t, Config{Kinds: []*cluster.Kind{p.build()}})
	Tell(a, Membership{Version: 1, Silos: []Silo{Me(b)}})
	Tell(b, Membership{Version: 1, Silos: []Silo{Me(a)}})
	if _, err := ask(a, "Lost", "1", "hello"); err == nil || !strings.Contains(Reason(err), "do not agree") {
		t.Errorf("got %v", err)
	}
}

// Placement is balanced: of 8,000 grains on 8 silos none has 1.15 times its share.
func TestPlacementIsBalanced(t *testing.T) {
	t.Parallel()
	var list Membership
	for i := range 8 {
		list.Silos = append(list.Silos, Silo{ID: fmt.Sprint("silo-", i), Kinds: []string{"Order"}})
	}
	share := map[string]int{}
	for i := range 8000 {
		home, _ := list.home(Name{"Order", fmt.Sprint(i)})
		share[home.ID]++
	}
	for silo, n := range share {
		if n > 1150 {
			t.Errorf("%s has %d grains", silo, n)
		}
	}
	// When a silo goes, only its grains move.
	gone := list.Silos[3].ID
	less := Membership{Silos: append(append([]Silo{}, list.Silos[:3]...), list.Silos[4:]...)}
	for i := range 8000 {
		name := Name{"Order", fmt.Sprint(i)}
		before, _ := list.home(name)
		after, _ := less.home(name)
		if before.ID != gone && after.ID != before.ID {
			t.Fatalf("%s moved from %s to %s", name, before.ID, after.ID)
		}
	}
}

func TestReason(t *testing.T) {
	t.Parallel()
	for want, err := range map[string]error{
		"no":                  fmt.Errorf("error request: %w", Refuse(errors.New("no"))),
		"no answer in time":   fmt.Errorf("error request: %w", ErrNoAnswer),
		"something is broken": errors.New("something is broken"),
	} {
		if got := Reason(err); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// Whoever calls a silo that is not there any more is told at once.
func TestNobodyThere(t *testing.T) {
	t.Parallel()
	p := &probe{kind: "Dead"}
	dead, err := Start(Config{Kinds: []*cluster.Kind{p.build()}, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	client := start(t, Config{})
	Tell(client, Membership{Version: 1, Silos: []Silo{Me(dead)}})
	Kill(dead)
	for range 3 {
		if _, err := ask(client, "Dead", "1", "hello"); cluster.Reason(err) != unavailable {
			t.Errorf("got %v", err)
		}
	}
}

// A way that is stuck takes so many messages, and no more.
func TestFullQueue(t *testing.T) {
	t.Parallel()
	client := start(t, Config{})
	net := of(client).net
	stuck := &peer{network: net, address: "nowhere:1", queue: make(chan frame, 2), ctx: t.Context()}
	full := make(reply, 1)
	me, _ := client.ActorSystem.ProcessRegistry.Add(full, "full")
	for range 3 {
		stuck.SendUserMessage(actor.NewPID("nowhere:1", door),
			&actor.MessageEnvelope{Message: wrapperspb.String("hello"), Sender: me})
	}
	if said, ok := (<-full).(*cluster.GrainErrorResponse); !ok || !Busy(said) {
		t.Errorf("got %v", said)
	}
}

// Rubbish on the wire ends the connection that it came over, and nothing else.
func TestRubbish(t *testing.T) {
	t.Parallel()
	p := &probe{kind: "Tough"}
	c := start(t, Config{Kinds: []*cluster.Kind{p.build()}})
	for _, rubbish := range []frame{{Type: "no.such.Type"}, {Type: "actor.PID", Data: []byte("x")}} {
		conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", c.ActorSystem.Address())
		if err != nil {
			t.Fatal(err)
		}
		if err := gob.NewEncoder(conn).Encode(rubbish); err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			t.Errorf("%s: the connection goes on: %v", rubbish.Type, err)
		}
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	}
	mustAsk(t, c, "Tough", "1", "hello")
}

// Nothing goes on after a silo has ended.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A call that has waited while the lease of its silo ended is not served either.
func TestTurnAfterTheLease(t *testing.T) {
	t.Parallel()
	inside, goOn := make(chan struct{}), make(chan struct{})
	var ended atomic.Bool
	var once sync.Once
	p := &probe{kind: "Lessee", says: func(_ cluster.GrainContext, text string) string {
		once.Do(func() { close(inside); <-goOn })
		return text
	}}
	c := start(t, Config{
		Kinds: []*cluster.Kind{p.build()}, Serves: func() bool { return !ended.Load() },
	})
	answers := make(chan error, 2)
	go func() { _, err := ask(c, "Lessee", "1", "first"); answers <- err }()
	<-inside
	second := make(chan error, 1)
	go func() { _, err := ask(c, "Lessee", "1", "second"); second <- err }()
	waitFor(t, func() bool { return queued(c, "Lessee", "1") == 1 })
	ended.Store(true)
	close(goOn)
	if err := <-answers; err != nil {
		t.Errorf("the call in progress: %v", err)
	}
	if err := <-second; Reason(err) != leaseEnded {
		t.Errorf("the call that waited: %v", err)
	}
}
