package history

import (
	"fmt"
	"regexp"
	"strings"

	"course.example/lab/internal/ledger"
)

// ready is the message of a process that has what it needs to begin.
const ready = "ready"

// Ready says whether a process without an HTTP server has said that it can begin.
func (l Line) Ready() bool { return l.Level != "" && l.Text == ready }

// Slip says what is wrong with a line that was meant for the ledger and is none of its
// lines, or returns "". A slip that nobody points out looks like a lost order.
func (l Line) Slip() string {
	kind, isEvent := ledger.ParseMessage(l.Text)
	switch _, counts := l.Event(); {
	case counts || l.Ready():
		return ""
	case l.Level == "":
		if found := meant.FindStringSubmatch(l.Text); found != nil {
			return fmt.Sprintf("a line with the message %q is no JSON object, and "+
				"LOG_FORMAT=json asks for one", found[1])
		}
	case isEvent && l.Attr("order") == "":
		return fmt.Sprintf("\"order %s\" without the attribute order says of no order", kind)
	case isEvent:
		return fmt.Sprintf("\"order %s\": the attribute order must be a string", kind)
	default:
		usual := usually(l.Text)
		if _, known := ledger.ParseMessage(usual); known || usual == ready {
			return fmt.Sprintf("the message %q must be %q", l.Text, usual)
		}
	}
	return ""
}

// meant finds a message of the ledger in a line as slog writes them for people.
var meant = regexp.MustCompile(`\bmsg="(order (?:accepted|received|processed|failed|skipped))"`)

// usually is a message as those of the ledger are written.
func usually(message string) string {
	words := strings.Fields(strings.ToLower(strings.TrimRight(message, ".!: ")))
	return strings.Join(words, " ")
}
