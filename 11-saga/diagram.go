package saga

import (
	"fmt"
	"slices"
	"strings"
)

// transition is a pair of states, and the messages that lead from one to the other.
type transition struct {
	from, to State
	by       []string
}

// String is the transition's name as a crash point.
func (t transition) String() string { return string(t.from) + "-to-" + string(t.to) }

// Diagram is the state machine as a Mermaid diagram. It is drawn from the table,
// so that the picture in MEASUREMENTS.md cannot tell another story: a test compares
// them.
func Diagram() string {
	var b strings.Builder
	fmt.Fprintf(&b, "stateDiagram-v2\n    [*] --> %s\n", Initially)
	for _, t := range orderSaga.transitions() {
		fmt.Fprintf(&b, "    %s --> %s: %s\n", t.from, t.to, strings.Join(t.by, ", "))
	}
	for _, end := range []State{Accepted, Cancelled} {
		fmt.Fprintf(&b, "    %s --> [*]\n", end)
	}
	return b.String()
}

// transitions lists what the machine can do, in the order of its table. It asks
// [machine.next], and so cannot forget what is no row: repetition and parking.
func (m machine) transitions() []transition {
	var all []transition
	add := func(s Saga, event Kind, attempts int, guard string) {
		to, ok := m.next(s, event, attempts)
		if !ok {
			return
		}
		t := transition{from: s.State, to: to}
		i := slices.IndexFunc(all, func(o transition) bool { return o.String() == t.String() })
		if i < 0 {
			i, all = len(all), append(all, t)
		}
		all[i].by = append(all[i].by, string(event)+guard)
	}
	for _, r := range m {
		for _, e := range r.edges {
			if e.event != Timeout {
				add(Saga{State: r.state}, e.event, 0, "")
				continue
			}
			add(Saga{State: r.state}, Timeout, 1, " [attempts left]")
			add(Saga{State: r.state}, Timeout, 0, " [attempts used]")
		}
	}
	for _, r := range m {
		if !slices.ContainsFunc(r.edges, func(e edge) bool { return e.state == Parked }) {
			continue
		}
		parked := Saga{State: Parked, ParkedIn: r.state}
		guard := fmt.Sprintf(" [in %s]", r.state)
		add(parked, Resume, 0, guard)
		for _, e := range r.edges {
			add(parked, e.event, 0, guard)
		}
	}
	return all
}
