package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/asynkron/protoactor-go/cluster"
	"golang.org/x/sync/errgroup"

	"course.example/12-actors/engine"
)

// A is the lecture's GrainA.
type A struct {
	engine.Hooks
	how     asking
	balance int64
}

// B is the lecture's GrainB.
type B struct {
	engine.Hooks
	how asking
}

// asking is what the variants differ in.
type asking struct {
	timeout time.Duration // of the first call of a chain; the next has half of it
	detect  bool          // refuse a call that would close a cycle
	approve func()        // the slow service behind B
}

func (how asking) kinds() []*cluster.Kind {
	return []*cluster.Kind{
		NewGrainAKind(func() GrainA { return &A{how: how} }, time.Minute),
		NewGrainBKind(func() GrainB { return &B{how: how} }, time.Minute),
	}
}

// AskReentrant calls B and ends its turn. It is not in the chain that it sends along: it asks,
// but nobody has to wait for it.
func (a *A) AskReentrant(
	req *Call, respond func(*Reply), fail func(error), ctx cluster.GrainContext,
) error {
	Await(ctx, a.how.timeout,
		func() (*Reply, error) { return callB(ctx, nil, req, a.how.timeout) }, respond, fail)
	return nil
}

// Await runs call elsewhere and ends the turn; then runs in a later turn of the same grain, when
// the answer is there. In C# the compiler cuts the method in two at the word await, here it is
// done by hand. In between the grain serves others: call must not touch its fields, and then must
// not trust what it saw of them.
func Await[T any](
	ctx cluster.GrainContext, timeout time.Duration,
	call func() (T, error), then func(T), fail func(error),
) {
	type outcome struct {
		value T
		err   error
	}
	root := ctx.ActorSystem().Root
	future := actor.NewFuture(ctx.ActorSystem(), timeout)
	go func() { // ends with the call, which has a time-out of its own
		value, err := call()
		root.Send(future.PID(), &outcome{value, err})
	}()
	ctx.ReenterAfter(future, func(result any, err error) {
		o, answered := result.(*outcome)
		if answered {
			err = o.err
		}
		if err != nil || !answered {
			fail(err)
			return
		}
		then(o.value)
	})
}

// Answer is what B wants to know.
func (a *A) Answer(_ *Call, ctx cluster.GrainContext) (*Reply, error) {
	return &Reply{Text: nameOf(ctx) + " answers", Balance: a.balance}, nil
}

// CallBack calls the A that called: the cycle.
func (b *B) CallBack(req *Call, ctx cluster.GrainContext) (*Reply, error) {
	chain, next := ChainOf(ctx), engine.Key("GrainA", req.GetPartner())
	if b.how.detect {
		if err := chain.Check(next); err != nil {
			return nil, err
		}
	}
	// Less time than our caller has: then the error of the last in the chain, which knows all of
	// it, is back before the first one gives up.
	timeout := b.how.timeout / 2
	reply, err := GetGrainAGrainClient(ctx.Cluster(), req.GetPartner()).Answer(
		&Call{}, engine.Within(timeout), chain.option(ctx.Cluster()))
	if err != nil { // "no answer in 1s" alone would send whoever reads it to the wrong grain
		return nil, fmt.Errorf("%s: %s (%v)", append(chain, next), engine.Reason(err), timeout)
	}
	return reply, nil
}

// callB tells B whom to call back: the A that is calling.
func callB(
	ctx cluster.GrainContext, chain Chain, req *Call, timeout time.Duration,
) (*Reply, error) {
	reply, err := GetGrainBGrainClient(ctx.Cluster(), req.GetPartner()).CallBack(
		&Call{Partner: ctx.Identity()}, engine.Within(timeout), chain.option(ctx.Cluster()))
	if err != nil {
		return nil, fmt.Errorf("%s", engine.Reason(err))
	}
	return reply, nil
}

// Chain is who waits for whom. Each grain in it holds up its turn until the next one has answered.
// It travels with every call, the first caller first.
type Chain []string

const chainHeader, arrow = "call-chain", " → "

func (c Chain) String() string { return strings.Join(c, arrow) }

func (c Chain) option(silo *cluster.Cluster) cluster.GrainCallOption {
	return withHeader(silo, chainHeader, c.String())
}

// ChainOf is the chain that led to the call in progress, its callee included.
func ChainOf(ctx cluster.GrainContext) Chain {
	if before := ctx.MessageHeader().Get(chainHeader); before != "" {
		return append(strings.Split(before, arrow), nameOf(ctx))
	}
	return Chain{nameOf(ctx)}
}

// DeadlockError says that a call would wait for a grain that waits for it.
type DeadlockError struct{ Chain Chain }

func (e *DeadlockError) Error() string { return e.Chain.String() + " would wait for itself" }

// Check returns a [DeadlockError] if the next grain is one of those that wait. It needs no clock
// and no lock: everything there is to know came with the call. What it cannot see is two chains
// that cross: A → B and, at the same time, B → A. Those still need the time-out.
func (c Chain) Check(next string) error {
	if slices.Contains(c, next) {
		return &DeadlockError{append(slices.Clone(c), next)}
	}
	return nil
}

// Deposit adds to the balance once B has approved. Between the two, other calls may have changed
// the balance, so it is read after the wait.
func (a *A) Deposit(
	req *Call, respond func(*Reply), fail func(error), ctx cluster.GrainContext,
) error {
	a.approved(req, ctx, fail, func(*Reply) {
		a.balance += req.GetAmount()
		respond(&Reply{Balance: a.balance})
	})
	return nil
}

// approved goes on with then once B has approved.
func (a *A) approved(
	req *Call, ctx cluster.GrainContext, fail func(error), then func(*Reply),
) {
	b := GetGrainBGrainClient(ctx.Cluster(), req.GetPartner())
	Await(ctx, a.how.timeout,
		func() (*Reply, error) { return b.Approve(&Call{}, engine.Within(a.how.timeout)) }, then, fail)
}

// Approve asks the slow service.
func (b *B) Approve(*Call, cluster.GrainContext) (*Reply, error) {
	b.how.approve()
	return &Reply{Text: "approved"}, nil
}

type callOfA = func(*GrainAGrainClient, *Call, ...cluster.GrainCallOption) (*Reply, error)

func showDeadlock(_ context.Context, out io.Writer, s settings) error {
	switch s.variant {
	case "call-chain":
		return cycle(out, asking{timeout: timeout, detect: true}, (*GrainAGrainClient).AskWaiting)
	case "deadlock":
		// Nothing will come, however long we wait. B gives up after half of it, and the other
		// half is for its error to come back in, on a busy machine too.
		return cycle(out, asking{timeout: 3 * time.Second}, (*GrainAGrainClient).AskWaiting)
	case "blocking-turn":
		// Who knocks at a blocked grain could wait for a week: it does not answer before B has.
		return openDoor(out, (*GrainAGrainClient).DepositWaiting, 300*time.Millisecond)
	case "interleaving":
		return twoDeposits(out, "reads the balance before the wait, writes after it",
			(*GrainAGrainClient).DepositCarelessly)
	}
	if err := cycle(out, asking{timeout: timeout}, (*GrainAGrainClient).AskReentrant); err != nil {
		return err
	}
	fmt.Fprintln(out)
	if err := openDoor(out, (*GrainAGrainClient).Deposit, timeout); err != nil {
		return err
	}
	fmt.Fprintln(out)
	return twoDeposits(out, "reads the balance after the wait", (*GrainAGrainClient).Deposit)
}

// cycle lets A call B, which calls A.
func cycle(out io.Writer, how asking, ask callOfA) error {
	silo := engine.StartSilo(how.kinds()...)
	defer engine.Stop(silo)
	fmt.Fprintln(out, "GrainA/1 calls GrainB/1, and GrainB/1 calls GrainA/1")
	reply, err := ask(GetGrainAGrainClient(silo, "1"), &Call{Partner: "1"},
		engine.Within(2*how.timeout))
	if err != nil {
		fmt.Fprintf(out, "  GrainA/1 waits within its turn\n  error: %s\n", engine.Reason(err))
		return nil
	}
	fmt.Fprintf(out, "  GrainA/1 ends its turn and lets others in\n  %s\n", reply.GetText())
	return nil
}

// openDoor calls A while A has asked B and B is thinking.
func openDoor(out io.Writer, deposit callOfA, patience time.Duration) error {
	fmt.Fprintln(out, "GrainB/1 takes its time with GrainA/1; somebody else calls GrainA/1")
	balance, err := deposits(deposit, []string{"1"}, func(a *GrainAGrainClient) {
		reply, err := a.Answer(&Call{}, engine.Within(patience))
		said := reply.GetText()
		if err != nil {
			said = engine.Reason(err)
		}
		fmt.Fprintf(out, "  while B thinks: %s\n", said)
	})
	if err == nil {
		fmt.Fprintf(out, "  when B is done: the balance is %d\n", balance)
	}
	return err
}

// twoDeposits lets two deposits wait for approval at the same time, of two grains B: they would
// queue at one.
func twoDeposits(out io.Writer, each string, deposit callOfA) error {
	fmt.Fprintf(out, "Two deposits of 10 at once; each %s\n", each)
	balance, err := deposits(deposit, []string{"1", "2"}, func(*GrainAGrainClient) {})
	if err == nil {
		fmt.Fprintf(out, "  deposited 20, the balance is %d\n", balance)
	}
	return err
}

// deposits has something done while deposits of 10 wait for their approval by these partners, and
// returns the balance in the end.
func deposits(
	deposit callOfA, partners []string, meanwhile func(*GrainAGrainClient),
) (int64, error) {
	asked, approved := make(chan struct{}), make(chan struct{})
	how := asking{timeout: timeout, approve: func() { asked <- struct{}{}; <-approved }}
	silo := engine.StartSilo(how.kinds()...)
	defer engine.Stop(silo)
	a := GetGrainAGrainClient(silo, "1")
	var pending errgroup.Group
	for _, partner := range partners {
		pending.Go(func() error {
			_, err := deposit(a, &Call{Partner: partner, Amount: 10}, engine.Within(2*timeout))
			return err
		})
	}
	late := time.After(timeout)
	for range partners {
		select {
		case <-asked:
		case <-late:
			return 0, fmt.Errorf("nobody asked the service within %v", timeout)
		}
	}
	meanwhile(a)
	close(approved)
	if err := pending.Wait(); err != nil {
		return 0, fmt.Errorf("deposit: %s", engine.Reason(err))
	}
	reply, err := a.Answer(&Call{}, engine.Within(timeout))
	if err != nil {
		return 0, fmt.Errorf("balance: %s", engine.Reason(err))
	}
	return reply.GetBalance(), nil
}
