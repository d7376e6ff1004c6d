package engine

import (
	"fmt"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/asynkron/protoactor-go/cluster"
	"github.com/asynkron/protoactor-go/ctxext"
)

var activationExtension = ctxext.NextContextExtensionID()

// ExtensionID lets a grain's context know its activation.
func (*activation) ExtensionID() ctxext.ContextExtensionID { return activationExtension }

func activationIn(ctx actor.ExtensionContext) *activation {
	return ctx.Get(activationExtension).(*activation)
}

// around puts what every call needs around the grains of a kind.
func (p *placement) around(kind string, props *actor.Props) *actor.Props {
	return props.Clone(
		actor.WithOnInit(func(ctx actor.Context) { // in activationOf
			ctx.Set(p.spawning)
			cluster.SetClusterIdentity(ctx,
				cluster.NewClusterIdentity(p.spawning.name.ID, kind))
		}),
		actor.WithContextDecorator(func(next actor.ContextDecoratorFunc) actor.ContextDecoratorFunc {
			return func(ctx actor.Context) actor.Context { return &turn{next(ctx), p} }
		}),
		actor.WithReceiverMiddleware(func(next actor.ReceiverFunc) actor.ReceiverFunc {
			return func(ctx actor.ReceiverContext, envelope *actor.MessageEnvelope) {
				p.receive(activationIn(ctx), ctx, envelope, next)
			}
		}),
		actor.WithSenderMiddleware(func(next actor.SenderFunc) actor.SenderFunc {
			return func(ctx actor.SenderContext, to *actor.PID, envelope *actor.MessageEnvelope) {
				_, failed := envelope.Message.(*cluster.GrainErrorResponse)
				if grain, ok := ctx.(actor.ExtensionContext); ok && failed {
					p.config.Observer.Failed(activationIn(grain).name)
				}
				next(ctx, to, envelope)
			}
		}))
}

// receive is what happens to each message when it is its turn.
func (p *placement) receive(
	a *activation, ctx actor.ReceiverContext, envelope *actor.MessageEnvelope,
	next actor.ReceiverFunc,
) {
	switch envelope.Message.(type) {
	case *actor.Started:
		p.config.Observer.Activated(a.name)
		next(ctx, envelope)
	case *cluster.ClusterInit:
		defer p.recovered(a, nil, "cannot be activated")
		next(ctx, envelope)
	case *actor.Stopped:
		defer p.gone(a)
		defer p.config.Observer.Deactivated(a.name)
		defer p.recovered(a, nil, "panicked at its end")
		next(ctx, envelope)
	case *actor.PoisonPill, actor.SystemMessage:
		next(ctx, envelope)
	case *cluster.ActivationRequest:
		defer p.done(a)
		if p.begin(a, envelope) {
			ctx.ActorSystem().Root.Send(envelope.Sender, &cluster.ActivationResponse{Pid: a.pid})
		}
	default:
		p.serve(a, ctx, envelope, next)
	}
}

// serve is the turn of a call.
func (p *placement) serve(
	a *activation, ctx actor.ReceiverContext, call *actor.MessageEnvelope, next actor.ReceiverFunc,
) {
	defer p.done(a)
	if !p.begin(a, call) {
		return
	}
	start := time.Now()
	p.config.Observer.Began(a.name)
	defer func() { p.config.Observer.Ended(a.name, time.Since(start)) }()
	defer p.recovered(a, call, "panicked")
	next(ctx, call)
}

// begin reports whether a call is to be carried out. Nobody waits any more for one
// whose deadline has passed: it is dropped, without an answer that nobody would hear.
func (p *placement) begin(a *activation, call *actor.MessageEnvelope) bool {
	p.mu.Lock()
	if call.GetHeader(kindHeader) != "" { // it has come through the door
		a.queued--
	}
	a.turns++
	over, failed := a.over, a.failed
	p.mu.Unlock()
	switch {
	case p.expired(call):
		return false
	case !p.config.Serves():
		p.answer(call, unavailable, leaseEnded)
		return false
	case failed != nil:
		p.answer(call, cluster.ErrorReason_INTERNAL, failed.Error())
		return false
	case over:
		p.deliver(call) // the next activation will see it
		return false
	}
	return true
}

func (p *placement) expired(call *actor.MessageEnvelope) bool {
	until, err := strconv.ParseInt(call.GetHeader(deadline), 10, 64)
	return err == nil && !p.config.ServeExpired && time.Since(p.born) > time.Duration(until)
}

func (p *placement) done(a *activation) {
	p.mu.Lock()
	defer p.mu.Unlock()
	a.turns--
	a.used = time.Now()
}

// recovered turns a panic in a grain into an answer: without one, the caller would
// wait in vain. What the panic has left of the grain's memory is not to be trusted,
// so the activation ends.
func (p *placement) recovered(a *activation, call *actor.MessageEnvelope, what string) {
	if p.config.NoRecover {
		return
	}
	reason := recover()
	if reason == nil {
		return
	}
	err := fmt.Errorf("the grain %s: %v", what, reason)
	p.config.Log.Error("a grain "+what, "grain", a.name.String(), "reason", reason)
	p.config.Log.Debug("where it panicked", "stack", string(debug.Stack()))
	if call == nil {
		p.end(a, err)
		return
	}
	p.end(a, nil)
	p.answer(call, cluster.ErrorReason_INTERNAL, err.Error())
}

// turn is the context that a grain has of the engine, with some of it done better.
type turn struct {
	actor.Context
	place *placement
}

// SetReceiveTimeout lets an activation end when it was not called for so long. The
// engine's own timer ends it while calls are on their way to it, and has a data race.
func (t *turn) SetReceiveTimeout(idle time.Duration) {
	t.place.idleAfter(activationIn(t), idle)
}

// Poison ends an activation after the calls that it has been given. For the grain
// itself it is Orleans' DeactivateOnIdle.
func (t *turn) Poison(pid *actor.PID) {
	if !pid.Equal(t.Self()) {
		t.Context.Poison(pid)
		return
	}
	t.place.mu.Lock()
	defer t.place.mu.Unlock()
	t.place.retire(activationIn(t))
}

// Stop ends an activation after the call in progress. The calls that wait are served by the
// next one.
func (t *turn) Stop(pid *actor.PID) {
	if !pid.Equal(t.Self()) {
		t.Context.Stop(pid)
		return
	}
	t.place.end(activationIn(t), nil)
}

// ReenterAfter goes on in a later turn, in which a panic is an answer as well.
func (t *turn) ReenterAfter(future *actor.Future, then func(any, error)) {
	call := &actor.MessageEnvelope{Sender: t.Sender()}
	t.Context.ReenterAfter(future, func(result any, err error) {
		defer t.place.recovered(activationIn(t), call, "panicked")
		then(result, err)
	})
}

// Fail is for the Init of a grain that cannot be activated. Its callers are told err,
// and the next call tries again.
func Fail(grain cluster.GrainContext, err error) {
	a := activationIn(grain)
	place := grain.Cluster().IdentityLookup.(*placement)
	place.config.Log.Warn("a grain cannot be activated", "grain", a.name.String(), "error", err)
	place.end(a, fmt.Errorf("the grain cannot be activated: %w", err))
}

// Observer is told what the grains of a silo do. Its methods must be safe for
// concurrent use, and return soon.
type Observer interface {
	Activated(Name)
	Deactivated(Name)
	Began(Name)
	Ended(grain Name, took time.Duration)
	Failed(Name) // has answered a call with an error
}

type nobody struct{}

func (nobody) Activated(Name)            {}
func (nobody) Deactivated(Name)          {}
func (nobody) Began(Name)                {}
func (nobody) Ended(Name, time.Duration) {}
func (nobody) Failed(Name)               {}
