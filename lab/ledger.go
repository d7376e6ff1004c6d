package main

import (
	"fmt"
	"strings"

	"course.example/lab/internal/bench"
	"course.example/lab/internal/screen"
)

// printLedger is how every run ends. Open are a few of the orders that have no end.
//
// With left, somebody quit before everything was worked off: what is open then is
// not known to be lost.
func printLedger(s *screen.Screen, st bench.Status, open []string, left bool) {
	s.Print(ledgerText(s, st, open, left))
}

func ledgerText(s *screen.Screen, st bench.Status, open []string, left bool) string {
	lost := "lost"
	note := "accepted, and nobody ever heard of it again"
	if left {
		lost, note = "in flight", "accepted, and not waited for"
	}
	rows := []struct {
		name  string
		count int
		never bool // ought never to be: told only where it is
		note  string
	}{
		{"accepted", st.Accepted, false, "the customer was told yes"},
		{"processed", st.Processed, false, "the effect happened"},
		{"failed", st.Failed, false, "given up openly, with a reason"},
		{lost, st.Open, false, note},
		{"duplicated", st.Duplicated, false, "effects beyond an order's first"},
		{"refused", st.Refused, false, "told to come back later, or no answer"},
		{"ghosts", st.Ghosts, true, "processed, though the customer never got a yes"},
		{"both", st.Contradictions, true, "given up, and processed all the same"},
		{"reused", st.Reused, true, "customers who were given another one's order"},
	}
	var b strings.Builder
	b.WriteString("\n" + s.Bold("the ledger") + "\n")
	for _, r := range rows {
		if r.never && r.count == 0 {
			continue
		}
		line := fmt.Sprintf("  %-11s %6d   ", r.name, r.count)
		if r.count > 0 && (r.never || r.name == lost) {
			line = s.Red(line)
		}
		b.WriteString(line + s.Faint(r.note) + "\n")
	}
	b.WriteString("\n  " + verdict(s, st, left))
	for i, id := range open {
		if i == 0 {
			b.WriteString("\n  for example " + screen.Printable(id))
			continue
		}
		b.WriteString(", " + screen.Printable(id))
	}
	return b.String()
}

// verdict says in a sentence what the ledger comes to, and how sure that is.
func verdict(s *screen.Screen, st bench.Status, left bool) string {
	text := sentence(s, st, left)
	if st.Waits != "" && !left {
		text += "\n  " + s.Red("It was not the end: there still waits "+st.Waits+".")
	}
	if st.Differs != "" {
		text += "\n  These are the figures of the step's own book: " + st.Differs + "."
	}
	return text
}

func sentence(s *screen.Screen, st bench.Status, left bool) string {
	again := some(st.Duplicated, "effect") + " happened again"
	wrong := wrongs(st, left)
	switch {
	case len(wrong) > 0:
		if st.Duplicated > 0 {
			wrong = append(wrong, again)
		}
		return s.Red(strings.Join(wrong, "; ") + ".")
	case st.Accepted == 0:
		return "No order was accepted: there is nothing to judge."
	case st.Duplicated > 0:
		return s.Green("Nothing was lost") + "; " + again + "."
	case st.Waits != "" && !left: // what would still have come, nobody knows
		return "Nothing was lost, and nothing has happened twice so far."
	default:
		return s.Green("Nothing was lost, nothing happened twice.")
	}
}

// wrongs are what nobody can have meant. A run that has any ends with an error; effects
// that happen again are not among them, because a step may promise no more than that an
// order is done at least once.
func wrongs(st bench.Status, left bool) (all []string) {
	lost := "lost"
	if left {
		lost = "still in flight"
	}
	for _, w := range []struct {
		count     int
		who, what string
	}{
		{st.Open, "accepted order", lost},
		{st.Ghosts, "order", "done that nobody was promised"},
		{st.Contradictions, "order", "given up and done all the same"},
		{st.Reused, "customer", "given another one's order"},
	} {
		switch w.count {
		case 0:
		case 1:
			all = append(all, some(1, w.who)+" was "+w.what)
		default:
			all = append(all, some(w.count, w.who)+" were "+w.what)
		}
	}
	return all
}

// ending is how the program ends after a run: with an error that has been told already,
// where the ledger has anything that nobody can have meant.
func ending(err error, st bench.Status, left bool) error {
	if err == nil && len(wrongs(st, left)) > 0 {
		return errQuiet
	}
	return err
}

// some is a number of things: 1 order, 2 orders.
func some(n int, thing string) string {
	if n != 1 {
		thing += "s"
	}
	return fmt.Sprintf("%d %s", n, thing)
}
