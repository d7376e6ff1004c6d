// Package screen shows a run: the lines of all processes, and on a terminal a
// status line that stays at the bottom and keys that act on the run.
package screen

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/x/ansi"
	"github.com/charmbracelet/x/term"

	"course.example/lab/internal/history"
)

// Screen prints lines. Its methods are safe for concurrent use.
type Screen struct {
	out   io.Writer
	terms bool // stdin and stdout are terminals

	mu      sync.Mutex
	paint   *painter
	log     *bufio.Writer // all lines, in full
	program *tea.Program  // nil while there is no status line
	waiting []row         // for the program
	recent  []row         // what was printed last, for a program that begins later
}

// New returns a screen on stdout. Every line goes to log as well, in full and
// without colours; log may be nil.
func New(log io.Writer) *Screen {
	terminal := term.IsTerminal(os.Stdout.Fd())
	colour := terminal && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
	s := &Screen{
		out: os.Stdout, paint: newPainter(colour),
		terms: terminal && term.IsTerminal(os.Stdin.Fd()) && os.Getenv("TERM") != "dumb",
	}
	if log != nil {
		s.log = bufio.NewWriter(log)
	}
	return s
}

// Interactive says whether somebody can press keys.
func (s *Screen) Interactive() bool { return s.terms }

// Plain leaves the terminal as it is: lines are printed, and nobody can press keys.
func (s *Screen) Plain() { s.terms = false }

// Show prints a line of a process.
func (s *Screen) Show(l history.Line) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.record(l)
	s.print(rowOf(l, s.paint.line(l)))
}

// Record writes a line into the log and not on the screen.
func (s *Screen) Record(l history.Line) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.record(l)
}

func (s *Screen) record(l history.Line) {
	if s.log != nil {
		fmt.Fprintln(s.log, Record(l)) // errors stay in the writer until Close
	}
}

// Record is a line of a process in full, as it stands in a log.
func Record(l history.Line) string {
	text := fmt.Sprintf("%s %s %s %s", l.Time.Format(time.RFC3339Nano), l.Process,
		Printable(l.Level), Printable(l.Text))
	for _, a := range l.Attrs {
		text += fmt.Sprintf(" %s=%q", Printable(a.Key), a.Value)
	}
	return text
}

// Say prints a remark of the lab's own.
func (s *Screen) Say(format string, args ...any) {
	now := time.Now()
	for text := range strings.SplitSeq(fmt.Sprintf(format, args...), "\n") {
		s.Show(history.Line{Process: history.Lab, Time: now, Text: text})
	}
}

// Silence has nothing printed any more. What is recorded goes on.
func (s *Screen) Silence() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.out = io.Discard
}

// Print prints text as it is.
func (s *Screen) Print(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for line := range strings.SplitSeq(text, "\n") {
		s.print(row{text: line})
	}
}

// Colour says whether text may be coloured.
func (s *Screen) Colour() bool { return s.paint.colour }

// Ask returns a function that asks a yes-or-no question, or nil where there is
// nobody to ask.
// When ctx ends the answer is no.
func (s *Screen) Ask(ctx context.Context) func(string) bool {
	if !s.terms {
		return nil
	}
	return func(question string) bool {
		s.Print(question + " [Y/n]")
		yes := make(chan bool, 1)
		go func() {
			// Nothing can interrupt this read: after Ctrl-C it ends with the
			// program.
			answer, err := bufio.NewReader(os.Stdin).ReadString('\n')
			answer = strings.ToLower(strings.TrimSpace(answer))
			yes <- err == nil && (answer == "" || answer == "y" || answer == "yes")
		}()
		select {
		case answer := <-yes:
			return answer
		case <-ctx.Done():
			return false
		}
	}
}

// Bold and Faint style text where there are colours.
func (s *Screen) Bold(text string) string { return s.paint.bold(text) }

// Faint styles text that matters less.
func (s *Screen) Faint(text string) string { return s.paint.faint(text) }

// Red styles text that is bad news.
func (s *Screen) Red(text string) string { return s.paint.tint(text, "1") }

// Green styles text that is good news.
func (s *Screen) Green(text string) string { return s.paint.tint(text, "2") }

func (s *Screen) print(r row) {
	if s.recent = append(s.recent, r); len(s.recent) > 2*keptRecent {
		s.recent = slices.Clone(s.recent[keptRecent:])
	}
	if s.program != nil {
		s.waiting = append(s.waiting, r)
		return
	}
	fmt.Fprintln(s.out, r.text)
}

// Close writes the log out.
func (s *Screen) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.log == nil {
		return nil
	}
	if err := s.log.Flush(); err != nil {
		return fmt.Errorf("write the run's log: %w", err)
	}
	return nil
}

// Live keeps status at the bottom of the screen and passes keys to press until
// ctx ends. Ctrl-C is the key "ctrl+c": in this mode the terminal sends no
// signal. press must not block.
func (s *Screen) Live(
	ctx context.Context, status func(width int) string, press func(string),
) error {
	program := tea.NewProgram(
		&model{status: status, press: press, take: s.take, width: 80},
		tea.WithoutSignalHandler(), tea.WithFPS(30))
	s.mu.Lock()
	s.program = program
	s.mu.Unlock()
	// Told to end by a message, the program still prints what it was given
	// before; told by its context, it would drop that.
	stop := context.AfterFunc(ctx, func() { program.Send(end{}) })
	defer stop()

	_, err := program.Run()
	return s.left(err)
}

// left prints what the program has not.
func (s *Screen) left(err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.program = nil
	for _, r := range s.waiting {
		s.print(r)
	}
	s.waiting = nil
	if err != nil {
		return fmt.Errorf("terminal: %w", err)
	}
	return nil
}

// take hands the waiting lines to the program, which prints them above the
// status line: many at once, because each time costs a redraw.
func (s *Screen) take() string {
	var texts []string
	for _, r := range s.takeRows() {
		texts = append(texts, r.text)
	}
	return strings.Join(texts, "\n")
}

func (s *Screen) takeRows() []row {
	s.mu.Lock()
	defer s.mu.Unlock()
	rows := s.waiting
	s.waiting = nil
	return rows
}

type (
	tick struct{}
	end  struct{}
)

const redraw = 60 * time.Millisecond

// model is the status line as bubbletea sees it.
type model struct {
	status func(int) string
	press  func(string)
	take   func() string
	width  int
}

func (m *model) Init() tea.Cmd { return m.later() }

func (m *model) later() tea.Cmd {
	return tea.Tick(redraw, func(time.Time) tea.Msg { return tick{} })
}

func (m *model) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.width = msg.Width
	case tea.KeyMsg:
		m.press(msg.String())
	case end:
		if text := m.take(); text != "" {
			return m, tea.Sequence(tea.Println(m.fit(text)), tea.Quit)
		}
		return m, tea.Quit
	case tick:
		if text := m.take(); text != "" {
			return m, tea.Sequence(tea.Println(m.fit(text)), m.later())
		}
		return m, m.later()
	}
	return m, nil
}

// fit wraps lines at the window's width: bubbletea takes each for one row of the
// screen and would leave bits of the status line behind the others.
func (m *model) fit(text string) string { return ansi.Hardwrap(text, m.width, true) }

func (m *model) View() string { return m.status(m.width) }
