package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/asynkron/protoactor-go/cluster"
	"golang.org/x/sync/errgroup"

	"course.example/12-actors/engine"
	"course.example/12-actors/filestore"
	"course.example/shop"
)

func main() { shop.Main(run) }

const (
	idle    = 300 * time.Millisecond // without a call, a pot is deactivated
	cooking = 2 * time.Second        // much longer than that
	timeout = 10 * time.Second       // of a call
)

func run(ctx context.Context) (err error) {
	flags := shop.NewFlags("timers")
	variant := flags.String("variant", "right", "right or timer-only")
	flags.Env("variant", "VARIANT")
	if err := flags.Parse(os.Args[1:]); err != nil {
		return err
	}
	folder, err := os.MkdirTemp("", "course-reminders-")
	if err != nil {
		return fmt.Errorf("a folder for the reminders: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	switch *variant {
	case "right":
		return show(ctx, os.Stdout, folder)
	case "timer-only":
		return showTimerOnly(ctx, os.Stdout, folder)
	default:
		return &shop.UsageError{Problem: fmt.Sprintf(
			"there is no variant %q: there are right and timer-only", *variant)}
	}
}

// kitchen is a silo and its reminders.
type kitchen struct {
	silo   *cluster.Cluster
	events chan string
	stop   func() error
}

func open(
	ctx context.Context, folder string,
	remind func(*PotGrain, time.Duration, cluster.GrainContext) error,
) *kitchen {
	k := &kitchen{events: make(chan string, 100)}
	reminders := NewReminders(filestore.Open(folder, nil), func(r Reminder) error {
		_, err := GetPotGrainClient(k.silo, r.Grain).Ring(&Nothing{}, engine.Within(timeout))
		return err
	})
	k.silo = engine.StartSilo(PotKind(reminders, k.events, idle, remind))
	ctx, cancel := context.WithCancel(ctx)
	var running errgroup.Group
	running.Go(func() error { return reminders.Run(ctx) })
	k.stop = func() error {
		cancel()
		err := running.Wait()
		engine.Stop(k.silo)
		return err
	}
	return k
}

// until prints what happens, up to what it waits for. It returns false if that
// does not happen for so long.
func (k *kitchen) until(out io.Writer, what string, patience time.Duration) bool {
	late := time.After(patience)
	for {
		select {
		case event := <-k.events:
			fmt.Fprintf(out, "  %s\n", event)
			if strings.Contains(event, what) {
				return true
			}
		case <-late:
			return false
		}
	}
}

func (k *kitchen) remind(in time.Duration) error {
	_, err := GetPotGrainClient(k.silo, "eggs").RemindMe(
		&In{Milliseconds: in.Milliseconds()}, engine.Within(timeout))
	if err != nil {
		return fmt.Errorf("set a reminder: %s", engine.Reason(err))
	}
	return nil
}

func show(ctx context.Context, out io.Writer, folder string) (err error) {
	k := open(ctx, folder, byReminder)
	fmt.Fprintln(out, "A timer: Pot/eggs looks after itself every 20 ms, while somebody is interested")
	_, err = GetPotGrainClient(k.silo, "eggs").Watch(&In{Milliseconds: 20}, engine.Within(timeout))
	if err != nil {
		return errors.Join(errors.New(engine.Reason(err)), k.stop())
	}
	if !k.until(out, "deactivated", timeout) {
		return errors.Join(errors.New("it was not deactivated"), k.stop())
	}

	fmt.Fprintf(out, "\nA reminder in %v, and nobody is interested for so long\n", cooking)
	if err := k.remind(cooking); err != nil {
		return errors.Join(err, k.stop())
	}
	if !k.until(out, "rings", cooking+timeout) {
		return errors.Join(errors.New("the reminder has forgotten"), k.stop())
	}

	fmt.Fprintln(out, "\nAnother one, and the silo is stopped before it is due")
	if err := k.remind(cooking); err != nil {
		return errors.Join(err, k.stop())
	}
	due := time.After(cooking)
	if err := k.stop(); err != nil {
		return err
	}
	<-due
	fmt.Fprintln(out, "  the eggs are done, and nobody is there; then a silo starts")
	k = open(ctx, folder, byReminder)
	defer func() { err = errors.Join(err, k.stop()) }()
	if !k.until(out, "rings", timeout) {
		return errors.New("the reminder has forgotten")
	}
	return nil
}

func showTimerOnly(ctx context.Context, out io.Writer, folder string) (err error) {
	k := open(ctx, folder, byTimer)
	defer func() { err = errors.Join(err, k.stop()) }()
	fmt.Fprintf(out, "A timer of %v, and nobody is interested for so long\n", cooking)
	if err := k.remind(cooking); err != nil {
		return err
	}
	if !k.until(out, "rings", cooking+time.Second) {
		fmt.Fprintln(out, "  and nothing rings")
	}
	return nil
}
