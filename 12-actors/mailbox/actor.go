package main

import "fmt"

// Behaviour is what an actor does with one message. It may do three things, and
// these are the whole model (Hewitt 1973, Agha 1986): send messages to addresses
// that it knows (Tell), create actors (Spawn), and choose the behaviour for its
// next message (Become).
type Behaviour func(me *Actor, msg any)

// Actor is a goroutine, a mailbox and a behaviour. Only its own behaviour ever
// sees it: the others know its address. So nothing in here needs a lock.
type Actor struct {
	Self     Address
	parent   Address
	system   *System
	mailbox  *mailbox
	create   func() Behaviour // makes a behaviour with fresh state, also after a failure
	behave   Behaviour
	children []Address
	life     []Transition
	failed   bool
	gone     chan struct{} // closed when it has ended
}

// Orders from an actor's parent. They overtake what waits in the mailbox, and
// are all that a failed actor listens to.
type (
	restart struct{}
	stop    struct{}
)

// Failed tells the parent that a child's behaviour has panicked, or the function
// that makes it. The child is
// suspended, and its mailbox kept, until the parent decides: Restart or Stop.
type Failed struct {
	Child  Address
	Reason string
}

// Tell sends a message. It never waits, and it promises no delivery: whoever
// wants to know asks for an answer.
func (a *Actor) Tell(to Address, msg any) { a.system.Tell(to, msg) }

// Become chooses what the actor does with its next message.
func (a *Actor) Become(next Behaviour) { a.behave = next }

// Spawn creates an actor whose parent is this one.
func (a *Actor) Spawn(name string, create func() Behaviour) Address {
	child := a.system.spawn(a.Self, name, create)
	a.children = append(a.children, child)
	return child
}

// Restart gives a failed child a new behaviour, with fresh state, behind the old
// address. The message that it failed at is gone, those behind it are not.
func (a *Actor) Restart(child Address) { a.system.order(child, restart{}) }

// Stop ends an actor, at the latest after the message that it has in progress.
func (a *Actor) Stop(child Address) { a.system.order(child, stop{}) }

// live is the actor's goroutine: one message, then the next. Whatever the
// behaviour does, it does alone.
func (a *Actor) live() {
	a.begin("spawn")
	for {
		switch msg := a.mailbox.next(a.failed).(type) {
		case stop:
			a.end()
			return
		case restart:
			if a.failed {
				a.failed = false
				a.begin("restart")
			}
		default:
			a.turn(msg)
		}
	}
}

// begin makes the behaviour. That can fail, too, and it is no different then.
func (a *Actor) begin(event string) {
	a.supervised(func() {
		a.behave = a.create()
		a.enter(Running, event)
	})
}

// turn handles one message.
func (a *Actor) turn(msg any) { a.supervised(func() { a.behave(a, msg) }) }

// supervised lets a panic stop here: it is the failure of one actor, and the
// parent's to decide on, not the end of the program.
func (a *Actor) supervised(do func()) {
	defer func() {
		if reason := recover(); reason != nil {
			a.failed = true
			a.enter(Suspended, "panic")
			a.Tell(a.parent, Failed{a.Self, fmt.Sprint(reason)})
		}
	}()
	do()
}

// Stopping is an actor's last message: the moment to close what it has opened.
type Stopping struct{}

// end stops the children first: nobody outlives the one who looks after them.
func (a *Actor) end() {
	for _, child := range a.children {
		a.Stop(child)
	}
	for _, child := range a.children {
		a.system.wait(child)
	}
	if !a.failed {
		a.turn(Stopping{})
	}
	a.enter(End, "stop")
	a.system.bury(a)
}
