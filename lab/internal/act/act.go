// Package act has the acts: what a run can be told to do, by a person with `lab do`, by a key,
// or by the timeline of an experiment. Each act is one file that holds all there is to know of
// it. To add an act is to add a file.
//
// The package knows neither a manifest nor a bench: an act is checked against a [Step] before
// anything is started, and done to a [Run].
package act

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// ErrCannot says that this system, or this run, cannot do what an act asks for. An experiment
// that meets it was not run, which is not the same as held.
var ErrCannot = errors.New("cannot be done here")

// Act is one thing that a run can be told to do.
type Act struct {
	Name  string
	Words string // what stands behind the name, as the help shows it: WHO, N
	Help  string // what it does, in one line
	Like  string // an example
	// Fault says that something breaks.
	Fault bool
	// Proxy says that the run needs a proxy between its processes and its servers.
	Proxy bool
	// Tool says that the step must have a command of its own for it.
	Tool bool
	// Aside says that a timeline does not wait for its end: what happens in the middle of it
	// is what it is for.
	Aside bool
	Keys  []Key
	// Check says what is wrong with the words behind the name.
	Check func(Step, []string) error
	// Suits says whether the act has something to do for a process. When the first word is a
	// kind, chance chooses one of its processes for which that holds. Without it, the first
	// word is left as it is.
	Suits func(Target) bool
	// Do carries it out and returns when it is done.
	Do func(context.Context, Run, []string) error
}

// Key carries an act out when it is pressed in a run that somebody watches. WORKER in its texts
// is the kind of process that does the work, SERVER the first server that the lab may restart;
// without such a server, a key that names it is not there.
type Key struct {
	Keys  []string // the first of them is shown
	Act   string
	Short string // for the line at the bottom of the screen
	Help  string
}

// Step is what an act must know of the step that it is to be done to.
type Step interface {
	Kinds() []string    // of its processes
	Services() []string // the kinds of server that it needs, such as redis
	// Tool is the step's own command for an act that needs one, empty when it has none.
	Tool(act string) []string
	// Deployer is the kind of process that brings in other versions, empty when there is none.
	Deployer() string
}

// Run is a running step, as an act sees it. Its methods are safe for concurrent use.
type Run interface {
	// Find reads WHO: a process, every process of a kind, a server.
	Find(words []string) ([]Target, error)
	// Members are the processes of a kind.
	Members(kind string) ([]Target, error)
	// Add starts one more process of a kind, which has none that could be started.
	Add(kind string) error
	// Place places n sample orders in one request.
	Place(ctx context.Context, n int) (accepted int, err error)
	// Ask places one order, whose body is given. That the shop refuses it is in the ledger.
	Ask(ctx context.Context, body string)
	// Inject runs the step's own tool for an act, with more arguments behind its own.
	Inject(ctx context.Context, act string, more ...string) error
	// Deploy asks the step's deployer for another version.
	Deploy(ctx context.Context, version string) error
}

// Target is a process or a server of a run. Its methods are safe for concurrent use.
type Target interface {
	Name() string
	Running() bool  // ready or not
	Hangs() bool    // it was paused
	Impaired() bool // its connections are cut or slow

	Kill(context.Context) error
	Stop(context.Context) error
	Start(context.Context) error
	Pause(context.Context) error
	Resume(context.Context) error
	Cut(context.Context) error
	Slow(context.Context, Slow) error
	Heal(context.Context) error
	// Isolate cuts a server off from the others of its kind.
	Isolate(context.Context) error
}

// Whom are the words of WHO, when the act is done to somebody.
func (a Act) Whom(words []string) []string {
	switch {
	case a.Suits == nil || len(words) == 0:
		return nil
	case words[0] == "every":
		return words[:min(2, len(words))]
	}
	return words[:1]
}

var all []Act

// add puts an act into the table. Each file calls it once.
func add(a Act) bool {
	all = append(all, a)
	slices.SortFunc(all, func(a, b Act) int { return cmp.Compare(a.Name, b.Name) })
	return true
}

// All are the acts there are, in alphabetical order.
func All() []Act { return slices.Clone(all) }

// Names are the first words of the acts there are.
func Names() []string {
	names := make([]string, len(all))
	for i, a := range all {
		names[i] = a.Name
	}
	return names
}

// Find returns the act of that name.
func Find(name string) (Act, error) {
	i := slices.IndexFunc(all, func(a Act) bool { return a.Name == name })
	if i >= 0 {
		return all[i], nil
	}
	return Act{}, fmt.Errorf("%q is no act%s", name, orNearest(name, Names()))
}

// Parse reads an act and the words behind its name. Whether the words are right says its Check.
func Parse(text string) (Act, []string, error) {
	words := strings.Fields(text)
	if len(words) == 0 {
		return Act{}, nil, fmt.Errorf("what is to be done?\n%s", Help())
	}
	a, err := Find(words[0])
	return a, words[1:], err
}

// each does the same to every target that is named.
func each(
	ctx context.Context, run Run, words []string, do func(context.Context, Target) error,
) error {
	targets, err := run.Find(words)
	if err != nil {
		return err
	}
	var errs []error
	for _, t := range targets {
		errs = append(errs, do(ctx, t))
	}
	return errors.Join(errs...)
}

// toEach is the Do of an act that does the same to every target that is named.
func toEach(do func(Target, context.Context) error) func(context.Context, Run, []string) error {
	return func(ctx context.Context, run Run, words []string) error {
		return each(ctx, run, words, func(ctx context.Context, t Target) error {
			return do(t, ctx)
		})
	}
}

// What an act may look for in a process.
func works(t Target) bool    { return t.Running() && !t.Hangs() }
func hangs(t Target) bool    { return t.Hangs() }
func impaired(t Target) bool { return t.Impaired() }
func rests(t Target) bool    { return !t.Running() }
