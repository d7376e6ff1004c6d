package manifest

import (
	"fmt"
	"maps"
	"math"
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
//	lost: "> 0 and <= in-flight"
//	highest depth: <= 64
//	answer p99: <= 1s
//	availability: ">= 99.5"
//
// "highest NAME" is the largest number that any log line had as its attribute
// NAME: the depth of a queue, the memory of a process.
//
// What a receiver of telemetry was sent can be judged too, see told:
//
//	untraced: 0
//	services per trace: 3
//
// and of a program that runs once:
//
//	exits: 0
//	ends: within 5s        # or: never, when it is killed at the experiment's limit
//	prints: "lost [1-9]"   # a regular expression that a line must match
//	prints no: [panic, "DATA RACE"]
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

	pattern *regexp.Regexp // what prints and prints no look for
}

// Figures that may stand in a condition. "processed by NAME" and "highest NAME"
// come beside them.
var figures = map[string]bool{
	"accepted": true, "processed": true, "failed": true, "lost": true,
	"duplicated": true, "ghosts": true, "refused": true, "attempts": true,
	"skipped": true, "recovers": true, "unanswered": true,
	// How long customers waited for any answer, and for being told no.
	"answer p50": true, "answer p99": true, "refusal p50": true, "refusal p99": true,
	// Of a hundred customers, how many were told yes.
	"availability": true,
	// How often the work was asked for, for each customer who asked once: what
	// retries make of the load.
	"amplification": true,
	exits:           true, ends: true, prints: true, printsNo: true,
}

// IsTime says that a figure is a time: its bound is one too, and its value is in
// seconds.
func IsTime(figure string) bool {
	return figure == "recovers" || strings.HasPrefix(figure, "answer ") ||
		strings.HasPrefix(figure, "refusal ")
}

// Limits says that the condition is an upper limit on a time.
func (c Condition) Limits() bool {
	return (IsTime(c.Figure) || c.Figure == ends) && strings.HasPrefix(c.Op, "<")
}

// NeedsTime says that the figure depends on how fast the machine is: a customer who waits too long
// gives up, and a queue that is worked off slowly is full.
func (c Condition) NeedsTime() bool {
	return IsTime(c.Figure) || slices.Contains([]string{ends, "availability", "amplification",
		"refused", "unanswered"}, c.Figure)
}

// Figures of a program that runs once.
const (
	exits    = "exits"
	ends     = "ends"
	prints   = "prints"
	printsNo = "prints no"
)

// never is the time after which a program ends that has to be killed.
const never = "never"

// told are figures that a receiver of telemetry has to tell, where a run has one: accepted orders
// that are in no trace; the least that any order's trace has of spans and services; traces that
// lack their root or a parent, and traces with a failed span; the most series of any metric; lines
// that name an order and no trace.
var told = map[string]bool{
	"untraced": true, "spans per trace": true, "services per trace": true, "traces": true,
	"broken traces": true, "failing traces": true, "series": true, "loose log lines": true,
}

// UnmarshalYAML reads conditions.
func (c *Conditions) UnmarshalYAML(raw []byte) error {
	var lines yaml.MapSlice
	if err := yaml.UnmarshalWithOptions(raw, &lines, yaml.UseOrderedMap()); err != nil {
		return fmt.Errorf("conditions: %w", err)
	}
	for _, line := range lines {
		for _, text := range bounds(fmt.Sprint(line.Key), line.Value) {
			condition, err := ParseCondition(fmt.Sprint(line.Key), text)
			if err != nil {
				return err
			}
			*c = append(*c, condition)
		}
	}
	return nil
}

var comparison = regexp.MustCompile(`^(>=|<=|=|>|<)?\s*([0-9.]+(?:m?s)?|in-flight)$`)

// ParseCondition reads one condition.
func ParseCondition(figure, text string) (Condition, error) {
	text = strings.TrimSpace(text)
	c := Condition{Figure: figure, Op: "=", Text: text}
	if !figures[figure] && !told[figure] && !hasName(figure, "processed by ") &&
		!hasName(figure, highest) {
		return c, fmt.Errorf("%q is no figure that a run has", figure)
	}
	switch figure {
	case "recovers", ends:
		return parseWithin(c)
	case prints, printsNo:
		return parsePattern(c)
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
	if IsTime(figure) {
		limit, err := time.ParseDuration(m[2])
		if err != nil {
			return c, fmt.Errorf("%s: write <= 250ms, not %q", figure, text)
		}
		c.Bound = limit.Seconds()
		return c, nil
	}
	bound, err := strconv.ParseFloat(m[2], 64)
	if err != nil {
		return c, fmt.Errorf("%s: %q is no number: %w", figure, m[2], err)
	}
	c.Bound = bound
	return c, nil
}

const highest = "highest "

func hasName(figure, prefix string) bool {
	name, ok := strings.CutPrefix(figure, prefix)
	return ok && name != ""
}

// Gauges lists the attributes of log lines whose largest value the conditions of
// an experiment name.
func (e Experiment) Gauges() []string {
	var names []string
	for _, c := range slices.Concat(e.Promises, e.Shows) {
		if name, ok := strings.CutPrefix(c.Figure, highest); ok {
			names = append(names, name)
		}
	}
	return names
}

// bounds are the bounds of one line: several figures between "and", or a list.
// What is printed may have an "and" in it.
func bounds(figure string, value any) []string {
	values, several := value.([]any)
	if !several {
		values = []any{value}
	}
	var all []string
	for _, v := range values {
		if figure == prints || figure == printsNo {
			all = append(all, fmt.Sprint(v))
			continue
		}
		all = append(all, strings.Split(fmt.Sprint(v), " and ")...)
	}
	return all
}

func parseWithin(c Condition) (Condition, error) {
	if c.Figure == ends && c.Text == never {
		c.Bound = math.MaxFloat64
		return c, nil
	}
	limit, err := time.ParseDuration(strings.TrimPrefix(c.Text, "within "))
	if err != nil {
		return c, fmt.Errorf("%s: write within 10s, not %q", c.Figure, c.Text)
	}
	c.Op, c.Bound = "<=", limit.Seconds()
	return c, nil
}

func parsePattern(c Condition) (Condition, error) {
	pattern, err := regexp.Compile(c.Text)
	if err != nil {
		return c, fmt.Errorf("%s: %q is no regular expression: %w", c.Figure, c.Text, err)
	}
	if c.Text == "" {
		return c, fmt.Errorf("%s: what? An empty text is in every line", c.Figure)
	}
	c.pattern = pattern
	if c.Figure == prints {
		c.Op = ">"
	}
	return c, nil
}

// ofOnce says whether the figure is one of a program that runs once.
func (c Condition) ofOnce() bool {
	return slices.Contains([]string{exits, ends, prints, printsNo}, c.Figure)
}

// Matches counts the lines that prints and prints no look for.
func (c Condition) Matches(lines []string) int {
	n := 0
	for _, line := range lines {
		if c.pattern != nil && c.pattern.MatchString(line) {
			n++
		}
	}
	return n
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
	switch c.Figure {
	case "recovers", ends:
		return c.Figure + " " + c.Text
	case prints, printsNo:
		return c.Figure + " " + strconv.Quote(c.Text)
	}
	text := strings.NewReplacer(">=", "≥", "<=", "≤").Replace(c.Text)
	return c.Figure + " " + text
}

// Told lists the figures that only a receiver of telemetry knows, in alphabetical order.
func Told() []string { return slices.Sorted(maps.Keys(told)) }

// Figures lists the other figures that a condition may name, in alphabetical order.
func Figures() []string { return slices.Sorted(maps.Keys(figures)) }
