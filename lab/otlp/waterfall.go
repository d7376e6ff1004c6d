package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

const (
	// quietFor is how long after its last part a whole trace is taken for finished.
	quietFor = 1500 * time.Millisecond
	// patience is how long a trace that is not whole is waited for.
	patience = 8 * time.Second
	// pace is how often a trace is printed at most: a terminal is for reading.
	pace = time.Second
)

// printFinished prints finished traces, until ctx ends. In a burst it prints one now and then
// and says how many it left out; those that failed come first, because they are what people
// look for.
func printFinished(ctx context.Context, s *store, out io.Writer) error {
	tick := time.NewTicker(pace)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		done := s.finished(quietFor, patience)
		if len(done) == 0 {
			continue
		}
		best := 0
		for i, t := range done {
			if rank(t) > rank(done[best]) {
				best = i
			}
		}
		text := strings.Join(waterfall(done[best]), "\n") + "\n"
		if left := others(done, best); left > 0 {
			text += fmt.Sprintf("… and %d more: see the page\n", left)
		}
		if _, err := io.WriteString(out, text); err != nil {
			return fmt.Errorf("print a trace: %w", err)
		}
	}
}

// others counts the finished traces that are not printed. Beside an order's, those that are of
// no order do not count: nobody misses them.
func others(done []Trace, best int) int {
	left := 0
	for i, t := range done {
		if i != best && (len(t.Orders) > 0 || len(done[best].Orders) == 0) {
			left++
		}
	}
	return left
}

// rank is how much a trace is worth printing: an order's before the rest, a failed one before
// all.
func rank(t Trace) int {
	worth := 0
	if t.Failed {
		worth += 2
	}
	if len(t.Orders) > 0 {
		worth++
	}
	return worth
}

// Widths of the waterfall's columns, 88 together: what a terminal has left beside the lab's
// names.
const (
	wideWho  = 10
	wideName = 34
	wideBar  = 30
)

// maxRows bounds what one trace may take of a terminal.
const maxRows = 40

// waterfall draws a trace: a line for each span, indented under its parent, its bar where it
// lies in the time of the whole, and below it what was logged within it.
func waterfall(t Trace) []string {
	title := "trace " + short(t.Trace)
	for i, order := range t.Orders {
		if i == 3 {
			title += fmt.Sprintf(" and %d orders more", len(t.Orders)-i)
			break
		}
		title += ", order " + short(order)
	}
	title += fmt.Sprintf(": %s, %s, %s", duration(t.Duration), plural(t.Spans, "span"),
		plural(len(t.Services), "service"))
	if !t.Whole {
		title += ", NOT WHOLE: a parent is missing"
	}
	lines := []string{title}
	for i, r := range t.Rows {
		if i == maxRows {
			lines = append(lines, fmt.Sprintf("  … and %s more", plural(len(t.Rows)-i, "span")))
			break
		}
		name := strings.Repeat("  ", min(r.Depth, 6)) + r.Name
		if r.Lost {
			name = strings.Repeat("  ", min(r.Depth, 6)) + "? " + r.Name
		}
		line := fmt.Sprintf("  %s %s %s %9s", pad(r.Instance, wideWho), pad(name, wideName),
			bar(r.Start-t.Start, r.End-t.Start, t.Duration), duration(r.End-r.Start))
		if r.Failed {
			line += " ✗"
		}
		lines = append(lines, line)
		for _, note := range notes(r, t.Trace) {
			lines = append(lines, fmt.Sprintf("  %s %s%s", pad("", wideWho),
				strings.Repeat("  ", min(r.Depth, 6)), note))
		}
	}
	return lines
}

// notes are what happened within a span, in the order of time: log lines, errors, links to other
// traces.
func notes(r Row, trace string) []string {
	type note struct {
		at   int64
		text string
	}
	var all []note
	for _, l := range r.Logs {
		text := "· " + l.Level + " " + l.Text
		for _, a := range l.Attrs {
			if a.Key == "reason" || a.Key == "error" {
				text += " (" + a.Value + ")"
			}
		}
		all = append(all, note{l.Time, text})
	}
	for _, e := range r.Events {
		text := "! " + e.Name
		for _, a := range e.Attrs {
			if a.Key == "exception.message" {
				text = "! " + a.Value
			}
		}
		all = append(all, note{e.Time, text})
	}
	others := 0
	for _, l := range r.Links {
		if l.Trace != trace {
			others++
		}
	}
	if others > 0 {
		all = append(all, note{r.Start, "↗ linked to " + plural(others, "other trace")})
	}
	slices.SortStableFunc(all, func(a, b note) int { return int(min(1, max(-1, a.at-b.at))) })
	var lines []string
	for _, n := range all {
		lines = append(lines, clip(printable(n.text), wideName+wideBar+10))
	}
	return lines
}

// bar draws a span's place in the whole, in eighths of a character at its end.
func bar(from, to, whole int64) string {
	if whole <= 0 {
		return pad("▏", wideBar)
	}
	at := func(ns int64) int64 {
		return min(wideBar*8, max(0, ns*wideBar*8/whole))
	}
	start, end := at(from)/8, at(to)
	start = min(start, wideBar-1)
	full := max(0, end/8-start)
	text := strings.Repeat(" ", int(start)) + strings.Repeat("█", int(full))
	if rest := end % 8; start+full < wideBar && (rest > 0 || full == 0) {
		text += string([]rune("▏▏▎▍▌▋▊▉")[rest])
	}
	return pad(text, wideBar)
}

// short is the end of an identity, as the lab shows those of orders.
func short(id string) string {
	if runes := []rune(id); len(runes) > 12 {
		id = "…" + string(runes[len(runes)-8:])
	}
	return printable(id)
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func duration(ns int64) string {
	switch d := time.Duration(ns); {
	case d < time.Millisecond:
		return fmt.Sprintf("%.2f ms", float64(ns)/1e6)
	case d < 100*time.Millisecond:
		return fmt.Sprintf("%.1f ms", float64(ns)/1e6)
	case d < 10*time.Second:
		return fmt.Sprintf("%.0f ms", float64(ns)/1e6)
	default:
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
}

// pad makes text exactly so wide, in characters.
func pad(text string, width int) string {
	text = clip(printable(text), width)
	return text + strings.Repeat(" ", width-utf8.RuneCountInString(text))
}

func clip(text string, width int) string {
	if runes := []rune(text); len(runes) > width {
		return string(runes[:width-1]) + "…"
	}
	return text
}

// printable keeps what others have sent from moving the cursor, breaking a line or turning
// the text round.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsGraphic(r) {
			return r
		}
		return '·'
	}, strings.ToValidUTF8(text, "·"))
}
