package figure

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"time"

	"course.example/lab/internal/history"
	"course.example/lab/internal/ledger"
)

// Table has every figure, whole in one entry. A new one is added here and nowhere else: the
// manifest, its JSON schema, the judge and the table of verdicts read it.
var Table = []Figure{
	{
		Name: "accepted", About: "orders that a customer was told yes for",
		Rule: Count, Column: true,
		Value: count(func(f *Facts) int { return f.Ledger.Accepted }),
	},
	{
		Name: "processed", About: "accepted orders whose effect happened",
		Rule: Count, Column: true,
		Value: count(func(f *Facts) int { return f.Ledger.Processed }),
	},
	{
		Name: "failed", About: "accepted orders that were given up openly, with a reason",
		Rule: Count, Column: true, Implied: "0",
		Value: count(func(f *Facts) int { return f.Ledger.Failed }),
	},
	{
		Name: "lost", About: "accepted orders that nobody ever heard of again",
		Rule: Count, Column: true, Implied: "0",
		Value: count(func(f *Facts) int { return f.Lost }),
	},
	{
		Name: "duplicated", About: "effects beyond an order's first",
		Rule: Count, Column: true,
		Value: func(f *Facts, _ Ask) (float64, error) {
			if f.Ledger.Processed+f.Ledger.Ghosts == 0 {
				return 0, errors.New("no order was processed even once")
			}
			return float64(f.Ledger.Duplicated), nil
		},
	},
	{
		Name: "ghosts", About: "orders that were done and that nobody had been told yes for",
		Rule: Count, Implied: "0",
		Value: count(func(f *Facts) int { return f.Ledger.Ghosts }),
	},
	{
		Name: "contradictions", About: "orders that were given up, and done all the same",
		Rule: Count, Implied: "0",
		Value: count(func(f *Facts) int { return f.Ledger.Contradictions }),
	},
	{
		Name: "reused", About: "customers who were given an identity that another one has",
		Rule: Count, Implied: "0",
		Value: count(func(f *Facts) int { return f.Ledger.Reused }),
	},
	{
		Name: "skipped", About: "orders that came again and were not done again",
		Rule:  Count,
		Value: count(func(f *Facts) int { return f.Ledger.Skipped }),
	},
	{
		Name: "attempts", About: "how often the most-delivered order was received",
		Rule: Count,
		Value: func(f *Facts, _ Ask) (float64, error) {
			return float64(f.Ledger.MaxAttempts), deliveries(f)
		},
	},
	{
		Name: "processed by ", Family: true,
		About: "effects that one process has had: processed by consumer-2",
		Rule:  Count,
		Value: func(f *Facts, a Ask) (float64, error) { return processedBy(f, a.Name) },
	},
	{
		Name: "refused", About: "orders that the shop did not take, or gave no answer to",
		Rule: Count, Machine: true,
		Value: count(func(f *Facts) int { return f.Refused }),
	},
	{
		Name: "unanswered", About: "requests of customers that got no answer at all",
		Rule: Count, Machine: true,
		Value: count(func(f *Facts) int { return f.Unanswered }),
	},
	{
		Name: "crashes", About: "how often a process ended that nobody had ended",
		Rule:  Count,
		Value: count(func(f *Facts) int { return f.Crashes }),
	},
	{
		Name:  "crash loops",
		About: "processes that end as often as they are started, and are given up",
		Rule:  Count,
		Value: count(func(f *Facts) int { return f.CrashLoops }),
	},

	// What customers with one order each were told, and after how long.
	{
		Name: "answer p", Family: true,
		About: "within which time so many percent had any answer: answer p99",
		Of:    Singles, Rule: Time, Machine: true,
		Value: func(f *Facts, a Ask) (float64, error) { return waited(f, a.Name, false) },
	},
	{
		Name: "refusal p", Family: true,
		About: "within which time so many percent of the refused were told no",
		Of:    Singles, Rule: Time, Machine: true,
		Value: func(f *Facts, a Ask) (float64, error) { return waited(f, a.Name, true) },
	},
	{
		Name: "availability", About: "of a hundred customers, how many were told yes",
		Of: Singles, Rule: Percent, Machine: true,
		Value: func(f *Facts, _ Ask) (float64, error) {
			all, err := customers(f, false)
			yes, _ := customers(f, true)
			return 100 * yes / max(all, 1), err
		},
	},
	{
		Name:  "availability at the end",
		About: "the same of those who came two seconds or more after the last act",
		Of:    Singles, Rule: Percent, Machine: true,
		Value: func(f *Facts, _ Ask) (float64, error) { return lateAvailability(f) },
	},
	{
		Name:  "amplification",
		About: "how often work was asked for, for each customer who asked once: what retries cost",
		Of:    Singles, Rule: Ratio, Machine: true,
		Value: func(f *Facts, _ Ask) (float64, error) {
			all, err := customers(f, false)
			return float64(f.Ledger.Deliveries) / max(all, 1), errors.Join(err, deliveries(f))
		},
	},
	{
		Name:  "recovers",
		About: "the longest time after the first fault in which nothing was accepted or processed",
		Of:    Faults, Rule: Within, Machine: true, Column: true,
		Value: recovers,
	},
	{
		Name: "highest ", Family: true,
		About: "the largest number that a log line had as an attribute, one of gauges: highest depth",
		Of:    Log, Rule: Gauge,
		Value: func(f *Facts, a Ask) (float64, error) {
			value, seen := f.Highest[a.Name]
			if !seen {
				return 0, fmt.Errorf("no process has logged %s", a.Name)
			}
			return value, nil
		},
	},

	// What the receiver of the telemetry was sent.
	{
		Name: "untraced", About: "accepted orders that are in no trace",
		Of: Telemetry, Rule: Count,
		Value: func(f *Facts, _ Ask) (float64, error) {
			traced, known := f.Telemetry["orders traced"]
			if !known {
				return 0, errors.New("no receiver of telemetry has told it")
			}
			return float64(f.Ledger.Accepted) - traced, nil
		},
	},
	{
		Name: "traces", About: "traces of any kind",
		Of: Telemetry, Rule: Count, Value: told("traces", false),
	},
	{
		Name: "spans per trace", About: "the fewest spans that the trace of an order has",
		Of: Telemetry, Rule: Count, Value: told("spans per trace", true),
	},
	{
		Name: "services per trace", About: "the fewest services that the trace of an order has",
		Of: Telemetry, Rule: Count, Value: told("services per trace", true),
	},
	{
		Name: "broken traces", About: "traces that lack their root or a parent",
		Of: Telemetry, Rule: Count, Value: told("broken traces", true),
	},
	{
		Name: "failing traces", About: "traces with a failed span",
		Of: Telemetry, Rule: Count, Value: told("failing traces", true),
	},
	{
		Name: "series", About: "the most series that any metric has",
		Of: Telemetry, Rule: Count,
		Value: func(f *Facts, a Ask) (float64, error) {
			n, err := told("series", false)(f, a)
			if err == nil && n == 0 {
				err = errors.New("the receiver was sent no metric")
			}
			return n, err
		},
	},
	{
		Name: "loose log lines", About: "log lines that name an order and no trace",
		Of: Telemetry, Rule: Count, Value: told("loose log lines", true),
	},

	// Of a program that runs once.
	{
		Name: "exits", About: "the code with which the program ends",
		Of: Program, Rule: ExitCode, Column: true,
		Value: func(f *Facts, _ Ask) (float64, error) {
			switch {
			case f.Once == nil:
				return 0, errNotRun
			case f.Once.Took < 0:
				return 0, errors.New("it did not end by itself")
			}
			return float64(f.Once.Exit), nil
		},
	},
	{
		Name: "ends", About: "after how long the program ends; or never",
		Of: Program, Rule: Ends, Machine: true, Column: true,
		Value: func(f *Facts, _ Ask) (float64, error) {
			switch {
			case f.Once == nil:
				return 0, errNotRun
			case f.Once.Took < 0:
				return math.MaxFloat64, nil
			}
			return f.Once.Took.Seconds(), nil
		},
	},
	{
		Name: "prints", About: "a regular expression that a line must match",
		Of: Program, Rule: Pattern, Column: true,
		Value: matches,
	},
	{
		Name: "prints no", About: "a regular expression that no line may match",
		Of: Program, Rule: NoPattern,
		Value: func(f *Facts, a Ask) (float64, error) {
			n, err := matches(f, a)
			if err == nil && len(f.Once.Lines) == 0 {
				err = errors.New("it has printed nothing")
			}
			return n, err
		},
	},
}

var errNotRun = errors.New("the program was not run")

// count is for figures that the ledger or the lab itself counts: they are always known.
func count(of func(*Facts) int) func(*Facts, Ask) (float64, error) {
	return func(f *Facts, _ Ask) (float64, error) { return float64(of(f)), nil }
}

// told is for figures that the receiver of the telemetry counts. What is said of every trace is
// true of none.
func told(name string, needsTraces bool) func(*Facts, Ask) (float64, error) {
	return func(f *Facts, _ Ask) (float64, error) {
		value, known := f.Telemetry[name]
		switch {
		case !known:
			return 0, errors.New("no receiver of telemetry has told it")
		case needsTraces && f.Telemetry["traces"] == 0:
			return 0, errors.New("the receiver was sent no trace")
		}
		return value, nil
	}
}

func deliveries(f *Facts) error {
	if f.Ledger.Deliveries == 0 {
		return errors.New("no process has logged that it received an order")
	}
	return nil
}

func processedBy(f *Facts, process string) (float64, error) {
	lived, n := false, 0
	for _, life := range f.History.Lives {
		lived = lived || life.Process == process
	}
	for i, v := range ledger.Judge(f.History.Events) {
		if v.Happened() && f.History.Events[i].Process == process {
			n++
		}
	}
	if !lived && n == 0 {
		return 0, fmt.Errorf("there was no process %s", process)
	}
	return float64(n), nil
}

// customers counts those with one order each: all, or those who were told yes.
func customers(f *Facts, accepted bool) (float64, error) {
	n := 0
	for _, a := range f.History.Answers {
		if a.Accepted || !accepted {
			n++
		}
	}
	if len(f.History.Answers) == 0 {
		return 0, errors.New("no customer has placed a single order")
	}
	return float64(n), nil
}

// lateAvailability is how it is when what was done to a run lies behind it: a shop that
// stands still for good has an availability, too, from before.
func lateAvailability(f *Facts) (float64, error) {
	var since time.Time
	for _, m := range f.History.Marks {
		if m.Act == history.LoadEnds {
			break // what is mended then is mended for nobody
		}
		if m.Time.After(since) {
			since = m.Time
		}
	}
	all, yes := 0.0, 0.0
	for _, a := range f.History.Answers {
		if a.Time.Add(-a.Took).Before(since.Add(2 * time.Second)) {
			continue
		}
		all++
		if a.Accepted {
			yes++
		}
	}
	if all == 0 {
		return 0, errors.New("no customer has come two seconds after the last act")
	}
	return 100 * yes / all, nil
}

func matches(f *Facts, a Ask) (float64, error) {
	if f.Once == nil {
		return 0, errNotRun
	}
	pattern, err := regexp.Compile(a.Text)
	if err != nil {
		return 0, fmt.Errorf("%q is no regular expression: %w", a.Text, err)
	}
	n := 0
	for _, line := range f.Once.Lines {
		if pattern.MatchString(line) {
			n++
		}
	}
	return float64(n), nil
}

// Percentile reads the rest of "answer p99": more than 0, and 100 at most.
func Percentile(text string) (float64, error) {
	share, err := strconv.ParseFloat(text, 64)
	if err != nil || !(share > 0 && share <= 100) {
		return 0, fmt.Errorf("p%s is no percentile: write p50 or p99", text)
	}
	return share, nil
}
