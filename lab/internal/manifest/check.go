package manifest

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"course.example/lab/services"
)

// Bounds of what a manifest may ask for. What lies beyond is a slip of the pen.
const (
	MaxRate = 10_000 // orders a second
	minRate = 0.01
	// How many processes there may be of a kind, and orders in one request: as the acts
	// scale and burst have it.
	maxProcesses = 64
	maxOrders    = 100_000
	maxLong      = time.Hour        // of a load, and of a program that runs once
	maxWait      = 10 * time.Minute // of everything else
)

// plainName is what a process, a variant or an experiment may be called: it becomes the name of a
// file, a word of a command and a part of a list with commas.
var plainName = regexp.MustCompile(`^[a-z0-9]+([-_.][a-z0-9]+)*$`)

// variable is the name of an environment variable.
var variable = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

func (s *Step) checkHints() error {
	for i, hint := range s.Hints {
		if err := s.checkURL(hint); err != nil {
			return under(err, "hints", strconv.Itoa(i))
		}
	}
	return nil
}

// ours are the variables that the lab sets itself: by them it knows what a process does.
var ours = []string{"LOG_FORMAT", "LOG_LEVEL", "ADDR", "PROCESS"}

// check refuses what cannot be carried out, or would say nothing. Found in the middle of a run, a
// slip of the pen would cost minutes; found never, it would be taken for a promise.
func (s *Step) check(src *source) error {
	if err := src.zeros(); err != nil {
		return err
	}
	s.fill()
	if s.Title == "" {
		return under(errors.New("is missing"), "title")
	}
	for _, check := range []func() error{
		s.checkNeeds, s.checkProcesses, s.checkVariants, s.checkRun, s.checkGauges,
		s.checkInject, s.checkHints, s.checkWaiting, s.checkAudit, s.checkExperiments, s.checkBreaks,
	} {
		if err := check(); err != nil {
			return err
		}
	}
	return under(s.checkScore(), "score")
}

// zeros refuses a 0 where it would be taken for nothing said: a count of 0 would become 1.
func (s *source) zeros() error {
	for _, path := range s.zero {
		return &slip{path, errors.New("0 says nothing here: leave it out")}
	}
	return nil
}

func (s *Step) checkNeeds() error { return checkServers(s.Needs) }

// checkServers refuses servers that there are not.
func checkServers(needs []string) error {
	var kinds, seen []string
	for _, k := range services.Kinds() {
		kinds = append(kinds, string(k))
	}
	for i, text := range needs {
		at := []string{"needs", strconv.Itoa(i)}
		kind, _, _ := strings.Cut(text, " ")
		if !slices.Contains(kinds, kind) {
			return under(fmt.Errorf("there is no service %q%s", kind, didYouMean(kind, kinds)), at...)
		}
		if _, err := services.ParseNeed(text); err != nil {
			return under(err, at...)
		}
		if slices.Contains(seen, kind) {
			return under(fmt.Errorf("%s is there twice", kind), at...)
		}
		seen = append(seen, kind)
	}
	return nil
}

// checkOther refuses servers in place of the step's that are not of the same kinds.
func (s *Step) checkOther(needs []string) error {
	if err := checkServers(needs); err != nil || len(needs) == 0 {
		return err
	}
	if want, got := kindsOf(s.Needs), kindsOf(needs); !slices.Equal(want, got) {
		return wrong("needs", "they take the place of the step's, and must be of the same kinds: %s",
			strings.Join(want, ", "))
	}
	return nil
}

// kindsOf are the kinds of servers, in alphabetical order.
func kindsOf(needs []string) []string {
	var kinds []string
	for _, need := range needs {
		kind, _, _ := strings.Cut(need, " ")
		kinds = append(kinds, kind)
	}
	slices.Sort(kinds)
	return kinds
}

func (s *Step) checkProcesses() error {
	if len(s.Processes) == 0 {
		return under(errors.New("a step has at least one"), "processes")
	}
	var names []string
	for i, p := range s.Processes {
		at := []string{"processes", strconv.Itoa(i)}
		if err := s.checkName(p.Name, names); err != nil {
			return under(err, append(at, "name")...)
		}
		names = append(names, p.Name)
		if err := s.checkProcess(p); err != nil {
			return under(err, at...)
		}
	}
	if _, once := s.Once(); !once && !slices.ContainsFunc(s.Processes,
		func(p Process) bool { return p.HTTP }) {
		return under(errors.New("none has http: true, so nobody takes orders"), "processes")
	}
	return nil
}

// checkName refuses the name of a process by which something else would be meant, too.
func (s *Step) checkName(name string, taken []string) error {
	if err := checkPlain(name, taken); err != nil {
		return err
	}
	if slices.Contains([]string{"lab", "customer", "every"}, name) {
		return fmt.Errorf("%q is taken by the lab itself", name)
	}
	if kind := kindOf(name); kind != name {
		return fmt.Errorf("%q would be one of the kind %s", name, kind)
	}
	for _, need := range s.Needs {
		if kind, _, _ := strings.Cut(need, " "); kind == name {
			return fmt.Errorf("%q is a service that the step needs", name)
		}
	}
	return nil
}

func checkPlain(name string, taken []string) error {
	switch {
	case name == "":
		return errors.New("is missing")
	case !plainName.MatchString(name):
		return fmt.Errorf("%q is no name: write small letters, digits and dashes", name)
	case slices.Contains(taken, name):
		return fmt.Errorf("%q is taken", name)
	}
	return nil
}

func (s *Step) checkProcess(p Process) error {
	if err := s.checkOnce(p); err != nil {
		return err
	}
	switch {
	case p.Count < 0 || p.Count > maxProcesses:
		return wrong("count", "%d is not from 0 to %d", p.Count, maxProcesses)
	case p.UpTo < 0 || p.UpTo > maxProcesses:
		return wrong("up-to", "%d is not from 0 to %d", p.UpTo, maxProcesses)
	case p.InFlight < 0:
		return wrong("in-flight", "%d: it cannot be negative", p.InFlight)
	case p.Spare && p.Count > 0:
		return wrong("count", "it is spare, so that none is started at the start")
	case p.UpTo > 0 && !p.HTTP:
		return wrong("up-to", "addresses are for a process with http: true")
	case p.UpTo > 0 && p.UpTo < p.Count:
		return wrong("up-to", "%d is less than the count, %d", p.UpTo, p.Count)
	case p.Orders && !p.HTTP:
		return wrong("orders", "it takes orders by http, and has no http: true")
	case p.Deploys && !p.HTTP:
		return wrong("deploys", "it is told by http, and has no http: true")
	}
	return under(s.checkEnv(p.Env), "env")
}

// checkOnce refuses what a program that runs once cannot have.
func (s *Step) checkOnce(p Process) error {
	if !p.Once {
		return nil
	}
	switch {
	case len(s.Processes) > 1:
		return wrong("once", "it must be the step's only process")
	case p.HTTP || p.Orders || p.Control || p.InFlight > 0 || p.Count != 1:
		return wrong("once", "it has no http, orders, control, in-flight and count")
	case s.Run.Work != nil || len(s.Inject) > 0:
		return wrong("once", "nobody places orders: it has no run and no inject")
	case len(s.Gauges) > 0:
		return wrong("once", "it is judged by what it prints: it has no gauges")
	}
	return nil
}

func (s *Step) checkVariants() error {
	var names []string
	for i, v := range s.Variants {
		at := []string{"variants", strconv.Itoa(i)}
		if err := checkPlain(v.Name, names); err != nil {
			return under(err, append(at, "name")...)
		}
		names = append(names, v.Name)
		if err := s.checkEnv(v.Env); err != nil {
			return under(err, append(at, "env")...)
		}
		if err := errors.Join(s.checkOther(v.Needs), s.checkPrograms(v)); err != nil {
			return under(err, at...)
		}
	}
	return nil
}

func (s *Step) checkRun() error {
	if s.Run.Count != 0 || s.Run.Crowd != 0 || s.Run.For != 0 || s.Run.Patience != 0 {
		return wrong("run", "count, crowd, for and patience are for the load of an experiment")
	}
	return under(s.Run.check(), "run")
}

func (s *Step) checkGauges() error {
	for _, name := range slices.Sorted(maps.Keys(s.Gauges)) {
		if strings.ContainsAny(name, " \t") || name == "" {
			return under(fmt.Errorf("%q is no attribute of a log line", name), "gauges", name)
		}
	}
	return nil
}

// check refuses a load that nobody can place.
func (l Load) check() error {
	switch {
	case l.Rate != 0 && (l.Rate < minRate || l.Rate > MaxRate):
		return wrong("rate", "%v is not from %v to %d orders a second", l.Rate, minRate, MaxRate)
	case l.Crowd != 0 && (l.Crowd < minRate || l.Crowd > MaxRate):
		return wrong("crowd", "%v is not from %v to %d orders a second", l.Crowd, minRate, MaxRate)
	case l.Count < 0 || l.Count > maxOrders:
		return wrong("count", "%d is not from 1 to %d orders", l.Count, maxOrders)
	}
	if l.Work != nil {
		if err := checkTime("work", *l.Work, maxWait); err != nil {
			return err
		}
	}
	return errors.Join(checkTime("for", l.For, maxLong), checkTime("patience", l.Patience, maxWait))
}

func checkTime(key string, d Duration, most time.Duration) error {
	switch {
	case d < 0:
		return wrong(key, "%v: it cannot be negative", d.Std())
	case d.Std() > most:
		return wrong(key, "%v is too long: %v is the most", d.Std(), most)
	}
	return nil
}

// places are what a value may ask for, none of them real yet.
func (s *Step) places() Places {
	return Places{
		URLs: func(kind string) ([]string, error) {
			p, ok := s.Process(kind)
			if !ok || !p.HTTP {
				return nil, fmt.Errorf("there is no process %q that serves http", kind)
			}
			return slices.Repeat([]string{""}, p.Places()), nil
		},
		Dir: func(name string) (string, error) { return name, nil },
	}
}

// checkURL finds a slip in an address that the lab asks itself.
func (s *Step) checkURL(text string) error {
	_, err := Expand(text, s.places())
	return err
}

// checkEnv finds a slip in an env: before anything is started.
func (s *Step) checkEnv(env map[string]string) error {
	places := s.places()
	for _, name := range slices.Sorted(maps.Keys(env)) {
		if !variable.MatchString(name) {
			return wrong(name, "is no name of a variable")
		}
		if slices.Contains(ours, name) {
			return wrong(name, "the lab sets it itself, and reads what comes of it")
		}
		if _, err := Expand(env[name], places); err != nil {
			return under(err, name)
		}
	}
	return nil
}

// wrong is a slip under one key.
func wrong(key, format string, args ...any) error {
	return under(fmt.Errorf(format, args...), key)
}
