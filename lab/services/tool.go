package services

import (
	"context"
	"fmt"
	"slices"
)

// tool is a program of this machine that tests use, as opposed to a server they talk to: it is
// found or installed, and needs no place to be kept apart in.
type tool struct {
	name     string            // "C compiler"
	why      string            // "The race detector needs a"
	packages map[string]string // by package manager
	find     func() string     // the path, empty when there is none
}

// provideTool returns the path of the tool, installing it where that is allowed. The error says
// what to do where there is none.
func (c *Chain) provideTool(ctx context.Context, t tool) (string, error) {
	if path := t.find(); path != "" {
		return path, nil
	}
	in, err := findInstaller()
	if err != nil {
		return "", fmt.Errorf("there is no %s: %w", t.name, err)
	}
	pkg := t.packages[in.manager]
	missing := fmt.Errorf("there is no %s; %s would install one", t.name, in.command(pkg))
	if c.policy == installNo || slices.Contains(c.skip, LinkInstall) {
		return "", missing
	}
	if err := in.can(ctx); err != nil {
		return "", fmt.Errorf("%w: %w", missing, err)
	}
	question := t.why + " " + t.name + ": install the package " + pkg + "?"
	if c.policy == installAsk && c.opts.Ask != nil && !c.opts.Ask(question) {
		return "", missing
	}
	c.opts.Say(fmt.Sprintf("%s %s and there is none: installing %s with %s "+
		"(LAB_INSTALL=no forbids this)", t.why, t.name, pkg, in.manager))
	if err := in.install(ctx, pkg, func() bool { return t.find() != "" }); err != nil {
		return "", err
	}
	if path := t.find(); path != "" {
		return path, nil
	}
	return "", fmt.Errorf("there is still no %s after %s", t.name, in.command(pkg))
}

// mend is the command that installs the tool.
func (t tool) mend(otherwise string) string {
	in, err := findInstaller()
	if err != nil {
		return otherwise
	}
	return in.command(t.packages[in.manager])
}
