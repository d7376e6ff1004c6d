package shop

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"log/slog"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// contract is what the lab reads. Its own tests read the lines of the same file.
type contract struct {
	Limits map[string]int
	Lines  []struct {
		Name string
		Line json.RawMessage
	}
}

func readContract(t *testing.T) (c contract) {
	t.Helper()
	raw, err := os.ReadFile("contract.json")
	if err == nil {
		err = json.Unmarshal(raw, &c)
	}
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// aStranger is an identity that nobody of ours would give.
const aStranger = "\x1b[2J\"\\ \nü"

// said are the calls that write the lines of the contract, by their names.
var said = map[string]func(context.Context){
	"accepted":  func(ctx context.Context) { Accepted(ctx, "o-1") },
	"received":  func(ctx context.Context) { Received(ctx, "o-1", 2) },
	"processed": func(ctx context.Context) { Processed(ctx, "o-1") },
	"processed with an effect": func(ctx context.Context) {
		Processed(ctx, "o-1", slog.String("effect", "741"))
	},
	"failed":  func(ctx context.Context) { Failed(ctx, "o-1", "the card was declined") },
	"skipped": func(ctx context.Context) { Skipped(ctx, "o-1", "already done") },
	"more attributes": func(ctx context.Context) {
		Received(ctx, "o-1", 1, slog.Duration("took", 1500*time.Millisecond),
			slog.String("order", "o-2"))
	},
	"a stranger's order": func(ctx context.Context) { Accepted(ctx, aStranger) },
	"ready":              func(ctx context.Context) { Ready(ctx) },
}

var timeOfRecord = regexp.MustCompile(`"time":"([^"]*)"`)

// The lines of the contract are those that the shop writes, to the letter but for their
// time.
func TestLinesOfTheContract(t *testing.T) {
	lines := record(t, "json", "")
	c := readContract(t)
	if len(c.Lines) != len(said) {
		t.Errorf("the contract has %d lines, and %d are tried", len(c.Lines), len(said))
	}
	for _, l := range c.Lines {
		say := said[l.Name]
		if say == nil {
			t.Errorf("nothing writes the line %q", l.Name)
			continue
		}
		var want bytes.Buffer
		if err := json.Compact(&want, l.Line); err != nil {
			t.Fatal(err)
		}
		lines.Reset()
		say(t.Context())
		got := strings.TrimSuffix(lines.String(), "\n")
		when := timeOfRecord.FindStringSubmatch(got)
		if when == nil {
			t.Fatalf("%s: no time: %s", l.Name, got)
		}
		if _, err := time.Parse(time.RFC3339Nano, when[1]); err != nil {
			t.Errorf("%s: %v", l.Name, err)
		}
		got = timeOfRecord.ReplaceAllString(got, "TIME")
		if want := timeOfRecord.ReplaceAllString(want.String(), "TIME"); got != want {
			t.Errorf("%s:\n got %s\nwant %s", l.Name, got, want)
		}
	}
}

// No message is outside of the contract.
func TestContractNamesEveryMessage(t *testing.T) {
	t.Parallel()
	file, err := parser.ParseFile(token.NewFileSet(), "log.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile("contract.json")
	if err != nil {
		t.Fatal(err)
	}
	messages := 0
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || !strings.HasPrefix(spec.Names[0].Name, "Msg") {
			return true
		}
		text, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
		if err != nil {
			t.Error(err)
		}
		messages++
		if !bytes.Contains(raw, []byte(fmt.Sprintf(`"msg": %q`, text))) {
			t.Errorf("the contract has no line for %s, %q", spec.Names[0].Name, text)
		}
		return true
	})
	if messages != 6 {
		t.Errorf("log.go has %d messages", messages)
	}
}

// On a terminal an identity is quoted, whatever it is.
func TestStrangersOrderOnATerminal(t *testing.T) {
	lines := record(t, "text", "")
	Accepted(t.Context(), aStranger)
	if text := lines.String(); strings.ContainsAny(text, "\x1b") ||
		strings.Count(text, "\n") != 1 {
		t.Errorf("%q", text)
	}
}

// A line never grows beyond what the lab reads of one, whatever a stranger has sent.
func TestLongValuesAreCut(t *testing.T) {
	limits := readContract(t).Limits
	if limits["reason bytes"] != MaxReason || limits["text bytes"] != maxText {
		t.Errorf("the contract's limits are %v, the shop's %d and %d", limits, MaxReason, maxText)
	}
	long := strings.Repeat("ü", 100_000)
	for _, format := range []string{"json", "text"} {
		lines := record(t, format, "")
		Failed(t.Context(), "o-1", "x"+long, slog.Any("error", errors.New(long)),
			slog.String("body", strings.Repeat("\x00", 100_000)))
		line := lines.String()
		if len(line) > limits["line bytes"] || strings.Contains(line, "\ufffd") {
			t.Errorf("%s: a line of %d bytes: %.60s", format, len(line), line)
		}
	}
}
