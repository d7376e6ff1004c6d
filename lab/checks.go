package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"strings"
	"time"
)

// check is something besides the tests that must be true of the code.
type check struct {
	name string
	dir  string // in the checkout
	args []string
	env  []string
}

// checks looks at the code of all modules at once where that says the same as one by one, and
// takes a fraction of the time. The workspace is a go.work file, or "" for the checkout's own.
func checks(modules []module, workspace string) []check {
	var everything []string
	for _, m := range modules {
		everything = append(everything, "./"+path.Join(m.name, "..."))
	}
	all := []check{
		{"vet", ".", append([]string{"vet"}, everything...), []string{"GOWORK=" + workspace}},
		{
			"staticcheck", ".", append([]string{"tool", "staticcheck"}, everything...),
			[]string{"GOWORK=" + workspace},
		},
	}
	for _, m := range modules {
		// As a student compiles it who takes this one folder home. Linked are its programs by the
		// step's own tests.
		all = append(all, check{
			"build alone: " + m.name, m.name, []string{"list", "-export", "./..."},
			[]string{"GOWORK=off"},
		})
	}
	return all
}

// run makes the check at the lowest priority: it must not slow down tests that watch the clock.
func (c check) run(ctx context.Context, root string) error {
	cmd := exec.CommandContext(ctx, "go", c.args...)
	cmd.Dir = path.Join(root, c.dir)
	cmd.Env = append(os.Environ(), c.env...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	// Ctrl-C reaches it by itself: it is of the terminal's group. It is asked besides, for a
	// SIGTERM of the lab alone.
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 20 * time.Second
	err := cmd.Start()
	if err == nil {
		err = errors.Join(beNice(cmd.Process.Pid), cmd.Wait())
	}
	if err != nil {
		return fmt.Errorf("%w\n%s", err, strings.TrimSpace(out.String()))
	}
	return nil
}
