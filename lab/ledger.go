package main

import (
	"fmt"
	"strings"

	"course.example/lab/internal/bench"
	"course.example/lab/internal/screen"
)

// printLedger is how every run ends.
//
// With left, somebody quit before everything was worked off: what is open then is
// not known to be lost.
func printLedger(s *screen.Screen, st bench.Status, open []string, left bool) {
	lost := "lost"
	note := "accepted, and nobody ever heard of it again"
	if left {
		lost, note = "in flight", "accepted, and not waited for"
	}
	rows := []struct {
		name  string
		count int
		bad   bool
		note  string
	}{
		{"accepted", st.Accepted, false, "the customer was told yes"},
		{"processed", st.Processed, false, "the effect happened"},
		{"failed", st.Failed, false, "given up openly, with a reason"},
		{lost, st.Open, st.Open > 0, note},
		{"duplicated", st.Duplicated, false, "effects beyond an order's first"},
		{"refused", st.Refused, false, "told to come back later, or no answer"},
		{"ghosts", st.Ghosts, false, "processed, though the customer never got a yes"},
	}
	var b strings.Builder
	b.WriteString("\n" + s.Bold("the ledger") + "\n")
	for _, r := range rows {
		if r.name == "ghosts" && r.count == 0 {
			continue
		}
		line := fmt.Sprintf("  %-11s %6d   ", r.name, r.count)
		if r.bad {
			line = s.Red(line)
		}
		b.WriteString(line + s.Faint(r.note) + "\n")
	}
	b.WriteString("\n  " + verdict(s, st, left))
	for i, id := range open {
		if i == 0 {
			b.WriteString("\n  for example " + id)
			continue
		}
		b.WriteString(", " + id)
	}
	s.Print(b.String())
}

func verdict(s *screen.Screen, st bench.Status, left bool) string {
	switch {
	case st.Open > 0 && left:
		return s.Red(fmt.Sprintf("%d accepted orders were still in flight.", st.Open))
	case st.Open > 0:
		return s.Red(fmt.Sprintf("%d accepted orders were lost.", st.Open))
	case st.Duplicated > 0:
		return s.Green("Nothing was lost") +
			fmt.Sprintf("; %d effects happened again.", st.Duplicated)
	default:
		return s.Green("Nothing was lost, nothing happened twice.")
	}
}
