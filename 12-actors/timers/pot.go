package main

import (
	"fmt"
	"time"

	"github.com/asynkron/protoactor-go/cluster"
	"github.com/asynkron/protoactor-go/scheduler"

	"course.example/12-actors/engine"
)

// PotGrain is a pot of eggs. Its timer is a field: it belongs to this activation,
// and ends with it.
type PotGrain struct {
	engine.Hooks
	reminders *Reminders
	remind    func(*PotGrain, time.Duration, cluster.GrainContext) error // the variants differ
	events    chan<- string
	every     time.Duration
	cancel    scheduler.CancelFunc // of the timer that runs
	idle      time.Duration
	sleepy    scheduler.CancelFunc // of the wait for the next call
	looked    int
}

// PotKind makes PotGrains.
func PotKind(
	reminders *Reminders, events chan<- string, idle time.Duration,
	remind func(*PotGrain, time.Duration, cluster.GrainContext) error,
) *cluster.Kind {
	return NewPotKind(func() Pot {
		return &PotGrain{reminders: reminders, events: events, remind: remind, idle: idle}
	}, 0)
}

// What the timers send. They are messages like any other, so what they lead to
// happens in a turn of the grain, and needs no lock.
type (
	tick struct{} // look after the eggs
	lull struct{} // nobody has called for a while
)

// wanted notes that somebody is interested. The engine's own idle time would take
// every message for interest, the ticks too: a grain would stay active because it
// looks at its own watch. So this one counts its calls itself.
func (p *PotGrain) wanted(ctx cluster.GrainContext) {
	if p.sleepy != nil {
		p.sleepy()
	}
	p.sleepy = after(p.idle, &lull{}, ctx)
}

// after sends the grain a message, unless it is cancelled.
func after(in time.Duration, message any, ctx cluster.GrainContext) scheduler.CancelFunc {
	timer := scheduler.NewTimerScheduler(ctx.ActorSystem().Root)
	return timer.SendOnce(in, ctx.Self(), message)
}

// Init says that somebody is interested.
func (p *PotGrain) Init(ctx cluster.GrainContext) {
	p.say(ctx, "activated")
	p.wanted(ctx)
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

// sendMyself sets the timer. There is one: another one takes its place.
func (p *PotGrain) sendMyself(in time.Duration, message any, ctx cluster.GrainContext) {
	if p.cancel != nil {
		p.cancel()
	}
	p.cancel = after(in, message, ctx)
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
	return &Nothing{}, p.remind(p, time.Duration(in.GetMilliseconds())*time.Millisecond, ctx)
}

// byReminder asks the reminders to call this grain, by its name.
func byReminder(p *PotGrain, in time.Duration, ctx cluster.GrainContext) error {
	return p.reminders.Set(Reminder{
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
	if p.cancel != nil {
		p.cancel()
	}
	if p.looked == 0 {
		p.say(ctx, "deactivated")
		return
	}
	p.say(ctx, fmt.Sprintf("deactivated, after it has looked %d times", p.looked))
}

func (p *PotGrain) say(ctx cluster.GrainContext, what string) {
	p.events <- engine.Key(ctx.Kind(), ctx.Identity()) + ": " + what
}
