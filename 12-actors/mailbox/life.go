package main

import (
	"fmt"
	"slices"
	"strings"
)

// The states in an actor's life.
const (
	Begin     = "[*]"
	Running   = "running"
	Suspended = "suspended"
	End       = "[*] " // drawn as the other one; only its place tells them apart
)

// Transition is one step in an actor's life: it was written down when it
// happened, not when somebody thought about how it should be.
type Transition struct{ From, To, Event string }

func (a *Actor) enter(state, event string) {
	from := Begin
	if n := len(a.life); n > 0 {
		from = a.life[n-1].To
	}
	a.life = append(a.life, Transition{from, state, event})
}

// Diagram draws a life as a Mermaid state diagram: each transition once, in the
// order in which it was first made.
func Diagram(life []Transition) string {
	lines := []string{"stateDiagram-v2"}
	for _, t := range life {
		line := fmt.Sprintf("    %s --> %s: %s", t.From, strings.TrimSpace(t.To), t.Event)
		if !slices.Contains(lines, line) {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "\n")
}
