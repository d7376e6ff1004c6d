package manifest

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
)

// Conditions are what a run must have come to, in the order of the manifest:
//
//	lost: 0
//	duplicated: <= in-flight
//	recovers: within 10s
//	attempts: "> 100"
//	processed by consumer-2: 0
type Conditions []Condition

// Condition compares one figure of a run with a bound.
type Condition struct {
	Figure string // lost, duplicated, recovers, "processed by consumer-2", ...
	Op     string // = > >= < <=
	Bound  float64
	// InFlight makes the bound what was in flight at the faults.
	InFlight bool
	// Text is the bound as written.
	Text string
}

// Figures that may stand in a condition. "processed by NAME" comes beside them.
var figures = map[string]bool{
	"accepted": true, "processed": true, "failed": true, "lost": true,
	"duplicated": true, "ghosts": true, "refused": true, "attempts": true,
	"skipped": true, "recovers": true,
}

// UnmarshalYAML reads conditions.
func (c *Conditions) UnmarshalYAML(raw []byte) error {
	var lines yaml.MapSlice
	if err := yaml.UnmarshalWithOptions(raw, &lines, yaml.UseOrderedMap()); err != nil {
		return fmt.Errorf("conditions: %w", err)
	}
	for _, line := range lines {
		condition, err := ParseCondition(fmt.Sprint(line.Key), fmt.Sprint(line.Value))
		if err != nil {
			return err
		}
		*c = append(*c, condition)
	}
	return nil
}

var comparison = regexp.MustCompile(`^(>=|<=|=|>|<)?\s*([0-9.]+|in-flight)$`)

// ParseCondition reads one condition.
func ParseCondition(figure, text string) (Condition, error) {
	text = strings.TrimSpace(text)
	c := Condition{Figure: figure, Op: "=", Text: text}
	by, isBy := strings.CutPrefix(figure, "processed by ")
	if !figures[figure] && (!isBy || by == "") {
		return c, fmt.Errorf("%q is no figure that a run has", figure)
	}
	if figure == "recovers" {
		limit, err := time.ParseDuration(strings.TrimPrefix(text, "within "))
		if err != nil {
			return c, fmt.Errorf("recovers: write within 10s, not %q", text)
		}
		c.Op, c.Bound = "<=", limit.Seconds()
		return c, nil
	}
	m := comparison.FindStringSubmatch(text)
	if m == nil {
		return c, fmt.Errorf("%s: %q is no bound: write 0, \"> 0\" or <= in-flight",
			figure, text)
	}
	if m[1] != "" {
		c.Op = m[1]
	}
	if m[2] == "in-flight" {
		c.InFlight = true
		return c, nil
	}
	bound, err := strconv.ParseFloat(m[2], 64)
	if err != nil {
		return c, fmt.Errorf("%s: %q is no number: %w", figure, m[2], err)
	}
	c.Bound = bound
	return c, nil
}

// Holds compares a figure with the bound.
func (c Condition) Holds(value, inFlight float64) bool {
	bound := c.Bound
	if c.InFlight {
		bound = inFlight
	}
	switch c.Op {
	case ">":
		return value > bound
	case ">=":
		return value >= bound
	case "<":
		return value < bound
	case "<=":
		return value <= bound
	default:
		return value == bound
	}
}

// String is the condition as a reader would say it: lost 0, duplicated ≤ 10.
func (c Condition) String() string {
	if c.Figure == "recovers" {
		return c.Figure + " " + c.Text
	}
	text := strings.NewReplacer(">=", "≥", "<=", "≤").Replace(c.Text)
	return c.Figure + " " + text
}

// Figures lists the figures that a condition may name, in alphabetical order.
func Figures() []string { return slices.Sorted(maps.Keys(figures)) }
