package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/asynkron/protoactor-go/cluster"
	"golang.org/x/sync/errgroup"

	"course.example/12-actors/engine"
	"course.example/shop"
)

func main() { shop.Main(run) }

func run(context.Context) error {
	flags := shop.NewFlags("deadlock")
	timeout := flags.Duration("timeout", 10*time.Second, "of a `call` that will be answered")
	variant := flags.String("variant", "right", strings.Join(names(), ", "))
	flags.Env("variant", "VARIANT")
	if err := flags.Parse(os.Args[1:]); err != nil {
		return err
	}
	at := slices.IndexFunc(scenes, func(s scene) bool { return s.variant == *variant })
	if at < 0 {
		return &shop.UsageError{Problem: fmt.Sprintf("there is no variant %q: there are %s",
			*variant, strings.Join(names(), ", "))}
	}
	if *timeout <= 0 {
		return &shop.UsageError{Problem: "-timeout must be positive"}
	}
	return scenes[at].play(os.Stdout, *timeout)
}

// scene is what a variant shows.
type scene struct {
	variant string
	play    func(out io.Writer, timeout time.Duration) error
}

var scenes = []scene{
	{"right", func(out io.Writer, timeout time.Duration) error {
		if err := cycle(out, Settings{Timeout: timeout}, true); err != nil {
			return err
		}
		fmt.Fprintln(out)
		if err := openDoor(out, timeout, false); err != nil {
			return err
		}
		fmt.Fprintln(out)
		return twoDeposits(out, timeout, false)
	}},
	{"call-chain", func(out io.Writer, timeout time.Duration) error {
		return cycle(out, Settings{Timeout: timeout, Detect: true}, false)
	}},
	{"deadlock", func(out io.Writer, _ time.Duration) error {
		// Nothing will come, however long we wait. B gives up after half of it, and
		// the other half is for its error to come back in, on a busy machine too.
		return cycle(out, Settings{Timeout: 3 * time.Second}, false)
	}},
	{"blocking-turn", func(out io.Writer, timeout time.Duration) error {
		return openDoor(out, timeout, true)
	}},
	{"interleaving", func(out io.Writer, timeout time.Duration) error {
		return twoDeposits(out, timeout, true)
	}},
}

func names() []string {
	all := make([]string, len(scenes))
	for i, s := range scenes {
		all[i] = s.variant
	}
	return all
}

// cycle lets A call B, which calls A.
func cycle(out io.Writer, s Settings, reentrant bool) error {
	silo := engine.StartSilo(Kinds(s)...)
	defer engine.Stop(silo)
	fmt.Fprintln(out, "GrainA/1 calls GrainB/1, and GrainB/1 calls GrainA/1")
	a := GetGrainAGrainClient(silo, "1")
	ask, how := a.AskWaiting, "GrainA/1 waits within its turn"
	if reentrant {
		ask, how = a.AskReentrant, "GrainA/1 ends its turn and lets others in"
	}
	fmt.Fprintf(out, "  %s\n", how)
	reply, err := ask(&Call{Partner: "1"}, engine.Within(2*s.Timeout))
	if err != nil {
		fmt.Fprintf(out, "  error: %s\n", engine.Reason(err))
		return nil
	}
	fmt.Fprintf(out, "  %s\n", reply.GetText())
	return nil
}

// service is what B has to ask: it takes until the scene lets it go on.
type service struct{ entered, release chan struct{} }

func newService() service { return service{make(chan struct{}), make(chan struct{})} }

// called waits until n grains B have asked the service.
func (s service) called(n int, timeout time.Duration) error {
	late := time.After(timeout)
	for range n {
		select {
		case <-s.entered:
		case <-late:
			return fmt.Errorf("nobody asked the service within %v", timeout)
		}
	}
	return nil
}

func (s service) approve() {
	s.entered <- struct{}{}
	<-s.release
}

// soon is how long whoever knocks at a blocked grain waits before giving up. It
// could wait for a week: the grain does not answer before B has.
const soon = 300 * time.Millisecond

// openDoor calls A while A has asked B and B is thinking.
func openDoor(out io.Writer, timeout time.Duration, waiting bool) error {
	slow := newService()
	silo := engine.StartSilo(Kinds(Settings{Timeout: timeout, Approve: slow.approve})...)
	defer engine.Stop(silo)
	a := GetGrainAGrainClient(silo, "1")
	deposit, patience := a.Deposit, timeout
	if waiting {
		deposit, patience = a.DepositWaiting, soon
	}
	fmt.Fprintln(out, "GrainB/1 takes its time with GrainA/1; somebody else calls GrainA/1")
	var pending errgroup.Group
	pending.Go(func() error {
		_, err := deposit(&Call{Partner: "1", Amount: 10}, engine.Within(2*timeout))
		return err
	})
	if err := slow.called(1, timeout); err != nil {
		return err
	}
	reply, err := a.Answer(&Call{}, engine.Within(patience))
	if err == nil {
		fmt.Fprintf(out, "  while B thinks: %s\n", reply.GetText())
	} else {
		fmt.Fprintf(out, "  while B thinks: %s\n", engine.Reason(err))
	}
	close(slow.release)
	if err := pending.Wait(); err != nil {
		return fmt.Errorf("deposit: %s", engine.Reason(err))
	}
	return balance(out, silo, "  when B is done: the balance is %d\n", timeout)
}

// twoDeposits lets two deposits wait for approval at the same time.
func twoDeposits(out io.Writer, timeout time.Duration, careless bool) error {
	slow := newService()
	silo := engine.StartSilo(Kinds(Settings{Timeout: timeout, Approve: slow.approve})...)
	defer engine.Stop(silo)
	a := GetGrainAGrainClient(silo, "1")
	deposit, how := a.Deposit, "reads the balance after the wait"
	if careless {
		deposit, how = a.DepositCarelessly, "reads the balance before the wait, writes after it"
	}
	fmt.Fprintf(out, "Two deposits of 10 at once; each %s\n", how)
	var pending errgroup.Group
	for _, partner := range []string{"1", "2"} { // two grains B, or they would queue there
		pending.Go(func() error {
			_, err := deposit(&Call{Partner: partner, Amount: 10}, engine.Within(2*timeout))
			return err
		})
	}
	if err := slow.called(2, timeout); err != nil {
		return err
	}
	close(slow.release)
	if err := pending.Wait(); err != nil {
		return fmt.Errorf("deposit: %s", engine.Reason(err))
	}
	return balance(out, silo, "  deposited 20, the balance is %d\n", timeout)
}

func balance(
	out io.Writer, silo *cluster.Cluster, format string, timeout time.Duration,
) error {
	reply, err := GetGrainAGrainClient(silo, "1").Answer(&Call{}, engine.Within(timeout))
	if err != nil {
		return fmt.Errorf("balance: %s", engine.Reason(err))
	}
	fmt.Fprintf(out, format, reply.GetBalance())
	return nil
}
