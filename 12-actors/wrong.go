package actors

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"strings"

	"course.example/12-actors/engine"
)

// variant is what a process does in one way or another.
type variant struct {
	memory       func(engine.Store) func() engine.Store // called once for each activation
	mailbox      int                                    // how many calls may wait for a grain
	serveExpired bool
	servesOn     bool // when the lease has ended
	retries      func() engine.Retries
}

var right = variant{memory: persisted, mailbox: mailboxSize, retries: budget}

func budget() engine.Retries { return engine.NewBudget() }

// variants are the right way and the wrong ones.
var variants = map[string]variant{
	"":      right,
	"right": right,

	"no-persistence": {memory: noPersistence, mailbox: mailboxSize, retries: budget},
	"no-clock":       {memory: persisted, mailbox: mailboxSize, retries: budget, servesOn: true},
	"no-version":     {memory: noVersion, mailbox: mailboxSize, retries: budget, servesOn: true},

	"unbounded-mailbox": {memory: persisted, serveExpired: true, retries: budget},
	"no-deadline": {
		memory: persisted, mailbox: mailboxSize, serveExpired: true, retries: budget,
	},
	"retry-without-budget": {
		memory: persisted, mailbox: mailboxSize,
		retries: func() engine.Retries { return endless{} },
	},
	// Nothing is wrong with these programs. Their Redis is started without a log of its writes:
	// what it has said yes to is in memory, and kill -9 takes it. Experiment: kill Redis.
	"volatile-store": right,
}

func variantNames() string {
	names := slices.Sorted(maps.Keys(variants))
	return strings.Join(slices.DeleteFunc(names, func(n string) bool {
		return n == "" || n == "right"
	}), ", ")
}

func persisted(store engine.Store) func() engine.Store { return func() engine.Store { return store } }

// noPersistence keeps the state in the memory of the activation. It is what an
// object would do, and as long as no silo dies nobody sees the difference.
//
// What goes wrong: the activation ends with its silo, or moves when another joins,
// and what it knew of accepted orders is gone. Experiment: kill the silos.
func noPersistence(engine.Store) func() engine.Store { return engine.Volatile }

// noVersion writes whatever the version in the store. There is only one
// activation, so who else should have written?
//
// What goes wrong: a silo that was paused does not know that it has been taken for
// dead. It goes on where it stopped and writes what it remembers over what the new
// activation has written since. Experiment: pause a silo for longer than its lease.
//
// It does not look at its clock either, which is the variant no-clock. A silo that does, serves no call that begins
// after its lease has ended, and the hole is smaller: a call that has begun before. No
// clock closes that one, since a process can be stopped between any two instructions.
func noVersion(store engine.Store) func() engine.Store { return persisted(blind{store}) }

type blind struct{ engine.Store }

func (b blind) Write(ctx context.Context, grain string, c engine.Change) error {
	for {
		err := b.Store.Write(ctx, grain, c)
		if !errors.Is(err, engine.ErrStale) {
			return err
		}
		found, err := b.Read(ctx, grain)
		if err != nil {
			return err
		}
		slog.Warn("writing over what another activation has written", "grain", grain,
			"expected", c.Expect, "found", found.Version)
		// That the effect is in the store is what the others have written, too.
		c.Expect, c.Effect = found.Version, ""
	}
}

// endless tries again for as long as the customer waits.
//
// What goes wrong: it is right for one caller who has met one fault. When all meet the
// same one, that there is too much to do, each of them makes it more.
type endless struct{}

func (endless) Answered() {}

func (endless) Again(err error) bool { return !engine.Refused(err) }
