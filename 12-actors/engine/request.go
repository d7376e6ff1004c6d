package engine

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/asynkron/protoactor-go/cluster"
)

// Headers that say until when the caller waits. On the wire goes how long that still
// is, since the clocks of two machines differ. Where it arrives that becomes a moment.
const (
	timeLeft = "time-left"
	deadline = "deadline"
)

// ErrNoAnswer: the call was made, and no answer came in time. It may have been
// carried out or not; whoever calls again relies on the grain's being idempotent.
var ErrNoAnswer = errors.New("no answer in time")

// ErrNoSilo: the cluster has no silo that hosts such a grain.
var ErrNoSilo = errors.New("no silo in the cluster hosts it")

// Reasons in the answer of a grain or of its silo.
const (
	refusal     = cluster.ErrorReason_FAILED_PRECONDITION
	busy        = cluster.ErrorReason_RESOURCE_EXHAUSTED
	unavailable = cluster.ErrorReason_UNAVAILABLE
)

// Within is the option of a call whose answer is waited for so long. It is made once:
// one that was not answered in time may be under way still, and a second one behind it
// would hide a deadlock, or do the same thing twice.
func Within(limit time.Duration) cluster.GrainCallOption { return cluster.WithTimeout(limit) }

// Until is [Within] for an answer that is waited for until ctx ends. Its cause is the
// error then.
func Until(ctx context.Context) cluster.GrainCallOption {
	return func(call *cluster.GrainCallConfig) {
		call.Context = waiting{call.Context, ctx}
	}
}

type waiting struct {
	actor.SenderContext
	until context.Context
}

// caller makes the calls of this process. The engine's own way asks for the address of
// an activation first, keeps that forever, knows no context and tries again by itself.
type caller struct{ place *placement }

// Request calls a grain, and returns its answer.
func (c caller) Request(
	id, kind string, message any, options ...cluster.GrainCallOption,
) (any, error) {
	call := cluster.NewGrainCallOptions(c.place.cluster)
	for _, option := range options {
		option(call)
	}
	var ctx context.Context
	if w, ok := call.Context.(waiting); ok {
		ctx, call.Context = w.until, w.SenderContext
	} else {
		limited, cancel := context.WithTimeoutCause(context.Background(), call.Timeout, ErrNoAnswer)
		defer cancel()
		ctx = limited
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return c.exchange(ctx, func(me *actor.PID) error {
		until, limited := ctx.Deadline()
		return c.send(call.Context, Name{kind, id}, message, me, until, limited)
	})
}

// exchange sends something, and waits for the answer.
func (c caller) exchange(ctx context.Context, send func(me *actor.PID) error) (any, error) {
	answers := make(reply, 1)
	processes := c.place.cluster.ActorSystem.ProcessRegistry
	me, _ := processes.Add(answers, "call"+processes.NextId())
	defer processes.Remove(me)
	if err := send(me); err != nil {
		return nil, err
	}
	select {
	case answer := <-answers:
		return answer, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// RequestFuture is [caller.Request] for those who do not wait.
func (c caller) RequestFuture(
	id, kind string, message any, options ...cluster.GrainCallOption,
) (*actor.Future, error) {
	call := cluster.NewGrainCallOptions(c.place.cluster)
	for _, option := range options {
		option(call)
	}
	future := actor.NewFuture(c.place.cluster.ActorSystem, call.Timeout)
	return future, c.send(call.Context, Name{kind, id}, message, future.PID(),
		time.Now().Add(call.Timeout), true)
}

func (c caller) send(
	by actor.SenderContext, grain Name, message any, sender *actor.PID,
	until time.Time, limited bool,
) error {
	list := c.place.membership()
	home, found := list.home(grain)
	if !found {
		return fmt.Errorf("%s: %w", grain, ErrNoSilo)
	}
	envelope := &actor.MessageEnvelope{Message: message, Sender: sender}
	envelope.SetHeader(kindHeader, grain.Kind)
	envelope.SetHeader(idHeader, grain.ID)
	envelope.SetHeader(versionHeader, strconv.FormatInt(list.Version, 10))
	if limited {
		envelope.SetHeader(timeLeft, time.Until(until).String())
	}
	by.Send(actor.NewPID(home.Address, door), envelope)
	return nil
}

// reply takes the answer to one call.
type reply chan any

func (r reply) SendUserMessage(_ *actor.PID, message any) {
	select {
	case r <- actor.UnwrapEnvelopeMessage(message):
	default: // a second answer
	}
}

func (reply) SendSystemMessage(*actor.PID, any) {}
func (reply) Stop(*actor.PID)                   {}

// Refused reports whether err is a grain's final no.
func Refused(err error) bool { return cluster.Reason(err) == refusal }

// Busy reports whether err comes from a grain for which too many calls wait.
func Busy(err error) bool { return cluster.Reason(err) == busy }

// Refuse makes a final no.
func Refuse(err error) error { return cluster.NewGrainErrorResponse(refusal, err.Error()) }

// Abort makes an answer that says: it was not done, try again.
func Abort(err error) error {
	return cluster.NewGrainErrorResponse(cluster.ErrorReason_ABORTED, err.Error())
}

// Reason is what went wrong in a call, without the engine's wrapping.
func Reason(err error) string {
	if said := new(cluster.GrainErrorResponse); errors.As(err, &said) {
		return said.GetMessage()
	}
	if wrapped := errors.Unwrap(err); wrapped != nil {
		return wrapped.Error()
	}
	return fmt.Sprint(err)
}
