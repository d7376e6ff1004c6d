package experiment

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/charmbracelet/lipgloss"
	"github.com/charmbracelet/lipgloss/table"

	"course.example/lab/internal/figure"
)

// Table is the verdict on several experiments, for a terminal.
func Table(results []Result, colour bool) string {
	t := table.New().
		Border(lipgloss.NormalBorder()).
		BorderTop(false).BorderBottom(false).BorderLeft(false).BorderRight(false).
		BorderColumn(false).
		Headers(headers(results)...).
		StyleFunc(func(row, col int) lipgloss.Style { return style(results, row, col, colour) })
	for _, r := range results {
		t.Row(r.row(once(results))...)
	}
	lines := strings.Split(t.String(), "\n")
	for i, line := range lines {
		lines[i] = strings.TrimRight(line, " ")
	}
	if slices.ContainsFunc(results, Result.implies) {
		lines = append(lines, "", "What is right promises besides: "+figure.Promised()+".")
	}
	return strings.Join(lines, "\n")
}

// implies says whether the experiment promises what it does not say.
func (r Result) implies() bool {
	return slices.ContainsFunc(r.Checks, func(c Check) bool { return c.Condition.Implied })
}

// headers are those of a ledger, or of programs that ran once: all experiments
// of a table are of one step.
func headers(results []Result) []string {
	if once(results) {
		return []string{"experiment", "variant", "exit", "took", "promise", ""}
	}
	return []string{"experiment", "variant", "accepted", "processed", "failed", "lost",
		"duplicated", "recovery", "promise", ""}
}

func once(results []Result) bool {
	return slices.ContainsFunc(results, func(r Result) bool { return r.Once != nil })
}

// firstNumber is the first of the columns that are not plain text; after the
// last of them come the promise and the verdict.
const firstNumber = 2

func style(results []Result, row, col int, colour bool) lipgloss.Style {
	s := lipgloss.NewStyle().PaddingRight(2)
	verdict := len(headers(results)) - 1
	if col >= firstNumber && col < verdict-1 {
		s = s.Align(lipgloss.Right)
	}
	if !colour || row < 0 || row >= len(results) || col != verdict {
		return s
	}
	switch r := results[row]; {
	case r.NotRun != "":
		return s.Foreground(lipgloss.Color("3"))
	case r.Held():
		return s.Foreground(lipgloss.Color("2"))
	default:
		return s.Foreground(lipgloss.Color("1")).Bold(true)
	}
}

func (r Result) row(once bool) []string {
	if once {
		exit, took := "", ""
		if r.Once != nil {
			exit, took = ended(r.Once)
		}
		return []string{r.Name, r.Variant, exit, took, r.promise(), r.Verdict()}
	}
	if r.NotRun != "" {
		return []string{r.Name, r.Variant, "", "", "", "", "", "", "", "not run"}
	}
	return []string{
		r.Name, r.Variant,
		fmt.Sprint(r.Ledger.Accepted), fmt.Sprint(r.Ledger.Processed),
		fmt.Sprint(r.Ledger.Failed), fmt.Sprint(r.Lost), fmt.Sprint(r.Ledger.Duplicated),
		r.recovery(), r.promise(), r.Verdict(),
	}
}

// recovery is how long the shop was silent after the first fault, or nothing where nobody can tell:
// there was no fault, or no customer came after it.
func (r Result) recovery() string {
	f, _, _ := figure.Find("recovers")
	value, err := f.Value(&r.Facts, figure.Ask{})
	if err != nil {
		return ""
	}
	return f.Rule.Format(value)
}

// promise lists the conditions, with what another figure came to filled in, and with
// what it came to where no column says so. What every right experiment promises is
// among them only where it did not hold, or where nothing else is promised.
func (r Result) promise() string {
	var texts []string
	implied := func(c Check) bool { return c.Condition.Implied && c.Held }
	said := slices.DeleteFunc(slices.Clone(r.Checks), implied)
	if len(said) == 0 {
		said = r.Checks
	}
	for _, c := range said {
		text := c.Condition.String()
		if than := c.Condition.Than; than != "" {
			n := fmt.Sprintf("%d %s", c.Condition.Other(&r.Facts), strings.ReplaceAll(than, "-", " "))
			text = strings.Replace(text, than, n, 1)
		}
		f := c.Condition.Of()
		if f.Rule.Measured || (c.Condition.Implied && !c.Held || c.Condition.Op != "=") && !f.Column {
			text += " (" + c.value() + ")"
		}
		texts = append(texts, text)
	}
	return wrap(texts, 36)
}

// wrap joins texts with commas into lines of at most so many characters, which
// keeps the table within a projector's width.
func wrap(texts []string, width int) string {
	var lines []string
	line := ""
	for i, text := range texts {
		if i < len(texts)-1 {
			text += ","
		}
		if line != "" && utf8.RuneCountInString(line+" "+text) > width {
			lines = append(lines, line)
			line = ""
		}
		line = strings.TrimSpace(line + " " + text)
	}
	return strings.Join(append(lines, line), "\n")
}

// Verdict is one word: held or broken for a promise, or unknown where the run
// cannot tell; for a wrong variant fails as it should, or does not fail.
func (r Result) Verdict() string {
	var wrong, broken, harmless, unknown bool
	for _, c := range r.Checks {
		wrong = wrong || c.Shows
		unknown = unknown || c.Unknown != ""
		broken = broken || !c.Held && !c.Shows && c.Unknown == ""
		harmless = harmless || !c.Held && c.Shows && c.Unknown == ""
	}
	switch {
	case r.NotRun != "":
		return "not run"
	case r.Error != "":
		return "ERROR"
	case broken:
		return "BROKEN"
	case harmless:
		return "DOES NOT FAIL"
	case unknown:
		return "UNKNOWN"
	case wrong:
		return "fails, as it should"
	default:
		return "held"
	}
}

// value is what the run came to, for a person.
func (c Check) value() string {
	if c.Unknown != "" && c.Value == 0 {
		return "unknown"
	}
	return c.Condition.Of().Rule.Format(c.Value)
}

// saw is the condition with what was seen of it, if anything was.
func (c Check) saw() string {
	if c.Value == 0 {
		return c.Condition.String()
	}
	return fmt.Sprintf("%s (it was %s)", c.Condition, c.value())
}

// Caption is what stands below the picture of a run beside the numbers of its marks, which
// the picture counts itself.
func (r Result) Caption() []string {
	how := fmt.Sprintf("variant %s · %s · seed %d", r.Variant, r.Verdict(), r.Seed)
	if r.Once != nil {
		exit, took := ended(r.Once)
		return []string{"exit " + exit + " · took " + took, how}
	}
	if told := r.recovery(); told != "" {
		how += " · recovery " + told
	}
	if r.Slow >= 1.5 {
		how += fmt.Sprintf(" · the machine was %.1f times slower than usual", r.Slow)
	}
	return append([]string{how}, r.Remarks()...)
}

// Remarks are what a reader of the figures should know of how they came about.
func (r Result) Remarks() []string {
	var all []string
	if r.Waits != "" {
		all = append(all, "given up before the end: there still waits "+r.Waits)
	}
	if r.Differs != "" {
		all = append(all, r.Differs)
	}
	return all
}

// Complaints are what a person must be told of a result that did not hold.
func (r Result) Complaints() []string {
	var all, unknown []string
	for _, c := range r.Checks {
		if c.Held {
			continue
		}
		text := fmt.Sprintf("%s: promised %s, but it was %s", r.Name, c.Condition, c.value())
		switch {
		case c.Unknown != "":
			unknown = append(unknown, fmt.Sprintf("%s: whether %s holds is unknown: %s",
				r.Name, c.saw(), c.Unknown))
			continue
		case c.Shows:
			text = fmt.Sprintf("%s: the wrong variant %s must show %s, but it was %s: "+
				"a check that is never red proves nothing",
				r.Name, r.Variant, c.Condition, c.value())
		}
		all = append(all, text)
	}
	all = append(all, unknown...) // what went wrong says more than what nobody could see
	if len(all) > 0 {
		for _, remark := range r.Remarks() {
			all = append(all, r.Name+": "+remark)
		}
	}
	if len(all) > 0 && r.Once != nil {
		all = append(all, fmt.Sprintf("%s printed:\n  %s", r.Name,
			strings.Join(last(r.Once), "\n  ")))
	}
	if r.Error != "" {
		all = append(all, r.Name+": could not be carried to its end: "+r.Error)
	}
	if r.NotRun != "" {
		all = append(all, r.Name+": not run: "+r.NotRun)
	}
	return all
}
