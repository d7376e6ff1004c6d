package figure

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Rule says how the bounds of a figure are written, and which values it can have.
type Rule struct {
	// Parse reads one bound.
	Parse func(text string) (Bound, error)
	// Min and Max are the least and the largest value that a run can come to.
	Min, Max float64
	// Whole says that there is nothing between two whole numbers.
	Whole bool
	// Format shows a value to a person.
	Format func(float64) string
	// Measured says that the value is worth a look although the condition holds: it
	// is no count.
	Measured bool
	// Stretches says that it is a time: an upper limit on it is stretched by as much
	// as the machine was slower than usual.
	Stretches bool
	// Schema is a regular expression for an editor: every bound of this kind matches.
	// Empty takes any text.
	Schema string
}

// Bound is what a figure is compared with.
type Bound struct {
	Op    string  `json:"op"` // = > >= < <=
	Limit float64 `json:"bound"`
	// Than is another figure of the same run that is the limit: one of relative.
	Than string `json:"than,omitempty"`
}

// relative are the figures that others are compared with. What was in flight at the faults may be
// done twice. What a customer was not told to be accepted may be done all the same: nobody can say
// of an answer that is lost whether there was one.
var relative = map[string]func(*Facts) int{
	"in-flight": func(f *Facts) int { return f.InFlight },
	"refused":   func(f *Facts) int { return f.Refused },
}

// The rules there are.
var (
	Count = Rule{
		Parse: parseCount, Max: math.Inf(1), Whole: true, Format: whole,
		Schema: opSchema + `([0-9]+|in-flight|refused)`,
	}
	ExitCode = Rule{
		Parse: parseCode, Max: 255, Whole: true, Format: whole,
		Schema: opSchema + `[0-9]+`,
	}
	Gauge = Rule{
		Parse: parseNumber, Min: math.Inf(-1), Max: math.Inf(1), Format: number,
		Schema: opSchema + `-?[0-9.]+`,
	}
	Percent = Rule{
		Parse: parseNumber, Max: 100, Format: digits, Measured: true,
		Schema: opSchema + `[0-9.]+`,
	}
	Ratio = Rule{
		Parse: parseNumber, Max: math.Inf(1), Format: digits, Measured: true,
		Schema: opSchema + `[0-9.]+`,
	}
	Time = Rule{
		Parse: parseTime, Min: someTime, Max: math.Inf(1), Format: duration,
		Measured: true, Stretches: true,
		Schema: `(>=|<=|>|<)\s*[0-9.]+[a-zµ][a-zµ0-9.]*`,
	}
	Within = Rule{
		Parse: parseRecovers, Min: someTime, Max: math.Inf(1), Format: seconds, Stretches: true,
		Schema: `(within|after) [0-9.]+[a-zµ][a-zµ0-9.]*`,
	}
	Ends = Rule{
		Parse: parseEnds, Min: someTime, Max: math.Inf(1), Format: seconds, Stretches: true,
		Schema: `(never|within [0-9.]+[a-zµ][a-zµ0-9.]*)`,
	}
	Pattern   = Rule{Parse: parsePattern(">"), Max: math.Inf(1), Whole: true, Format: lines}
	NoPattern = Rule{Parse: parsePattern("="), Max: math.Inf(1), Whole: true, Format: lines}
)

// Never is how a condition says that a program is to be killed at its limit, and how the time is
// shown that has not passed when something had still not happened.
const Never = "never"

// someTime is less than anything takes.
const someTime = 1e-9

const opSchema = `((>=|<=|=|>|<)\s*)?`

var comparison = regexp.MustCompile(`^(>=|<=|=|>|<)?\s*(\S+)$`)

// compared cuts "> 5" in two.
func compared(text string) (op, rest string) {
	m := comparison.FindStringSubmatch(text)
	if m == nil {
		return "", text
	}
	if m[1] == "" {
		return "=", m[2]
	}
	return m[1], m[2]
}

func parseCount(text string) (Bound, error) {
	op, rest := compared(text)
	if relative[rest] != nil {
		return Bound{Op: op, Than: rest}, nil
	}
	n, err := strconv.ParseUint(rest, 10, 31)
	if err == nil {
		return Bound{Op: op, Limit: float64(n)}, nil
	}
	if _, err := strconv.ParseFloat(rest, 64); err == nil {
		return Bound{}, fmt.Errorf("%q is no count: that is a whole number from 0 on", rest)
	}
	return Bound{}, fmt.Errorf("%q is no bound: write 0, > 0 or <= in-flight", text)
}

func parseCode(text string) (Bound, error) {
	b, err := parseCount(text)
	if b.Than != "" {
		return Bound{}, fmt.Errorf("%q is no exit code: write 0 or > 0", text)
	}
	return b, err
}

func parseNumber(text string) (Bound, error) {
	op, rest := compared(text)
	n, err := strconv.ParseFloat(rest, 64)
	if op == "" || err != nil || math.IsNaN(n) || math.IsInf(n, 0) {
		return Bound{}, fmt.Errorf("%q is no bound: write >= 99.5 or <= 64", text)
	}
	return Bound{Op: op, Limit: n}, nil
}

func parseTime(text string) (Bound, error) {
	op, rest := compared(text)
	limit, err := time.ParseDuration(rest)
	if op == "" || op == "=" || err != nil {
		return Bound{}, fmt.Errorf("%q is no bound of a time: write <= 250ms", text)
	}
	return Bound{Op: op, Limit: limit.Seconds()}, nil
}

func parseWithin(text string) (Bound, error) {
	rest, ok := strings.CutPrefix(text, "within ")
	limit, err := time.ParseDuration(strings.TrimSpace(rest))
	if !ok || err != nil {
		return Bound{}, fmt.Errorf("write within 10s, not %q", text)
	}
	if limit <= 0 {
		return Bound{}, fmt.Errorf("%q can never hold: it takes more than no time", text)
	}
	return Bound{Op: "<=", Limit: limit.Seconds()}, nil
}

// parseRecovers is a time in which all was well again, or, for what fails, in which it was not.
func parseRecovers(text string) (Bound, error) {
	rest, late := strings.CutPrefix(text, "after ")
	if !late {
		return parseWithin(text)
	}
	limit, err := time.ParseDuration(strings.TrimSpace(rest))
	if err != nil || limit <= 0 {
		return Bound{}, fmt.Errorf("write after 10s, not %q", text)
	}
	return Bound{Op: ">", Limit: limit.Seconds()}, nil
}

func parseEnds(text string) (Bound, error) {
	if text == Never {
		return Bound{Op: "=", Limit: math.MaxFloat64}, nil
	}
	return parseWithin(text)
}

// parsePattern is for what is printed: compared is the number of lines that match, with 0.
func parsePattern(op string) func(string) (Bound, error) {
	return func(text string) (Bound, error) {
		if text == "" {
			return Bound{}, errors.New("what? An empty text is in every line")
		}
		if _, err := regexp.Compile(text); err != nil {
			return Bound{}, fmt.Errorf("%q is no regular expression: %w", text, err)
		}
		return Bound{Op: op}, nil
	}
}

// Holds compares a value of a run with the bound.
func (b Bound) Holds(value float64, run *Facts) bool {
	limit := b.Limit
	if b.Than != "" {
		limit = float64(b.Other(run))
	}
	switch b.Op {
	case ">":
		return value > limit
	case ">=":
		return value >= limit
	case "<":
		return value < limit
	case "<=":
		return value <= limit
	default:
		return value == limit
	}
}

// Other is what the other figure came to that is the limit.
func (b Bound) Other(run *Facts) int { return relative[b.Than](run) }

// span is the least and the largest value that hold. Another figure is known after the run only: it
// may be any.
func (r Rule) span(b Bound) (low, high float64) {
	low, high = r.Min, r.Max
	if b.Than != "" {
		return low, high
	}
	down, up := math.Nextafter(b.Limit, math.Inf(-1)), math.Nextafter(b.Limit, math.Inf(1))
	if r.Whole {
		down, up = math.Ceil(b.Limit)-1, math.Floor(b.Limit)+1
	}
	switch b.Op {
	case ">":
		low = max(low, up)
	case ">=":
		low = max(low, b.Limit)
	case "<":
		high = min(high, down)
	case "<=":
		high = min(high, b.Limit)
	default:
		low, high = max(low, b.Limit), min(high, b.Limit)
	}
	return low, high
}

// Check refuses a bound that says nothing: one that no value can miss, and one that none can meet.
func (r Rule) Check(b Bound) error {
	low, high := r.span(b)
	switch {
	case b.Than != "":
		return nil
	case low > high:
		return fmt.Errorf("can never hold: it is %s", r.values())
	case low <= r.Min && high >= r.Max:
		return fmt.Errorf("can never fail: it is %s", r.values())
	}
	return nil
}

// Meet says whether there is a value that meets all bounds.
func (r Rule) Meet(bounds []Bound) bool {
	low, high := r.Min, r.Max
	for _, b := range bounds {
		l, h := r.span(b)
		low, high = max(low, l), min(high, h)
	}
	return low <= high
}

// values says which values there are.
func (r Rule) values() string {
	switch {
	case math.IsInf(r.Min, -1):
		return "any number"
	case math.IsInf(r.Max, 1):
		return "never less than 0"
	default:
		return fmt.Sprintf("from %g to %g", r.Min, r.Max)
	}
}

func whole(v float64) string  { return fmt.Sprintf("%.0f", v) }
func number(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }
func digits(v float64) string { return fmt.Sprintf("%.3g", v) }
func lines(v float64) string  { return fmt.Sprintf("in %g lines", v) }

func seconds(v float64) string {
	if v == math.MaxFloat64 {
		return Never
	}
	return fmt.Sprintf("%.1f s", v)
}

func duration(v float64) string {
	return time.Duration(v * float64(time.Second)).Round(time.Millisecond).String()
}
