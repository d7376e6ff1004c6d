package screen

import (
	"fmt"
	"strings"
	"testing"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/x/ansi"

	"course.example/lab/internal/history"
)

// newFull is a terminal of 80×24 with so many lines of a consumer on it.
func newFull(lines int) *full {
	m := &full{width: 80, height: 24, Full: Full{
		Status: func(int) string { return "accepted 12\nb burst  ? help  q quit" },
		Help:   func() string { return "  b   a burst of 100 orders\n" },
		Press:  func(string) {},
	}}
	var rows []row
	for i := range lines {
		rows = append(rows, row{text: fmt.Sprintf("consumer-%d │ line %03d", i%2+1, i)})
	}
	m.add(rows)
	return m
}

// press presses keys one after the other; a word in <> is one key.
func (m *full) pressAll(keys ...string) {
	for _, k := range keys {
		msg := tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune(k)}
		for name, special := range map[string]tea.KeyType{
			"<esc>": tea.KeyEsc, "<enter>": tea.KeyEnter, "<up>": tea.KeyUp, "<down>": tea.KeyDown,
			"<pgup>": tea.KeyPgUp, "<pgdown>": tea.KeyPgDown, "<back>": tea.KeyBackspace,
		} {
			if k == name {
				msg = tea.KeyMsg{Type: special}
			}
		}
		m.Update(msg)
	}
}

// The status and the keys are whole at the bottom, whatever is above and however small it is.
func TestFullFitsTheTerminal(t *testing.T) {
	t.Parallel()
	for _, size := range [][2]int{{80, 24}, {100, 30}, {40, 8}, {200, 60}} {
		for _, lines := range []int{0, 3, 500} {
			m := newFull(lines)
			m.Update(tea.WindowSizeMsg{Width: size[0], Height: size[1]})
			m.add([]row{{text: strings.Repeat("long ", 100)}})
			for _, keys := range [][]string{nil, {"?"}, {"?", "p"}, {"/", "x"}} {
				m.pressAll(keys...)
				view := strings.Split(m.View(), "\n")
				if len(view) != size[1] {
					t.Fatalf("%v, %d lines, %q: %d rows", size, lines, keys, len(view))
				}
				for _, r := range view[:len(view)-1] {
					if ansi.StringWidth(r) > size[0] && !strings.Contains(r, "filter") {
						t.Errorf("%v: a row is %d wide: %q", size, ansi.StringWidth(r), r)
					}
				}
				if last := view[len(view)-1]; last != "b burst  ? help  q quit" {
					t.Errorf("%v: the last row is %q", size, last)
				}
			}
		}
	}
}

func TestFullKeys(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name   string
		keys   []string
		has    string
		hasNot string
	}{
		{"the newest lines", nil, "line 099", "line 070"},
		{"up", []string{"<up>"}, "line 077", "line 099"},
		{"a page up", []string{"<pgup>"}, "line 060", "line 099"},
		{"and down again", []string{"<pgup>", "<pgdown>"}, "line 099", "line 060"},
		{"help", []string{"?"}, "a burst of 100 orders", "line 099"},
		{"help is closed", []string{"?", "?"}, "line 099", "a burst of 100 orders"},
		{"or by Esc", []string{"?", "<esc>"}, "line 099", "a burst of 100 orders"},
		{"a filter", []string{"/", "consumer-2", "<enter>"}, "consumer-2", "consumer-1"},
		{"a filter that is mended", []string{"/", "consumer-3", "<back>", "1", "<enter>"},
			"consumer-1", "consumer-2"},
		{"no filter any more", []string{"/", "consumer-2", "<enter>", "<esc>"}, "consumer-1", "paused"},
	}
	for _, c := range cases {
		m := newFull(100)
		m.pressAll(c.keys...)
		view := m.View()
		if !strings.Contains(view, c.has) || strings.Contains(view, c.hasNot) {
			t.Errorf("%s: want %q and no %q:\n%s", c.name, c.has, c.hasNot, view)
		}
	}
}

// While it is paused nothing moves, and nothing is lost.
func TestFullPause(t *testing.T) {
	t.Parallel()
	m := newFull(100)
	m.pressAll("p")
	before := m.View()
	m.add([]row{{text: "something new"}})
	if m.View() != before {
		t.Errorf("it has moved:\n%s", m.View())
	}
	m.pressAll("p")
	if !strings.Contains(m.View(), "something new") {
		t.Errorf("what came meanwhile is not there:\n%s", m.View())
	}
}

// Letters that are typed into the filter do nothing to the run.
func TestFullPassesKeysOn(t *testing.T) {
	t.Parallel()
	var pressed []string
	m := newFull(1)
	m.Press = func(key string) { pressed = append(pressed, key) }
	m.pressAll("b", "/", "k", "r", "<enter>", "q", "?", "k")
	if got := strings.Join(pressed, ""); got != "bqk" {
		t.Errorf("the run was told %q, want b, q and k", got)
	}
}

// A restart of the broker makes each client complain again and again: that is one row with a count.
func TestFullFoldsWarnings(t *testing.T) {
	t.Parallel()
	m := newFull(0)
	warn := func(process, text string) row {
		l := history.Line{Process: process, Level: "WARN", Text: text}
		return rowOf(l, process+" │ "+text)
	}
	for range 20 {
		m.add([]row{warn("consumer-1", "no broker"), warn("consumer-2", "no broker")})
	}
	info := rowOf(history.Line{Process: "p", Level: "INFO", Text: "order accepted"}, "p │ order accepted")
	m.add([]row{info, info, warn("consumer-1", "another thing")})
	var all []string
	for _, r := range m.rows {
		all = append(all, r.shown())
	}
	want := "consumer-1 │ no broker  (×20)\nconsumer-2 │ no broker  (×20)\n" +
		"p │ order accepted\np │ order accepted\nconsumer-1 │ another thing"
	if got := strings.Join(all, "\n"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	// One of long ago stays where it was.
	for range foldWithin {
		m.add([]row{info})
	}
	m.add([]row{warn("consumer-1", "no broker")})
	if last := m.rows[len(m.rows)-1]; last.count > 1 || !strings.Contains(last.text, "no broker") {
		t.Errorf("the last row is %+v", last)
	}
}
