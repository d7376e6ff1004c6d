package saga

import (
	"fmt"
	"regexp"
	"strings"
)

// What the library draws is DOT, with a table of one row per trigger on each edge.
var (
	edge = regexp.MustCompile(`^\s*(\w+) -> (\w+) \[label=<(.*)>\];`)
	row  = regexp.MustCompile(`<TD ALIGN="LEFT">([^<]*)</TD>`)
)

// Diagram is the state machine as a Mermaid diagram. It is made from the machine
// itself, so that the picture in the README cannot tell another story: a test
// compares them.
func Diagram() string {
	s := &Saga{State: Initially}
	var b strings.Builder
	b.WriteString("stateDiagram-v2\n")
	dot := s.machine(Rules{Attempts: 3, Compensating: true}, func(Kind) {}).ToGraph()
	lines := edges(dot)
	fmt.Fprintf(&b, "    [*] --> %s\n%s", Initially, strings.Join(lines, ""))
	for _, end := range []State{Accepted, Cancelled} {
		fmt.Fprintf(&b, "    %s --> [*]\n", end)
	}
	return b.String()
}

// edges turns the edges of DOT into those of Mermaid.
func edges(dot string) []string {
	var lines []string
	for line := range strings.Lines(dot) {
		m := edge.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		var labels []string
		for _, r := range row.FindAllStringSubmatch(m[3], -1) {
			labels = append(labels, strings.ReplaceAll(r[1], "-fm", ""))
		}
		lines = append(lines, fmt.Sprintf("    %s --> %s: %s\n",
			m[1], m[2], strings.Join(labels, ", ")))
	}
	return lines
}
