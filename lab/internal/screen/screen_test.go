package screen

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"course.example/lab/internal/history"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.Local)

func TestLine(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name string
		line history.Line
		want string
	}{
		{"no log record", history.Line{Process: "producer", Text: "hello"}, "producer   │ hello"},
		{
			"a record", history.Line{
				Process: "consumer-1", Time: noon, Level: "INFO", Text: "order received",
				Attrs: []history.Attr{
					{Key: "order", Value: "0199d3a0-7c1e-7000-8000-00000000abcd"},
					{Key: "attempt", Value: "2"},
				},
			},
			"consumer-1 │ 12:00:00.000 order received order=…0000abcd attempt=2",
		},
		{
			"spaces are quoted", history.Line{
				Process: "p", Time: noon, Level: "WARN", Text: "x",
				Attrs: []history.Attr{{Key: "reason", Value: "a b"}},
			},
			`p          │ 12:00:00.000 x reason="a b"`,
		},
		{
			"nothing moves the cursor",
			history.Line{Process: "p", Text: "a\x1b[2Jb\rc"}, "p          │ a·[2Jb·c",
		},
		{
			"not by one character either, nor does anything turn the text round",
			history.Line{Process: "p", Text: "a\u009b2J\u202eb\u2028c\xffd"}, "p          │ a·2J·b·c·d",
		},
		{
			"an order's identity is text like any other",
			history.Line{
				Process: "p", Time: noon, Level: "INFO", Text: "order accepted",
				Attrs: []history.Attr{
					{Key: "order", Value: "\x1b]0;title\a"}, {Key: "a\x1b[2J", Value: "\u202e"},
				},
			},
			"p          │ 12:00:00.000 order accepted order=·]0;title· a·[2J=·",
		},
		{
			"an identity is cut between characters",
			history.Line{
				Process: "p", Time: noon, Level: "INFO", Text: "x",
				Attrs: []history.Attr{{Key: "order", Value: strings.Repeat("ü", 20)}},
			},
			"p          │ 12:00:00.000 x order=…üüüüüüüü",
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := newPainter(false).line(c.line); got != c.want {
				t.Errorf("\n got %q\nwant %q", got, c.want)
			}
		})
	}
}

func TestLongNamesKeepTheBarInLine(t *testing.T) {
	t.Parallel()
	p := newPainter(false)
	long := p.line(history.Line{Process: "a-very-long-name", Text: "x"})
	short := p.line(history.Line{Process: "b", Text: "x"})
	if strings.Index(long, "│") != strings.Index(short, "│") {
		t.Errorf("\n%s\n%s", long, short)
	}
}

// The log keeps what the screen shortens.
func TestLogIsInFull(t *testing.T) {
	t.Parallel()
	var log, out bytes.Buffer
	s := New(&log)
	s.out = &out
	s.paint = newPainter(false)
	id := "0199d3a0-7c1e-7000-8000-00000000abcd"
	line := history.Line{
		Process: "p", Time: noon, Level: "INFO", Text: "order processed",
		Attrs: []history.Attr{{Key: "order", Value: id}},
	}
	s.Show(line)
	s.Record(line)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(log.String(), id); n != 2 {
		t.Errorf("the log has the identity %d times:\n%s", n, log.String())
	}
	if out.String() != "p          │ 12:00:00.000 order processed order=…0000abcd\n" {
		t.Errorf("the screen shows %q", out.String())
	}
}

// Nor does the log act on the terminal of whoever reads it.
func TestLogIsHarmless(t *testing.T) {
	t.Parallel()
	got := Record(history.Line{
		Process: "p", Time: noon, Level: "IN\x1b[2JFO", Text: "a\x1bb",
		Attrs: []history.Attr{{Key: "k\x1b", Value: "v\x1b\u202e"}},
	})
	if strings.ContainsAny(got, "\x1b\u202e") || !strings.HasSuffix(got, `k·="v\x1b\u202e"`) {
		t.Errorf("%q", got)
	}
}

// What was printed just before the end must still be seen: it is the end of the
// last order.
func TestNothingIsLostAtTheEnd(t *testing.T) {
	t.Parallel()
	waiting := []string{"the last line"}
	m := &model{take: func() string {
		text := strings.Join(waiting, "\n")
		waiting = nil
		return text
	}}
	_, cmd := m.Update(end{})
	if cmd == nil || waiting != nil {
		t.Fatal("the last line was not taken")
	}
	if _, cmd = m.Update(end{}); cmd == nil {
		t.Fatal("does not end")
	}
	if _, ok := cmd().(tea.QuitMsg); !ok {
		t.Error("with nothing to print it does not quit at once")
	}
}

func TestNobodyIsAskedWithoutATerminal(t *testing.T) {
	t.Parallel()
	s := New(nil)
	s.terms = false
	if s.Ask(context.Background()) != nil {
		t.Error("there is nobody to ask")
	}
}
