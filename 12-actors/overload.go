package actors

import (
	"errors"
	"sync"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/asynkron/protoactor-go/cluster"
)

// What keeps the shop going when more is asked of it than it can do. Without it a
// short flood is enough for good: each call that comes too late is made again, so
// that there is more to do, so that more calls come too late. It is called a
// metastable failure, since it outlives its cause. Four things end the circle:
//
//   - a call carries its deadline, and nobody serves one that was given up;
//   - a mailbox is bounded, and a full one says no at once;
//   - so is the front door, see [Web.Place];
//   - who calls again does so from a budget, see [Budget].
const (
	// mailboxSize is how many calls may wait for one grain. A longer queue would be
	// no help: who stands at its end has given up before it is served.
	mailboxSize = 250
	// doorSize is how many orders may be on their way at once.
	doorSize = 1000
)

// ErrFull is what a customer is told when there are too many before.
var ErrFull = errors.New("too many orders are under way")

// Headers of a call. On the wire goes how long the caller still waits, since the
// clocks of two machines differ. Where it arrives that becomes a moment.
const (
	timeLeft = "time-left"
	deadline = "deadline"
)

// withDeadline is the option of a call that nobody waits for any longer from that
// moment on.
func withDeadline(moment time.Time) cluster.GrainCallOption {
	stamp := func(next actor.SenderFunc) actor.SenderFunc {
		return func(ctx actor.SenderContext, to *actor.PID, e *actor.MessageEnvelope) {
			left := time.Until(moment)
			if left <= 0 {
				return // looking for the grain has taken all the time there was
			}
			e.SetHeader(timeLeft, left.String())
			next(ctx, to, e)
		}
	}
	return func(call *cluster.GrainCallConfig) {
		if root, ok := call.Context.(*actor.RootContext); ok {
			call.Context = root.Copy().WithSenderMiddleware(stamp)
		}
	}
}

// deadlineOf returns until when the caller waits, if it has said so.
func deadlineOf(header actor.ReadonlyMessageHeader) (time.Time, bool) {
	moment, err := time.Parse(time.RFC3339Nano, header.Get(deadline))
	return moment, err == nil
}

// boundedMailbox is a grain's queue of calls. What is no call, such as the message
// that ends the grain, always finds room.
type boundedMailbox struct {
	actor.Mailbox
	grain actor.Context
}

func newBoundedMailbox() actor.Mailbox { return &boundedMailbox{Mailbox: unbounded()} }

// unbounded is the engine's own: it takes what comes, and asks nobody how long
// the caller waits.
var unbounded = actor.Unbounded()

func (m *boundedMailbox) RegisterHandlers(grain actor.MessageInvoker, d actor.Dispatcher) {
	m.grain, _ = grain.(actor.Context)
	m.Mailbox.RegisterHandlers(grain, d)
}

func (m *boundedMailbox) PostUserMessage(message any) {
	if envelope, call := asCall(message); call {
		if m.UserMessageCount() >= mailboxSize {
			m.grain.ActorSystem().Root.Send(envelope.Sender, cluster.NewGrainErrorResponse(
				busy, "too many calls wait for "+m.grain.Self().GetId()))
			return
		}
		if left, err := time.ParseDuration(envelope.GetHeader(timeLeft)); err == nil {
			envelope.SetHeader(deadline, time.Now().Add(left).Format(time.RFC3339Nano))
		}
	}
	m.Mailbox.PostUserMessage(message)
}

func asCall(message any) (*actor.MessageEnvelope, bool) {
	envelope, ok := message.(*actor.MessageEnvelope)
	if !ok {
		return nil, false
	}
	_, call := envelope.Message.(*cluster.GrainRequest)
	return envelope, call
}

// dropExpired drops a call whose deadline has passed while it waited for its turn.
// There is no answer: nobody would hear it.
func dropExpired(next actor.ReceiverFunc) actor.ReceiverFunc {
	return func(ctx actor.ReceiverContext, envelope *actor.MessageEnvelope) {
		if until, set := deadlineOf(envelope.Header); set && time.Now().After(until) {
			return
		}
		next(ctx, envelope)
	}
}

// Budget is what one process may spend on calling again. A try costs one, and ten
// answers earn one: when a silo has died, the calls in hand can be made again, and
// when nothing is answered any more, tries do not multiply the load. It is safe for
// concurrent use.
type Budget struct {
	mu    sync.Mutex
	tries float64
}

const (
	maxTries = 1000 // saved up, and at the start
	earned   = 0.1  // by an answer
)

// NewBudget returns a full one.
func NewBudget() *Budget { return &Budget{tries: maxTries} }

func (b *Budget) earn() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.tries = min(b.tries+earned, maxTries)
}

// spend reports whether there was a try left.
func (b *Budget) spend() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.tries < 1 {
		return false
	}
	b.tries--
	return true
}
