package screen

import (
	"fmt"
	"strings"
	"unicode"

	"github.com/charmbracelet/lipgloss"

	"course.example/lab/internal/history"
	"course.example/lab/internal/ledger"
)

// palette gives each process a colour that can be told from its neighbours' on
// a light and on a dark projector.
var palette = []string{"6", "5", "2", "3", "4", "13", "10", "14", "11", "12"}

// painter turns lines into text for a terminal, or into plain text.
type painter struct {
	colour bool
	width  int            // of the widest process name so far
	seen   map[string]int // process to place in the palette
}

func newPainter(colour bool) *painter {
	return &painter{colour: colour, width: len("consumer-1"), seen: map[string]int{}}
}

func (p *painter) style(text string, of lipgloss.Style) string {
	if !p.colour {
		return text
	}
	return of.Render(text)
}

func (p *painter) faint(text string) string {
	return p.style(text, lipgloss.NewStyle().Faint(true))
}

func (p *painter) bold(text string) string {
	return p.style(text, lipgloss.NewStyle().Bold(true))
}

func (p *painter) tint(text, colour string) string {
	return p.style(text, lipgloss.NewStyle().Foreground(lipgloss.Color(colour)))
}

func (p *painter) name(process string) string {
	p.width = max(p.width, len(process))
	padded := fmt.Sprintf("%-*s", p.width, process)
	if process == history.Lab {
		return p.bold(padded)
	}
	if _, ok := p.seen[process]; !ok {
		p.seen[process] = len(p.seen)
	}
	return p.tint(padded, palette[p.seen[process]%len(palette)])
}

// line is one line of a process: who, when, what, and the attributes.
func (p *painter) line(l history.Line) string {
	text := Printable(l.Text)
	if l.Process == history.Lab {
		text = p.bold(text)
	}
	if l.Level == "" {
		return fmt.Sprintf("%s │ %s", p.name(l.Process), text)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s │ %s ", p.name(l.Process), p.faint(l.Time.Local().Format("15:04:05.000")))
	// What became of an order comes first, and who says it second.
	kind, _ := ledger.ParseMessage(l.Text)
	switch {
	case l.Level == "ERROR" || kind == ledger.Failed:
		text = p.tint(text, "1")
	case l.Level == "WARN" || kind == ledger.Skipped:
		text = p.tint(text, "3")
	case kind == ledger.Accepted:
		text = p.tint(text, "4")
	case kind == ledger.Processed:
		text = p.tint(text, "2")
	}
	b.WriteString(text)
	for _, a := range l.Attrs {
		value := Printable(a.Value)
		if a.Key == "order" || a.Key == "trace_id" || a.Key == "span_id" {
			value = Short(value)
		}
		if strings.ContainsAny(value, " =") {
			value = fmt.Sprintf("%q", value)
		}
		b.WriteString(" " + p.faint(Printable(a.Key)+"=") + value)
	}
	return b.String()
}

// Short is the end of an order's identity: enough to tell orders of one run
// apart, and readable from the last row. (The beginning is the time.)
func Short(order string) string {
	if runes := []rune(order); len(runes) > 12 {
		return "…" + string(runes[len(runes)-8:])
	}
	return order
}

// Printable keeps what others have written from moving the cursor, clearing the screen or
// turning the text round: an order's identity may come from anywhere.
func Printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\t' || unicode.IsGraphic(r) {
			return r
		}
		return '·'
	}, strings.ToValidUTF8(s, "·"))
}
