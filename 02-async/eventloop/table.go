package eventloop

import (
	"fmt"
	"io"
	"strings"
)

// table prints what happens, and what is where after it.
type table struct {
	out    io.Writer
	header bool
}

// New returns a loop that prints its steps to out; nil prints nothing.
func New(out io.Writer) *Loop {
	if out == nil {
		out = io.Discard
	}
	return &Loop{table: table{out: out}}
}

// show prints a step and what it left, after the timers had a chance to end.
func (l *Loop) show(step string) {
	l.expire()
	l.row("%s", step)
}

func (l *Loop) row(format string, args ...any) {
	if !l.table.header {
		l.table.header = true
		l.table.row("what happens", "call stack", "web API", "microtasks", "callback queue")
		l.table.row(dashes(28), dashes(16), dashes(10), dashes(10), dashes(14))
	}
	l.table.row(fmt.Sprintf(format, args...), strings.Join(l.stack, " "),
		names(l.webAPI), names(l.microtasks), names(l.queue))
}

func (l *Loop) note(format string, args ...any) {
	l.table.print("── " + fmt.Sprintf(format, args...))
}

func (t *table) row(step, stack, webAPI, microtasks, queue string) {
	row := fmt.Sprintf("%-28s │ %-16s │ %-10s │ %-10s │ %s",
		step, stack, webAPI, microtasks, queue)
	t.print(strings.TrimRight(row, " "))
}

func (t *table) print(line string) {
	_, _ = fmt.Fprintln(t.out, line) // what cannot be shown is not worth failing for
}

func names(tasks []task) string {
	all := make([]string, len(tasks))
	for i, t := range tasks {
		all[i] = t.name
	}
	return strings.Join(all, " ")
}

func dashes(n int) string { return strings.Repeat("─", n) }
