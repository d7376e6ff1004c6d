package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/asynkron/protoactor-go/cluster"
	"github.com/asynkron/protoactor-go/scheduler"
	"golang.org/x/sync/errgroup"

	"course.example/12-actors/engine"
)

// PotGrain is a pot of eggs. Its timer is a field: it belongs to this activation, and ends with it.
type PotGrain struct {
	engine.Hooks
	kitchen *kitchen
	every   time.Duration
	cancel  scheduler.CancelFunc // of the timer that runs
	sleepy  scheduler.CancelFunc // of the wait for the next call
	looked  int
}

// What the timers send. They are messages like any other, so what they lead to happens in a turn
// of the grain, and needs no lock.
type (
	tick struct{} // look after the eggs
	lull struct{} // nobody has called for a while
)

// Init says that somebody is interested.
func (p *PotGrain) Init(ctx cluster.GrainContext) {
	p.cancel = func() {}
	p.say(ctx, "activated")
	p.wanted(ctx)
}

// wanted notes that somebody is interested. The engine's own idle time would take every message
// for interest, the ticks too: a grain would stay active because it looks at its own watch. So this
// one counts its calls itself.
func (p *PotGrain) wanted(ctx cluster.GrainContext) {
	if p.sleepy != nil {
		p.sleepy()
	}
	p.sleepy = after(unwanted, &lull{}, ctx)
}

// after sends the grain a message, unless it is cancelled.
func after(in time.Duration, message any, ctx cluster.GrainContext) scheduler.CancelFunc {
	timer := scheduler.NewTimerScheduler(ctx.ActorSystem().Root)
	return timer.SendOnce(in, ctx.Self(), message)
}

// sendMyself sets the timer. There is one: another one takes its place.
func (p *PotGrain) sendMyself(in time.Duration, message any, ctx cluster.GrainContext) {
	p.cancel()
	p.cancel = after(in, message, ctx)
}

// Watch starts a timer.
func (p *PotGrain) Watch(in *In, ctx cluster.GrainContext) (*Nothing, error) {
	if in.GetMilliseconds() <= 0 {
		return nil, fmt.Errorf("milliseconds: must be positive, is %d", in.GetMilliseconds())
	}
	p.every = time.Duration(in.GetMilliseconds()) * time.Millisecond
	p.wanted(ctx)
	p.sendMyself(p.every, &tick{}, ctx)
	return &Nothing{}, nil
}

// ReceiveDefault gets what is no call: the ticks.
func (p *PotGrain) ReceiveDefault(ctx cluster.GrainContext) {
	switch ctx.Message().(type) {
	case *tick:
		p.looked++
		// The next one only now: ticks must not pile up before a grain that is busy.
		p.sendMyself(p.every, &tick{}, ctx)
	case *lull:
		ctx.Poison(ctx.Self()) // when what waits in the mailbox is done
	case *alarm:
		p.say(ctx, "rings")
	}
}

// RemindMe sees to it that Ring is called.
func (p *PotGrain) RemindMe(in *In, ctx cluster.GrainContext) (*Nothing, error) {
	p.wanted(ctx)
	return &Nothing{}, p.kitchen.remind(p, time.Duration(in.GetMilliseconds())*time.Millisecond, ctx)
}

// byReminder asks the reminders to call this grain, by its name.
func byReminder(p *PotGrain, in time.Duration, ctx cluster.GrainContext) error {
	return p.kitchen.reminders.Set(Reminder{
		Grain: ctx.Identity(), Name: "done", Due: time.Now().Add(in)})
}

// Ring is called by the reminder, perhaps in another activation, on another silo.
func (p *PotGrain) Ring(_ *Nothing, ctx cluster.GrainContext) (*Nothing, error) {
	p.wanted(ctx)
	p.say(ctx, "rings")
	return &Nothing{}, nil
}

// Terminate stops the timers: nobody is there to hear them.
func (p *PotGrain) Terminate(ctx cluster.GrainContext) {
	p.sleepy()
	p.cancel()
	what := "deactivated"
	if p.looked > 0 {
		what = fmt.Sprintf("deactivated, after it has looked %d times", p.looked)
	}
	p.say(ctx, what)
}

func (p *PotGrain) say(ctx cluster.GrainContext, what string) {
	p.kitchen.events <- nameOf(ctx) + ": " + what
}

// Reminder says when which grain is to be called. Its identity is its name for that grain: to set
// it again is to move it.
type Reminder struct {
	Grain, Name string
	Due         time.Time
	Every       time.Duration // 0 for once
	Done        bool

	version int64 // of the row from which it was read
}

// Reminders calls grains when they asked to be called. It knows them by name, so it does not matter
// whether they are active: the call activates them. And it keeps its table on disk, so it does not
// matter whether the silo is. It is safe for concurrent use.
//
// A grain is called at least once: whoever dies between the call and the note that it was made will
// call again.
type Reminders struct {
	files   *Files
	call    func(Reminder) error
	mu      sync.Mutex
	changed chan struct{}
}

// NewReminders keeps its table in files and calls by call, which it tries again when it fails.
func NewReminders(files *Files, call func(Reminder) error) *Reminders {
	return &Reminders{files: files, call: call, changed: make(chan struct{}, 1)}
}

// Set returns when the reminder is written down: from then on it will be called.
func (r *Reminders) Set(next Reminder) error {
	if next.Grain == "" || next.Name == "" || next.Every < 0 {
		return errors.New("a reminder wants a grain, a name, and no negative interval")
	}
	if err := r.write(next, func(int64) bool { return true }); err != nil {
		return err
	}
	select {
	case r.changed <- struct{}{}:
	default: // it will look anyway
	}
	return nil
}

// write writes a row if its version is right.
func (r *Reminders) write(next Reminder, right func(version int64) bool) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	row := engine.NewState[Reminder](r.files, "Reminder/"+next.Grain+"/"+next.Name)
	_, err := row.Read(context.Background())
	if err != nil || !right(row.Version()) {
		return err
	}
	return row.Write(context.Background(), next, "")
}

// again is how long a call that failed waits for its next try.
const again = 200 * time.Millisecond

// Run calls whoever is due, until ctx ends.
func (r *Reminders) Run(ctx context.Context) error {
	for {
		next, err := r.next()
		if err != nil {
			return fmt.Errorf("look for reminders: %w", err)
		}
		due := make(<-chan time.Time) // without a reminder: never
		if next.Grain != "" {
			due = time.After(time.Until(next.Due))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-r.changed: // perhaps there is an earlier one now
		case <-due:
			if err := r.fire(ctx, next); err != nil {
				return err
			}
		}
	}
}

// fire calls a grain and notes what became of its reminder, unless the grain has set it anew during
// the call: what the grain says counts.
func (r *Reminders) fire(ctx context.Context, due Reminder) error {
	if err := r.call(due); err != nil {
		slog.WarnContext(ctx, "a reminder did not reach its grain; it will be tried again",
			"grain", due.Grain, "reminder", due.Name, "reason", err)
		due.Due = time.Now().Add(again)
	} else {
		due.Done = due.Every == 0
		for now := time.Now(); !due.Done && !due.Due.After(now); {
			due.Due = due.Due.Add(due.Every) // what was missed meanwhile is not made up for
		}
	}
	return r.write(due, func(version int64) bool { return version == due.version })
}

// next is the reminder that is due first; without any it has no grain.
func (r *Reminders) next() (first Reminder, err error) {
	keys, err := r.files.Keys("Reminder/")
	if err != nil {
		return first, err
	}
	for _, key := range keys {
		row := engine.NewState[Reminder](r.files, key)
		one, err := row.Read(context.Background())
		if err != nil {
			return first, err
		}
		one.version = row.Version()
		if !one.Done && (first.Grain == "" || one.Due.Before(first.Due)) {
			first = one
		}
	}
	return first, nil
}

const (
	unwanted = 300 * time.Millisecond // without a call, a pot is deactivated
	cooking  = 2 * time.Second        // much longer than that
)

// kitchen is a silo and its reminders.
type kitchen struct {
	silo      *cluster.Cluster
	reminders *Reminders
	remind    func(*PotGrain, time.Duration, cluster.GrainContext) error // the variants differ
	events    chan string
	close     func() error // it may be called again
}

func openKitchen(
	ctx context.Context, folder string,
	remind func(*PotGrain, time.Duration, cluster.GrainContext) error,
) *kitchen {
	k := &kitchen{events: make(chan string, 100), remind: remind}
	k.reminders = NewReminders(OpenFiles(folder, nil), func(r Reminder) error {
		_, err := GetPotGrainClient(k.silo, r.Grain).Ring(&Nothing{}, engine.Within(timeout))
		return err
	})
	k.silo = engine.StartSilo(NewPotKind(func() Pot { return &PotGrain{kitchen: k} }, 0))
	ctx, cancel := context.WithCancel(ctx)
	var running errgroup.Group
	running.Go(func() error { return k.reminders.Run(ctx) })
	k.close = sync.OnceValue(func() error {
		cancel()
		defer engine.Stop(k.silo)
		return running.Wait()
	})
	return k
}

// until prints what happens, up to what it waits for. Its error is that this does not happen for
// so long.
func (k *kitchen) until(out io.Writer, what string, patience time.Duration) error {
	late := time.After(patience)
	for {
		select {
		case event := <-k.events:
			fmt.Fprintf(out, "  %s\n", event)
			if strings.Contains(event, what) {
				return nil
			}
		case <-late:
			return fmt.Errorf("the pot is not %q within %v", what, patience)
		}
	}
}

func (k *kitchen) remindMe(in time.Duration) error {
	_, err := GetPotGrainClient(k.silo, "eggs").RemindMe(
		&In{Milliseconds: in.Milliseconds()}, engine.Within(timeout))
	if err != nil {
		return fmt.Errorf("set a reminder: %s", engine.Reason(err))
	}
	return nil
}

func showTimers(ctx context.Context, out io.Writer, s settings) error {
	return inFolder(func(folder string) error {
		if s.variant == "timer-only" {
			return showTimerOnly(ctx, out, folder)
		}
		if err := showReminders(ctx, out, folder); err != nil {
			return err
		}
		fmt.Fprintln(out, "  the eggs are done, and nobody is there; then a silo starts")
		return showLateReminder(ctx, out, folder)
	})
}

// showReminders ends with a silo that is stopped before a reminder is due, after that time.
func showReminders(ctx context.Context, out io.Writer, folder string) (err error) {
	k := openKitchen(ctx, folder, byReminder)
	defer func() { err = errors.Join(err, k.close()) }()
	fmt.Fprintln(out, "A timer: Pot/eggs looks after itself every 20 ms, while somebody is interested")
	_, err = GetPotGrainClient(k.silo, "eggs").Watch(&In{Milliseconds: 20}, engine.Within(timeout))
	if err != nil {
		return errors.New(engine.Reason(err))
	}
	if err := k.until(out, "deactivated", timeout); err != nil {
		return err
	}
	fmt.Fprintf(out, "\nA reminder in %v, and nobody is interested for so long\n", cooking)
	if err := k.remindMe(cooking); err != nil {
		return err
	}
	if err := k.until(out, "rings", cooking+timeout); err != nil {
		return err
	}
	fmt.Fprintln(out, "\nAnother one, and the silo is stopped before it is due")
	if err := k.remindMe(cooking); err != nil {
		return err
	}
	due := time.After(cooking)
	err = k.close()
	<-due
	return err
}

func showLateReminder(ctx context.Context, out io.Writer, folder string) (err error) {
	k := openKitchen(ctx, folder, byReminder)
	defer func() { err = errors.Join(err, k.close()) }()
	return k.until(out, "rings", timeout)
}

func showTimerOnly(ctx context.Context, out io.Writer, folder string) (err error) {
	k := openKitchen(ctx, folder, byTimer)
	defer func() { err = errors.Join(err, k.close()) }()
	fmt.Fprintf(out, "A timer of %v, and nobody is interested for so long\n", cooking)
	if err := k.remindMe(cooking); err != nil {
		return err
	}
	if k.until(out, "rings", cooking+time.Second) != nil {
		fmt.Fprintln(out, "  and nothing rings")
	}
	return nil
}
