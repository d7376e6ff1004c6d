package manifest

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"course.example/lab/internal/figure"
)

// Conditions are what a run must have come to, in the order of the manifest:
//
//	lost: 0
//	duplicated: <= in-flight
//	ghosts: <= refused
//	recovers: within 10s
//	recovers: after 10s
//	attempts: > 100
//	processed by consumer-2: 0
//	lost: > 0 and <= in-flight
//	highest depth: <= 64
//	answer p99: <= 1s
//	availability: >= 99.5
//
// An editor wants quotes around what begins with >. The figures there are, and how
// their bounds are written, stand in [figure.Table].
type Conditions []Condition

// Condition compares one figure of a run with a bound.
type Condition struct {
	Figure string // lost, duplicated, recovers, "processed by consumer-2", ...
	figure.Bound
	// Text is the bound as written.
	Text string
	// Implied says that nobody has written it: every right experiment promises it.
	Implied bool
}

// conditionsOf are those of one line: several bounds between "and", or a list. What
// is printed may have an "and" in it. They still have to be parsed.
func conditionsOf(name string, bounds []string) Conditions {
	var all Conditions
	f, _, _ := figure.Find(name)
	for _, text := range bounds {
		parts := []string{text}
		if f.Of != figure.Program {
			parts = strings.Split(text, " and ")
		}
		for _, part := range parts {
			all = append(all, Condition{Figure: name, Text: strings.TrimSpace(part)})
		}
	}
	return all
}

// ParseCondition reads one condition.
func ParseCondition(name, text string) (Condition, error) {
	c := Condition{Figure: name, Text: strings.TrimSpace(text)}
	err := c.parse()
	return c, err
}

// parse reads the bound, and refuses one that says nothing.
func (c *Condition) parse() error {
	f, of, ok := figure.Find(c.Figure)
	if !ok {
		return fmt.Errorf("no run has such a figure%s", didYouMean(c.Figure, figureNames()))
	}
	if f.Of == figure.Singles && f.Family {
		if _, err := figure.Percentile(of); err != nil {
			return err
		}
	}
	bound, err := f.Rule.Parse(c.Text)
	if err != nil {
		return err
	}
	c.Bound = bound
	if err := f.Rule.Check(bound); err != nil {
		return under(err, c.Text)
	}
	return nil
}

// conditions are all that is judged.
func (e Experiment) conditions() []Condition { return slices.Concat(e.Promises, e.Shows) }

// Speaks says whether any condition is about a figure.
func (e Experiment) Speaks(figure string) bool {
	return slices.ContainsFunc(e.conditions(), func(c Condition) bool { return c.Figure == figure })
}

// RecoversWithin is how long the shop may be away at a fault, or 0 where nothing is promised.
func (e Experiment) RecoversWithin() time.Duration {
	for _, c := range e.Promises {
		if c.Figure == "recovers" && c.Op == "<=" {
			return time.Duration(c.Limit * float64(time.Second))
		}
	}
	return 0
}

// figureNames are the names of all figures, those of a family with an example.
func figureNames() []string {
	var names []string
	for _, f := range figure.Table {
		switch {
		case f.Of == figure.Singles && f.Family:
			names = append(names, f.Name+"50", f.Name+"99")
		case f.Family:
			names = append(names, f.Name+"NAME")
		default:
			names = append(names, f.Name)
		}
	}
	return names
}

// Of is the figure that the condition is about.
func (c Condition) Of() figure.Figure {
	f, _, _ := figure.Find(c.Figure)
	return f
}

// Ask is what the condition wants to know of a run.
func (c Condition) Ask() figure.Ask {
	_, of, _ := figure.Find(c.Figure)
	return figure.Ask{Name: of, Text: c.Text}
}

// Limits says that the condition is an upper limit on a time.
func (c Condition) Limits() bool {
	return c.Of().Rule.Stretches && strings.HasPrefix(c.Op, "<")
}

// Gauges lists the attributes of log lines whose largest value the conditions of
// an experiment name.
func (e Experiment) Gauges() []string {
	var names []string
	for _, c := range e.conditions() {
		if c.Of().Of == figure.Log {
			names = append(names, c.Ask().Name)
		}
	}
	return names
}

// String is the condition as a reader would say it: lost 0, duplicated ≤ 10.
func (c Condition) String() string {
	switch c.Figure {
	case "prints", "prints no":
		return c.Figure + " " + strconv.Quote(c.Text)
	}
	text := strings.NewReplacer(">=", "≥", "<=", "≤").Replace(c.Text)
	return c.Figure + " " + text
}

// imply adds what every right experiment promises, unless it says something else.
func (e *Experiment) imply() error {
	said := map[string]bool{}
	for _, c := range e.conditions() {
		said[c.Figure] = true
	}
	for _, f := range figure.Implied() {
		if said[f.Name] {
			continue
		}
		c := Condition{Figure: f.Name, Text: f.Implied, Implied: true}
		if err := c.parse(); err != nil {
			return err
		}
		e.Promises = append(e.Promises, c)
	}
	return nil
}
