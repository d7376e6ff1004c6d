package main

import (
	"encoding/gob"
	"fmt"
	"io"
)

// The messages. Each is a value that holds data and addresses, never a pointer
// into somebody's state: what is sent is a copy.
type (
	// Open lets the shop hire its two actors.
	Open struct{}
	// Talk tells the producer whom to send to.
	Talk struct{ To Address }
	// Elaborate is the lecture's message, with its return address.
	Elaborate struct {
		A, B    int
		ReplyTo Address
	}
	// Result is the answer. Handled counts the consumer's messages: its state.
	Result struct{ Sum, Handled int }
	// Again asks the producer to send its last message once more.
	Again struct{}
	// Finished says that the producer has had its say.
	Finished struct{}
)

func init() { // what may travel between two systems
	for _, msg := range []any{Open{}, Talk{}, Elaborate{}, Result{}, Again{}, Finished{}} {
		gob.Register(msg)
	}
}

// Consumer elaborates, and breaks at every third message of its life. That is
// its bug; what matters is that nobody else has to fall with it.
func Consumer() Behaviour {
	handled := 0 // this state has one owner, and lasts as long as this behaviour
	return func(me *Actor, msg any) {
		e, ok := msg.(Elaborate)
		if !ok {
			return
		}
		if handled++; handled%3 == 0 {
			panic("it breaks at its third message")
		}
		me.Tell(e.ReplyTo, Result{e.A + e.B, handled})
	}
}

// Producer sends n messages and waits for each answer without blocking: between
// two messages its goroutine is free for whatever else arrives. Read the three
// behaviours as the states of a machine, and Become as its arrows.
func Producer(out io.Writer, n int, report Address) func() Behaviour {
	return func() Behaviour {
		var to Address
		i := 0
		ask := func(me *Actor) { me.Tell(to, Elaborate{i, i, me.Self}) }

		finished := func(*Actor, any) {}
		waiting := func(me *Actor, msg any) {
			switch m := msg.(type) {
			case Again: // the same i: the answer never came
				ask(me)
			case Result:
				fmt.Fprintf(out, "  producer: Counter: %d with result: %d "+
					"(message %d of the consumer's life)\n", i, m.Sum, m.Handled)
				if i++; i > n {
					me.Become(finished)
					me.Tell(report, Finished{})
					return
				}
				ask(me)
			}
		}
		return func(me *Actor, msg any) { // idle
			if talk, ok := msg.(Talk); ok {
				to, i = talk.To, 1
				me.Become(waiting)
				ask(me)
			}
		}
	}
}

// Shop is the parent of the two: it hires them, and restarts the one that fails.
// It is told of a failure as of anything else, by a message.
func Shop(out io.Writer, n int, done func()) func() Behaviour {
	return func() Behaviour {
		var producer Address
		return func(me *Actor, msg any) {
			switch m := msg.(type) {
			case Open:
				consumer := me.Spawn("consumer", Consumer)
				producer = me.Spawn("producer", Producer(out, n, me.Self))
				me.Tell(producer, Talk{consumer})
			case Failed:
				fmt.Fprintf(out, "  shop:     the %s failed (%s): restart it\n",
					m.Child, m.Reason)
				me.Restart(m.Child)
				me.Tell(producer, Again{})
			case Finished:
				done()
			}
		}
	}
}
