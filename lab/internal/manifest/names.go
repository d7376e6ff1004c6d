package manifest

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"course.example/lab/internal/act"
	"course.example/lab/services"
)

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }

// kinds are the names of the kinds of process.
func (s *Step) kinds() []string {
	var names []string
	for _, p := range s.Processes {
		names = append(names, p.Name)
	}
	return names
}

func (s *Step) needs(kind string) bool {
	return slices.ContainsFunc(s.Needs, func(need string) bool {
		name, _, _ := strings.Cut(need, " ")
		return name == kind
	})
}

// base is how many of a kind an experiment starts with.
func (e Experiment) base(p Process) int {
	if n, ok := e.Scale[p.Name]; ok {
		return n
	}
	return p.Count
}

// most is how many of a kind there can be in an experiment: those of the start, those for which
// addresses are set aside, and those that its timeline adds.
func (s *Step) most(e Experiment, p Process) int {
	most := e.base(p)
	for _, entry := range e.Faults {
		for _, act := range entry.Acts {
			words := strings.Fields(act)
			if len(words) != 3 || words[0] != "scale" || words[1] != p.Name {
				continue
			}
			n, err := strconv.Atoi(words[2])
			switch relative := strings.ContainsAny(words[2][:1], "+-"); {
			case err != nil: // CheckAct says so
			case relative && n > 0 && entry.Every:
				most = maxProcesses
			case relative:
				most += max(n, 0)
			default:
				most = max(most, n)
			}
		}
	}
	return max(most, p.UpTo)
}

// processes are the names of the processes that there can be in an experiment: producer for one
// that serves http and is alone at the start, consumer-2 for the others.
func (s *Step) processes(e Experiment) []string {
	var names []string
	for _, p := range s.Processes {
		for i := range s.most(e, p) {
			if i == 0 && p.HTTP && e.base(p) <= 1 {
				names = append(names, p.Name)
			} else {
				names = append(names, fmt.Sprintf("%s-%d", p.Name, i+1))
			}
		}
	}
	return names
}

// servers are the names of the servers of an experiment: redis when it is alone, or redis-1.
func (s *Step) servers(e Experiment) []string {
	var names []string
	needs, _ := s.ServersOf(e) // its variant was checked before
	for _, text := range needs {
		need, err := services.ParseNeed(text)
		if err != nil {
			continue // checkNeeds has said so
		}
		if need.Count <= 1 {
			names = append(names, string(need.Kind))
			continue
		}
		for i := range need.Count {
			names = append(names, fmt.Sprintf("%s-%d", need.Kind, i+1))
		}
	}
	return names
}

// has says whether a timeline has an act that begins with a word.
func (t Timeline) has(verb string) bool {
	return slices.ContainsFunc(t, func(e Entry) bool {
		return slices.ContainsFunc(e.Acts, func(act string) bool {
			word, _, _ := strings.Cut(act, " ")
			return word == verb
		})
	})
}

// checkFaults checks every act of a timeline: what is done, to whom and when.
func (s *Step) checkFaults(e Experiment) error {
	for _, entry := range e.Faults {
		if err := e.checkWhen(entry); err != nil {
			return under(err, entry.When)
		}
		for _, text := range entry.Acts {
			err := s.checkTarget(e, text)
			if err == nil {
				err = s.CheckAct(text)
			}
			if err != nil {
				return under(err, entry.When, text)
			}
		}
	}
	return nil
}

// BreaksServers says whether anything is done to a server of the experiment, which must then be its
// own.
func (s *Step) BreaksServers(e Experiment) bool {
	servers := append(s.servers(e), kindsOf(s.Needs)...)
	for _, entry := range e.Faults {
		for _, text := range entry.Acts {
			a, words, err := act.Parse(text)
			if err == nil && slices.ContainsFunc(a.Whom(words),
				func(who string) bool { return slices.Contains(servers, who) }) {
				return true
			}
		}
	}
	return false
}

// checkWhen refuses a fault at a time when there is nobody any more to notice it. What mends may
// come later, and so may what brings customers of its own.
func (e Experiment) checkWhen(entry Entry) error {
	end := e.Load.For.Std()
	switch {
	case entry.To > maxWait:
		return fmt.Errorf("is too late: %v is the latest", maxWait)
	case entry.Every && entry.From >= end:
		return fmt.Errorf("never comes: the load lasts %v", end)
	case e.Load.Count > 0 || e.Faults.has("burst") || e.Faults.has("order"):
		return nil // these may be in work for longer than customers come
	case entry.From >= end && (Timeline{entry}).breaks():
		return fmt.Errorf("customers come for %v: nobody would notice it", end)
	}
	return nil
}

// checkTarget refuses what hits nobody in this experiment.
func (s *Step) checkTarget(e Experiment, text string) error {
	a, words, err := act.Parse(text)
	if err != nil {
		return err
	}
	who := a.Whom(words)
	if len(who) == 0 {
		return nil // it is done to nobody, or CheckAct says what is missing
	}
	living := s.processes(e)
	if len(who) == 2 && who[0] == "every" {
		who = who[1:]
		living = nil
	}
	for _, name := range []string{who[0], kindOf(who[0])} {
		if p, ok := s.Process(name); ok && s.most(e, p) == 0 {
			return fmt.Errorf("no %s is ever started in this experiment", p.Name)
		}
	}
	if _, ok := s.Process(who[0]); ok {
		return nil
	}
	// A process that is alone answers to its number, too.
	alone, _ := strings.CutSuffix(who[0], "-1")
	if slices.Contains(living, who[0]) || slices.Contains(living, alone) {
		return nil
	}
	all := slices.Concat(s.kinds(), living, s.servers(e))
	if living != nil && slices.Contains(s.servers(e), who[0]) {
		return nil
	}
	return fmt.Errorf("there is no process and no service %q%s", who[0], didYouMean(who[0], all))
}

// kindOf is consumer for consumer-2, and a name without a number as it is.
func kindOf(process string) string {
	i := strings.LastIndex(process, "-")
	if i < 0 {
		return process
	}
	if _, err := strconv.Atoi(process[i+1:]); err != nil {
		return process
	}
	return process[:i]
}
