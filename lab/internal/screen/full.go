package screen

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/x/ansi"

	"course.example/lab/internal/history"
)

const (
	keptRows   = 5000 // for scrolling back
	keptRecent = 200  // of what was printed before the screen was taken
	foldWithin = 30   // rows, in which warnings of a kind become one
)

// row is one line of the log, as it is shown.
type row struct {
	text string // with colours
	// kind is what warnings and errors of a kind have in common: they are folded into one row.
	// It is empty for everything else.
	kind  string
	count int // how many the row stands for, when it is more than one
}

func rowOf(l history.Line, text string) row {
	r := row{text: text}
	if l.Level == "WARN" || l.Level == "ERROR" {
		r.kind = l.Process + "\x00" + l.Level + "\x00" + l.Text
	}
	return r
}

// Full is what [Screen.Full] shows and does.
type Full struct {
	Status func(width int) string // stays at the bottom
	Press  func(key string)       // what the screen has no use for itself; it must not block
	Help   func() string          // is shown above all else, for ?
}

// Full takes the whole terminal until ctx ends: the log above, the status below, always whole. Its
// own keys are ? for help, p to pause, / to filter by process or order, and those that scroll.
func (s *Screen) Full(ctx context.Context, f Full) error {
	m := &full{Full: f, take: s.takeRows, width: 80, height: 24}
	program := tea.NewProgram(m, tea.WithAltScreen(), tea.WithoutSignalHandler(), tea.WithFPS(30))
	s.mu.Lock()
	s.program = program
	m.add(s.recent)
	s.mu.Unlock()
	stop := context.AfterFunc(ctx, func() { program.Send(end{}) })
	defer stop()
	_, err := program.Run()
	// The other screen, with all that was on it, is gone: its last rows stay to be read.
	s.mu.Lock()
	m.add(s.waiting)
	s.waiting = nil
	for _, r := range m.rows[max(0, len(m.rows)-lastRows):] {
		fmt.Fprintln(s.out, r.shown())
	}
	s.mu.Unlock()
	return s.left(err)
}

// lastRows is how many rows stay on the terminal after the end.
const lastRows = 10

// full is the whole terminal as bubbletea sees it.
type full struct {
	Full
	take          func() []row
	width, height int

	rows   []row
	top    int // of the rows that match, the first that is shown, while paused
	paused bool
	help   bool
	typing bool // of the filter
	filter string
}

func (m *full) Init() tea.Cmd { return m.later() }

func (m *full) later() tea.Cmd {
	return tea.Tick(redraw, func(time.Time) tea.Msg { return tick{} })
}

func (m *full) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.width, m.height = msg.Width, msg.Height
	case tea.KeyMsg:
		m.key(msg)
	case end:
		m.add(m.take())
		return m, tea.Quit
	case tick:
		m.add(m.take())
		return m, m.later()
	}
	return m, nil
}

// key is one key: the screen's own, or one for the run.
func (m *full) key(k tea.KeyMsg) {
	switch name := k.String(); {
	case m.typing:
		m.typed(k)
	case name == "?" || name == "h":
		m.help = !m.help
	case m.help && name == "esc":
		m.help = false
	case name == "p":
		m.pause(!m.paused)
	case name == "/":
		m.typing, m.filter = true, ""
	case name == "esc":
		m.filter = ""
		m.pause(false)
	case name == "up" || name == "pgup":
		m.pause(true)
		m.top = max(0, m.top-m.jump(name))
	case name == "down" || name == "pgdown":
		m.top += m.jump(name)
		m.pause(m.paused && m.top < m.bottom()-1) // the note that it is paused takes a row
	default:
		m.Press(name)
	}
}

func (m *full) jump(key string) int {
	if strings.HasPrefix(key, "pg") {
		return max(1, m.room()-1)
	}
	return 1
}

// typed is a key while the filter is typed.
func (m *full) typed(k tea.KeyMsg) {
	switch k.Type {
	case tea.KeyEnter:
		m.typing = false
	case tea.KeyEsc, tea.KeyCtrlC:
		m.typing, m.filter = false, ""
	case tea.KeyBackspace:
		if runes := []rune(m.filter); len(runes) > 0 {
			m.filter = string(runes[:len(runes)-1])
		}
	case tea.KeyRunes, tea.KeySpace:
		m.filter += string(k.Runes)
	}
}

// pause lets the log stand still, at what is on the screen now.
func (m *full) pause(on bool) {
	if on && !m.paused {
		m.top = m.bottom()
	}
	m.paused = on
}

// bottom is the first row that is shown when the last one is.
func (m *full) bottom() int { return max(0, len(m.matching())-m.room()) }

// add takes rows into the log. A warning of a kind that was there just now is counted, and not
// shown again.
func (m *full) add(rows []row) {
	for _, r := range rows {
		if i := m.like(r); i >= 0 {
			m.rows[i].count = max(1, m.rows[i].count) + 1
			continue
		}
		m.rows = append(m.rows, r)
	}
	if over := len(m.rows) - keptRows; over > 0 {
		m.rows = slices.Clone(m.rows[over:])
		m.top = max(0, m.top-over)
	}
}

func (m *full) like(r row) int {
	if r.kind == "" {
		return -1
	}
	for i := len(m.rows) - 1; i >= max(0, len(m.rows)-foldWithin); i-- {
		if m.rows[i].kind == r.kind {
			return i
		}
	}
	return -1
}

// shown is a row with how many it stands for.
func (r row) shown() string {
	if r.count > 1 {
		return fmt.Sprintf("%s  (×%d)", r.text, r.count)
	}
	return r.text
}

// matching are the rows that the filter lets through: by the text that is on the screen.
func (m *full) matching() []row {
	if m.filter == "" {
		return m.rows
	}
	var some []row
	for _, r := range m.rows {
		if strings.Contains(ansi.Strip(r.text), m.filter) {
			some = append(some, r)
		}
	}
	return some
}

// room is how many rows of the log there is room for.
func (m *full) room() int {
	return max(1, m.height-strings.Count(m.foot(), "\n")-1)
}

// foot is the status, and what the screen itself is doing.
func (m *full) foot() string {
	foot := m.Status(m.width)
	switch {
	case m.typing:
		foot = "filter by process or order: " + m.filter + "█  (Enter keeps it, Esc shows all)\n" + foot
	case m.filter != "" || m.paused:
		var how []string
		if m.filter != "" {
			how = append(how, fmt.Sprintf("only lines with %q", m.filter))
		}
		if m.paused {
			how = append(how, "paused: p goes on")
		}
		foot = strings.Join(how, " · ") + " · Esc shows all\n" + foot
	}
	return foot
}

func (m *full) View() string {
	foot := m.foot()
	room := max(1, m.height-strings.Count(foot, "\n")-1)
	var rows []string
	if m.help {
		rows = strings.Split(strings.TrimRight(m.Help()+ownKeys, "\n"), "\n")
		rows = rows[:min(len(rows), room)]
	} else {
		matching := m.matching()
		top := max(0, len(matching)-room)
		if m.paused {
			top = min(m.top, top)
		}
		for _, r := range matching[top:min(len(matching), top+room)] {
			rows = append(rows, r.shown())
		}
	}
	for i, r := range rows {
		rows[i] = ansi.Truncate(r, m.width, "…")
	}
	for len(rows) < room {
		rows = append(rows, "")
	}
	return strings.Join(rows, "\n") + "\n" + foot
}

const ownKeys = "  p   the log stands still, and goes on\n" +
	"  /   only lines of a process or an order\n" +
	"  ↑ ↓ PgUp PgDn   scroll\n" +
	"  ?   closes this\n"
