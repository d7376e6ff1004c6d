package manifest

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"course.example/lab/internal/figure"
)

func (s *Step) checkExperiments() error {
	var names []string
	alike := map[string]string{}
	for i := range s.Experiments {
		e, at := &s.Experiments[i], []string{"experiments", strconv.Itoa(i)}
		if err := checkPlain(e.Name, names); err != nil {
			return under(err, append(at, "name")...)
		}
		names = append(names, e.Name)
		does := e.does()
		if other := alike[does]; other != "" {
			return under(fmt.Errorf("is the same as %s but for its name", other), at...)
		}
		alike[does] = e.Name
		if err := s.checkExperiment(e); err != nil {
			return under(err, at...)
		}
	}
	return nil
}

// does is all that an experiment does and judges: the same text, the same experiment.
func (e Experiment) does() string {
	work := ""
	if e.Load.Work != nil {
		work = e.Load.Work.Std().String()
	}
	e.Name, e.About, e.Long, e.Soak, e.Load.Work = "", "", false, false, nil
	return fmt.Sprint(e, work)
}

// soaked are the gauges of every program that ends a soak: what it still holds then.
var soaked = []string{"heap_mb", "goroutines"}

func (s *Step) checkExperiment(e *Experiment) error {
	if _, err := s.Variant(e.Variant); err != nil {
		return under(err, "variant")
	}
	if err := errors.Join(under(s.checkEnv(e.Env), "env"), s.checkOther(e.Needs)); err != nil {
		return err
	}
	_, once := s.Once()
	var err error
	if once {
		err = e.checkOnce()
	} else {
		err = s.checkLoad(*e)
	}
	if err != nil {
		return err
	}
	for _, part := range []struct {
		key        string
		conditions Conditions
	}{{"promises", e.Promises}, {"shows", e.Shows}} {
		for i := range part.conditions {
			c := &part.conditions[i]
			if err := s.checkCondition(*e, c); err != nil {
				return under(err, part.key, c.Figure)
			}
		}
	}
	if err := e.checkTogether(); err != nil {
		return err
	}
	if e.Variant == Right && !once {
		return e.imply()
	}
	return nil
}

// checkOnce checks an experiment with a program that runs once.
func (e Experiment) checkOnce() error {
	if e.Load != (Load{}) || len(e.Scale) > 0 || len(e.Faults) > 0 || e.Settle != 0 ||
		len(e.Needs) > 0 {
		return errors.New("a program that runs once has no load, scale, faults, settle and needs")
	}
	if err := checkTime("limit", e.Limit, maxLong); err != nil {
		return err
	}
	if len(e.Promises) == 0 && len(e.Shows) == 0 {
		return errors.New("promises nothing and shows nothing: what is it for?")
	}
	return e.checkSides()
}

// checkSides says who promises and who shows.
func (e Experiment) checkSides() error {
	if e.Variant != Right && len(e.Shows) == 0 {
		return wrong("variant", "%s is wrong, so it must show something", e.Variant)
	}
	if e.Variant == Right && len(e.Shows) > 0 {
		return wrong("shows", "is for a wrong variant: what is right promises")
	}
	return nil
}

func (s *Step) checkLoad(e Experiment) error {
	if err := e.checkSides(); err != nil {
		return err
	}
	for _, kind := range sortedKeys(e.Scale) {
		if _, ok := s.Process(kind); !ok {
			return under(fmt.Errorf("there is no process %q%s", kind,
				didYouMean(kind, s.kinds())), "scale", kind)
		}
		if n := e.Scale[kind]; n < 0 || n > maxProcesses {
			return under(fmt.Errorf("%d is not from 0 to %d", n, maxProcesses), "scale", kind)
		}
	}
	if err := e.Load.check(); err != nil {
		return under(err, "load")
	}
	switch {
	case e.Load.Rate == 0 && e.Load.Count == 0:
		return wrong("load", "needs a rate (with for) or a count")
	case e.Load.Rate > 0 && e.Load.For == 0:
		return wrong("load", "a rate needs for: how long")
	case e.Load.Crowd > 0 && len(e.Faults) == 0:
		return wrong("load", "a crowd comes until the first of the faults: which?")
	case !s.takesOrders(e):
		return wrong("scale", "nobody is left who takes orders")
	}
	if err := checkTime("settle", e.Settle, maxWait); err != nil {
		return err
	}
	if err := checkTime("limit", e.Limit, maxWait); err != nil {
		return err
	}
	// Where nobody tells what waits, what is in work is silent.
	work := e.Load.WorkTime()
	if s.Waiting == nil && work != nil && e.Settle.Std() <= *work {
		return wrong("settle", "%v is no longer than the work of one order, %v: "+
			"what is in work would count as lost", e.Settle.Std(), *work)
	}
	return under(s.checkFaults(e), "faults")
}

// takesOrders says whether somebody does, at the start or later.
func (s *Step) takesOrders(e Experiment) bool {
	return slices.ContainsFunc(s.Processes, func(p Process) bool {
		return p.Orders && s.most(e, p) > 0
	})
}

// checkCondition parses one condition, and asks whether this run can say anything to it.
func (s *Step) checkCondition(e Experiment, c *Condition) error {
	f, of, known := figure.Find(c.Figure)
	if !known {
		return fmt.Errorf("no run has such a figure%s", didYouMean(c.Figure, s.figures(e)))
	}
	if _, once := s.Once(); once != (f.Of == figure.Program) {
		if once {
			return errors.New("a program that runs once has no such figure: " +
				"it exits, ends, prints and prints no")
		}
		return errors.New("is a figure of a process with once")
	}
	if err := s.checkAsked(e, f, of); err != nil {
		return err
	}
	if err := c.parse(); err != nil {
		return err
	}
	switch {
	case c.Than == "in-flight" && !e.Faults.breaks():
		return errors.New("nothing is broken, so nothing is in flight")
	case c.Than == "in-flight" && !slices.ContainsFunc(s.Processes,
		func(p Process) bool { return p.InFlight > 0 }):
		return errors.New("no process says in-flight: how many orders it may hold")
	case f.Name == "ends" && c.Op == "<=" && c.Bound.Limit > e.Limit.Std().Seconds():
		return fmt.Errorf("it is killed after %v: give it a longer limit", e.Limit.Std())
	}
	return nil
}

// checkAsked says whether there will be anything from which the figure can be told.
func (s *Step) checkAsked(e Experiment, f figure.Figure, of string) error {
	single := e.Load.Rate > 0 || e.Load.Crowd > 0 || e.Faults.has("order")
	switch {
	case f.Of == figure.Singles && !single:
		return errors.New("is of customers with one order each, and load: count is one " +
			"request of many orders: give it a rate")
	case f.Of == figure.Faults && !e.Faults.breaks():
		return errors.New("promises to recover, and nothing is broken")
	case f.Of == figure.Faults && e.Load.Rate == 0:
		return errors.New("is seen by customers who keep coming: give load a rate")
	case f.Of == figure.Telemetry && !s.needs("jaeger") && !s.needs("seq"):
		return errors.New("the step needs no receiver of telemetry, jaeger or seq, to tell it")
	case f.Of == figure.Log:
		gauges := sortedKeys(s.Gauges)
		if e.Soak {
			gauges = append(gauges, soaked...)
		}
		if !slices.Contains(gauges, of) {
			return fmt.Errorf("there is no gauge %q in gauges%s", of, didYouMean(of, gauges))
		}
	case f.Name == "processed by ":
		if names := s.processes(e); !slices.Contains(names, of) {
			return fmt.Errorf("there is no process %q in this run%s", of, didYouMean(of, names))
		}
	}
	return nil
}

// figures are the names of all figures of a run, for one that was mistyped.
func (s *Step) figures(e Experiment) []string {
	names := slices.DeleteFunc(figureNames(), func(n string) bool {
		return strings.HasSuffix(n, "NAME")
	})
	for _, p := range s.processes(e) {
		names = append(names, "processed by "+p)
	}
	for _, gauge := range sortedKeys(s.Gauges) {
		names = append(names, "highest "+gauge)
	}
	return names
}

// checkTogether refuses conditions that cannot all hold, and one that is there twice.
func (e Experiment) checkTogether() error {
	byFigure := map[string][]Condition{}
	for _, c := range e.conditions() {
		for _, before := range byFigure[c.Figure] {
			if before.Text == c.Text {
				return under(fmt.Errorf("%q is there twice", c.Text), e.keyOf(c), c.Figure)
			}
		}
		byFigure[c.Figure] = append(byFigure[c.Figure], c)
		if rule := c.Of().Rule; !meet(rule, byFigure[c.Figure]) {
			return under(fmt.Errorf("%s can never hold together",
				texts(byFigure[c.Figure])), e.keyOf(c), c.Figure)
		}
	}
	for _, c := range byFigure["prints no"] {
		for _, other := range byFigure["prints"] {
			if c.Text == other.Text {
				return under(fmt.Errorf("%q must be printed, too", c.Text), e.keyOf(c), c.Figure)
			}
		}
	}
	for _, c := range byFigure["ends"] {
		if exits := byFigure["exits"]; c.Text == figure.Never && len(exits) > 0 {
			return under(errors.New("a program that is killed has no exit code"),
				e.keyOf(exits[0]), "exits")
		}
	}
	return nil
}

func (e Experiment) keyOf(c Condition) string {
	if slices.Contains(e.Shows, c) {
		return "shows"
	}
	return "promises"
}

func meet(rule figure.Rule, conditions []Condition) bool {
	var bounds []figure.Bound
	for _, c := range conditions {
		bounds = append(bounds, c.Bound)
	}
	return rule.Meet(bounds)
}

func texts(conditions []Condition) string {
	var all []string
	for _, c := range conditions {
		all = append(all, c.Text)
	}
	return strings.Join(all, " and ")
}
