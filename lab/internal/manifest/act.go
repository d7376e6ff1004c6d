package manifest

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"course.example/lab/internal/act"
)

// CheckAct says what is wrong with an act of a timeline, before anything is
// started: found in the middle of a run, a slip of the pen would cost minutes.
func (s *Step) CheckAct(text string) error {
	a, words, err := act.Parse(text)
	if err != nil {
		return err
	}
	return a.Check(s, words)
}

// Kinds are the names of the step's processes.
func (s *Step) Kinds() []string {
	names := make([]string, len(s.Processes))
	for i, p := range s.Processes {
		names[i] = p.Name
	}
	return names
}

// Services are the kinds of server that the step needs.
func (s *Step) Services() []string {
	names := make([]string, len(s.Needs))
	for i, need := range s.Needs {
		names[i], _, _ = strings.Cut(need, " ")
	}
	return names
}

// Injections are the step's own commands for what is done past its front door, by the name of the
// act that they are for: poison and duplicate put messages into the step's input, hand does what
// people do by hand. Each is a package of the step and its arguments, which may ask for [Places],
// and gets "-count N" or the words of the act besides.
type Injections map[string][]string

// Tool is the step's own command for an act that puts messages into its input.
func (s *Step) Tool(name string) []string { return s.Inject[name] }

// Deployer is the kind of process that brings in other versions, "" when there is none.
func (s *Step) Deployer() string {
	for _, p := range s.Processes {
		if p.Deploys {
			return p.Name
		}
	}
	return ""
}

// checkInject refuses a tool that no act uses.
func (s *Step) checkInject() error {
	for _, name := range slices.Sorted(maps.Keys(s.Inject)) {
		a, err := act.Find(name)
		if err == nil && !a.Tool {
			err = fmt.Errorf("%q is an act that needs no tool", name)
		}
		if err == nil && len(s.Inject[name]) == 0 {
			err = errors.New("the command is missing")
		}
		if err != nil {
			return under(err, "inject", name)
		}
	}
	return nil
}

// NeedsProxy says whether any act of a timeline is done to the network.
func (t Timeline) NeedsProxy() bool {
	return t.any(func(a act.Act) bool { return a.Proxy })
}

// breaks says whether a timeline breaks anything.
func (t Timeline) breaks() bool { return t.any(func(a act.Act) bool { return a.Fault }) }

func (t Timeline) any(is func(act.Act) bool) bool {
	return slices.ContainsFunc(t, func(e Entry) bool {
		return slices.ContainsFunc(e.Acts, func(text string) bool {
			a, _, err := act.Parse(text)
			return err == nil && is(a)
		})
	})
}
