package score

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/charmbracelet/lipgloss"
	"github.com/charmbracelet/lipgloss/table"

	"course.example/lab/internal/manifest"
)

// column is one of the table: its two lines of heading, and its cell of a row.
type column struct {
	group, name string
	cell        func(Row) string
	// key is how a manifest calls the column. Slow is its figure, the larger the slower,
	// and 0 for none; odd says what else is odd about it, and why, if that needs nobody to
	// write it.
	key  string
	slow func(Row) float64
	odd  func(Row) (what, why string)
}

func columns() []column {
	return []column{
		{name: "architecture", cell: Row.Name},
		{
			group: "Performance", name: "answer p50 / p99", key: "answer",
			cell: func(r Row) string { return pair(r.Latency.Answer50, r.Latency.Answer99, " ms") },
			slow: func(r Row) float64 { return r.Latency.Answer50.Value },
		},
		{
			name: "processed p50 / p99", key: "processed",
			cell: func(r Row) string {
				return pair(r.Latency.Processed50, r.Latency.Processed99, " ms")
			},
			slow: func(r Row) float64 { return r.Latency.Processed50.Value },
		},
		{
			name: "sustains", key: "sustains", cell: Row.sustains,
			slow: func(r Row) float64 {
				if r.Sustained.Rate.Value <= 0 {
					return 0
				}
				return 1 / r.Sustained.Rate.Value
			},
		},
		{
			group: "Scalability", name: "2 / 4 / 8 consumers", key: "consumers",
			cell: Row.speedUps, odd: Row.oddScale,
		},
		{
			name: "new one has work after", key: "new one",
			cell: func(r Row) string { return seconds(r.Scale.Join) },
			slow: func(r Row) float64 { return r.Scale.Join.Value },
		},
		{
			group: "Resilience", name: KillConsumer, key: KillConsumer,
			cell: faultCell(KillConsumer), slow: silence(KillConsumer),
		},
		{name: KillProducer, key: KillProducer,
			cell: faultCell(KillProducer), slow: silence(KillProducer)},
		{name: KillMiddle, key: KillMiddle,
			cell: faultCell(KillMiddle), slow: silence(KillMiddle)},
		{
			name: "restarts", key: "restarts", cell: func(r Row) string { return r.restarts().cost() },
			slow: func(r Row) float64 { return r.restarts().Recovery.Value },
		},
		{group: "Redundancy", name: "answered / processed", key: "redundancy", cell: Row.half},
	}
}

// silence is how long a fault kept a shop silent.
func silence(name string) func(Row) float64 {
	return func(r Row) float64 {
		f, _ := r.Fault(name)
		return f.Recovery.Value
	}
}

func pair(a, b Figure, unit string) string {
	if a.Runs == 0 {
		return "–"
	}
	return a.String() + " / " + b.String() + unit
}

func (r Row) sustains() string {
	if r.Sustained.Rate.Runs == 0 {
		return "–"
	}
	more := ""
	if r.Sustained.Generator {
		more = ">"
	}
	f := r.Sustained.Rate
	spread := ""
	if f.Runs > 1 {
		spread = " ± " + number((f.High-f.Low)/2)
	}
	return more + f.String() + spread + "/s"
}

func (r Row) speedUps() string {
	if len(r.Scale.Points) < 2 {
		return "–"
	}
	var cells []string
	noisy := ""
	for _, p := range r.Scale.Points {
		if p.Rate.Noisy {
			noisy = "~"
		}
		if p.Consumers > 1 {
			cells = append(cells, fmt.Sprintf("%.1f", p.SpeedUp))
		}
	}
	last := r.Scale.Points[len(r.Scale.Points)-1]
	return fmt.Sprintf("%s×%s (%.0f %%)", noisy, strings.Join(cells, " "), 100*last.Efficiency)
}

func faultCell(name string) func(Row) string {
	return func(r Row) string {
		f, ok := r.Fault(name)
		if !ok {
			return "–"
		}
		return f.cost()
	}
}

// cost is what a fault cost: what was lost and done twice, and the silence.
func (f Fault) cost() string {
	if f.Lost.Runs == 0 {
		return "–"
	}
	cost := "0 lost"
	if n := f.Lost.Value; n > 0 {
		cost = fmt.Sprintf("**%.0f lost**", n)
	}
	if n := f.Duplicated.Value; n > 0 {
		cost += fmt.Sprintf(", %.0f twice", n)
	}
	return cost + ", " + seconds(f.Recovery)
}

// restarts are the worst of the orderly ends.
func (r Row) restarts() Fault {
	var sum Fault
	for _, name := range []string{RestartConsumer, RestartProducer, RestartMiddle} {
		f, ok := r.Fault(name)
		if !ok || f.Lost.Runs == 0 {
			continue
		}
		if f.Lost.Value >= sum.Lost.Value {
			sum.Lost = f.Lost
		}
		if f.Duplicated.Value >= sum.Duplicated.Value {
			sum.Duplicated = f.Duplicated
		}
		if sum.Recovery.Runs == 0 || f.Recovery.Value > sum.Recovery.Value && sum.Recovery.Value >= 0 ||
			f.Recovery.Value < 0 {
			sum.Recovery = f.Recovery
		}
	}
	return sum
}

// noSecond is the redundancy of what cannot stand in for another.
const noSecond = "none"

// half is the worse of the kinds of which there were two, and what has no second.
func (r Row) half() string {
	single := slices.Sorted(maps.Keys(r.Single))
	if len(r.Halves) == 0 && len(single) > 0 {
		if had, _ := r.lost(); had > 0 { // by the one that there is
			return fmt.Sprintf("%s, **%.0f lost**", noSecond, had)
		}
		return noSecond
	}
	if len(r.Halves) == 0 {
		return "–"
	}
	answered, processed, lost := math.Inf(1), math.Inf(1), 0.0
	for _, h := range r.Halves {
		answered = min(answered, h.Answered.Value)
		processed = min(processed, h.Processed.Value)
		lost = max(lost, h.Lost.Value)
	}
	cell := fmt.Sprintf("%s / %s", percent(answered), percent(processed))
	if lost > 0 {
		cell += fmt.Sprintf(", **%.0f lost**", lost)
	}
	if len(single) > 0 {
		cell += ", " + strings.Join(single, " and ") + ": " + noSecond
	}
	return cell
}

func percent(v float64) string {
	if v > 99.95 {
		return "100 %"
	}
	return fmt.Sprintf("%.1f %%", min(v, 99.9))
}

// Terminal is the report as a table for a terminal.
func (r *Report) Terminal(colour bool) string {
	all := columns()
	var groups, names []string
	for i, c := range all {
		groups = append(groups, c.group)
		name := strings.ReplaceAll(c.name, " / ", "/")
		if i > 0 {
			name = strings.ReplaceAll(name, " ", "\n")
		}
		names = append(names, name)
	}
	t := table.New().Border(lipgloss.NormalBorder()).
		BorderTop(false).BorderBottom(false).BorderLeft(false).BorderRight(false).
		BorderColumn(false).Headers(groups...).Row(names...).
		StyleFunc(func(row, col int) lipgloss.Style {
			s := lipgloss.NewStyle().PaddingRight(2)
			if row--; colour && row >= 0 && row < len(r.Rows) && col < len(all) &&
				strings.Contains(all[col].cell(r.Rows[row]), "**") {
				return s.Foreground(lipgloss.Color("1"))
			}
			return s
		})
	for _, row := range r.Rows {
		var cells []string
		for i, text := range r.cells(row) {
			text = strings.ReplaceAll(text, "**", "")
			if i > 0 { // a cell is two or three short lines: the table fits a projector
				text = strings.NewReplacer(" / ", "/\n", ", ", "\n", " (", "\n(", " ± ", "\n± ").
					Replace(text)
			} else {
				text = strings.ReplaceAll(text, " ", "\n")
			}
			cells = append(cells, text)
		}
		t.Row(cells...)
	}
	lines := strings.Split(t.String(), "\n")
	for i, line := range lines {
		lines[i] = strings.TrimRight(line, " ")
	}
	return strings.Join(lines, "\n") + "\n" + r.Stumbles() + "\n" + strings.Join(r.notes(), "\n")
}

// Table is the report as a Markdown table.
func (r *Report) Table() string {
	var b strings.Builder
	all := columns()
	groups, rule := []string{}, []string{}
	for i, c := range all {
		name := c.name
		if c.group != "" {
			name = "**" + c.group + "**: " + name
		}
		groups = append(groups, name)
		if i == 0 {
			rule = append(rule, "---")
		} else {
			rule = append(rule, "---:")
		}
	}
	fmt.Fprintf(&b, "| %s |\n| %s |\n", strings.Join(groups, " | "), strings.Join(rule, " | "))
	for _, row := range r.Rows {
		cells := r.cells(row)
		if row.Variant == manifest.Right {
			cells[0] = fmt.Sprintf("[%s](%s/README.md)", cells[0], row.Step)
		}
		fmt.Fprintf(&b, "| %s |\n", strings.Join(cells, " | "))
	}
	return b.String()
}

// Stumbles are the sentences below the table, a numbered list; empty when nothing is odd.
func (r *Report) Stumbles() string {
	var b strings.Builder
	for n, o := range r.Oddities() {
		fmt.Fprintf(&b, "%d. %s\n", n+1, o.sentence())
	}
	return b.String()
}

// count is a number with its noun; the ending of more than one is s.
func count(n int, noun string, plural ...string) string {
	ending := "s"
	for _, p := range plural {
		ending = p
	}
	switch n {
	case 1:
		return "one " + noun
	case 2:
		return "two " + noun + ending
	}
	return fmt.Sprintf("%d %s%s", n, noun, ending)
}

// DepthTable is what becomes of rate and wait as more orders wait, for the architectures
// with a queue that can be filled; empty when none was measured.
func (r *Report) DepthTable() string {
	var b strings.Builder
	for _, row := range r.Rows {
		if len(row.Depths) == 0 {
			continue
		}
		cells := []string{fmt.Sprintf("[%s](%s/README.md)%s", row.Name(), row.Step,
			r.marks(row, depthColumn))}
		heads, rule := []string{"orders waiting"}, []string{"---"}
		for _, d := range row.Depths {
			heads, rule = append(heads, number(float64(d.Waiting))), append(rule, "---:")
			cells = append(cells, fmt.Sprintf("%s/s, %s ms", d.Rate, d.Answer99))
		}
		if b.Len() == 0 {
			fmt.Fprintf(&b, "| %s |\n| %s |\n", strings.Join(heads, " | "), strings.Join(rule, " | "))
		}
		fmt.Fprintf(&b, "| %s |\n", strings.Join(cells, " | "))
	}
	return b.String()
}

// notes say how each column was measured.
func (r *Report) notes() []string {
	p := wholePace
	if r.Quick {
		p = quickPace
	}
	notes := []string{
		fmt.Sprintf("Measured %s on %s with %d CPUs, %s, everything on one machine.",
			r.Measured.Format("2006-01-02"), r.Machine.System, r.Machine.CPUs, r.Machine.Go),
		fmt.Sprintf("Performance: %.0f orders a second that take %v each, median of %s of "+
			"%v; an open loop, timed from when an order was due.",
			p.lowRate, p.work, count(p.rounds, "round"), p.round),
		fmt.Sprintf("  Sustains: the highest rate of orders without work at which no backlog "+
			"grows; %s of %d probes of %v each.", count(p.searches, "bisection"), p.probes, p.probe),
		"  Wait and rate of the picture above are of one run: the wait is that at half of the rate.",
		fmt.Sprintf("Scalability: speed-up over one consumer, and the efficiency of eight. A consumer "+
			"is one worker, busy with an order for %v; as many orders are open as keep all busy. The "+
			"slope of the orders done over %s of %v.",
			p.work, count(p.stretches, "stretch", "es"), p.stretch),
		fmt.Sprintf("Resilience: kill -9 and half a second later a new start, or an orderly "+
			"restart. Until then customers bring more than the consumers can do, so that at least %d "+
			"orders wait, and from then on half of that; the worst loss of %s, and the longest silence.",
			enough, count(p.faultRuns, "kill")),
		fmt.Sprintf("Redundancy: two of everything the step can have two of, one killed while orders wait, "+
			"and left dead; the share of those who come in the next %v that is answered, and of those "+
			"and the waiting ones that is processed, one run each. Customers bring half of what one "+
			"consumer can do. %q is what has no second, with the reason below.", p.half, noSecond),
		"– is what an architecture does not have, or what the lines below say was not measured. " +
			"~ marks a figure whose runs still differed by more than 15 % of it when it was measured " +
			"again, or for which the machine had no time.",
	}
	if r.Quick {
		notes = append(notes, "With -quick each thing is measured once, and orderly restarts and "+
			"deep queues are left out.")
	}
	if odd := r.Stumbles(); odd != "" {
		notes = append(notes, "What a reader may stumble over has a number, and its sentence below the table.")
	}
	if r.DepthTable() != "" {
		notes = append(notes, fmt.Sprintf("Orders waiting: the rate at which orders are processed "+
			"with so many in the queue, and the time to an answer (p99). %d customers order again "+
			"as soon as an order is done, which keeps both sides busy, and %d a second on a "+
			"schedule are those whose wait is measured; orders without work, median of %s of %v, "+
			"before each of which the queue is filled up. With none waiting the rate is that of the "+
			"front door.",
			depthOpen, depthRate, count(p.depthRounds, "round"), p.depthFor))
	}
	if g := r.Generator; g.Rate.Runs > 0 {
		notes = append(notes, fmt.Sprintf("The load generator makes %s requests a second of a "+
			"handler that does nothing, which answers in %s ms (p50) and %s ms (p99).",
			g.Rate.Spread(), number(g.Answer50), number(g.Answer99)))
	}
	if slices.ContainsFunc(r.Rows, func(row Row) bool { return row.Sustained.Generator }) {
		notes = append(notes, "A rate with > before it is so near to that (more than half: the "+
			"two share the machine) that the generator may have been the limit.")
	}
	for _, row := range r.Rows {
		notes = append(notes, row.notes()...)
	}
	return notes
}

// notes say what was different in one row.
func (r Row) notes() []string {
	var notes []string
	note := func(format string, args ...any) {
		notes = append(notes, r.Name()+": "+fmt.Sprintf(format, args...)+".")
	}
	if r.Scale.Without != "" {
		note("no consumer to add: %s", r.Scale.Without)
	}
	if kinds := r.Scale.Kinds; len(kinds) > 0 {
		note("1, 2, 4 and 8 consumers are as many of each of %s, which share the work of an order. "+
			"Which of them has one in progress their logs do not tell, so when a new one has work is not "+
			"measured", strings.Join(kinds, ", "))
	}
	if r.Scale.Open > 0 {
		note("%d orders are open for each consumer: chance decides which one has an order, and a few "+
			"would leave some of them idle", r.Scale.Open)
	}
	for _, name := range slices.Sorted(maps.Keys(r.Single)) {
		note("no second %s: %s", name, r.Single[name])
	}
	for _, problem := range r.Problems {
		note("%s", problem)
	}
	return notes
}

// Markdown is the report as a page: the table, how it was measured, and the spread of
// every figure.
func (r *Report) Markdown() string {
	var b strings.Builder
	b.WriteString(r.Table() + "\n")
	if odd := r.Stumbles(); odd != "" {
		b.WriteString(odd + "\n")
	}
	if depths := r.DepthTable(); depths != "" {
		b.WriteString(depths + "\n")
	}
	for _, note := range r.notes() {
		b.WriteString("- " + strings.TrimSpace(note) + "\n")
	}
	b.WriteString("\nEvery figure, with the range of its runs:\n\n")
	for _, row := range r.Rows {
		fmt.Fprintf(&b, "- **%s**: %s\n", row.Name(), strings.Join(row.spreads(), "; "))
	}
	return b.String()
}

func (r Row) spreads() []string {
	l := r.Latency
	var all []string
	add := func(name string, f Figure, unit string) {
		if f.Runs > 0 {
			all = append(all, fmt.Sprintf("%s %s%s", name, f.Spread(), unit))
		}
	}
	add("answer p50", l.Answer50, " ms")
	add("p99", l.Answer99, " ms")
	add("processed p50", l.Processed50, " ms")
	add("p99", l.Processed99, " ms")
	add("sustains", r.Sustained.Rate, "/s")
	for _, p := range r.Scale.Points {
		add(fmt.Sprintf("%d consumers", p.Consumers), p.Rate, "/s")
	}
	add("a new consumer has work after", r.Scale.Join, " s")
	for _, f := range r.Faults {
		all = append(all, fmt.Sprintf("%s while %s waited: %s lost, %s twice, %s refused, silent for %s s",
			f.Act, f.Waiting.Spread(), f.Lost.Spread(), f.Duplicated.Spread(), f.Refused.Spread(),
			f.Recovery.Spread()))
	}
	for _, h := range r.Halves {
		all = append(all, h.text())
	}
	for _, d := range r.Depths {
		all = append(all, fmt.Sprintf("with %s waiting: %s/s, answer p99 %s ms",
			number(float64(d.Waiting)), d.Rate.Spread(), d.Answer99.Spread()))
	}
	return all
}
