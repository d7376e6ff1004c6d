package services

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
)

// compilerPackages bring a C compiler with the C library's headers.
var compilerPackages = map[string]string{
	"apt-get": "g++", "brew": "gcc", "dnf": "gcc-c++", "pacman": "gcc", "zypper": "gcc-c++",
}

// Compiler makes sure of a C compiler, installing one where that is allowed. Go's race detector
// needs cgo, which needs a C compiler (go.dev/doc/articles/race_detector, Requirements). The
// error says what to do where there is none.
func (c *Chain) Compiler(ctx context.Context) error {
	if hasCompiler() {
		return nil
	}
	in, err := findInstaller()
	if err != nil {
		return fmt.Errorf("there is no C compiler: %w", err)
	}
	pkg := compilerPackages[in.manager]
	missing := fmt.Errorf("there is no C compiler; %s would install one", in.command(pkg))
	if c.policy == installNo || slices.Contains(c.skip, LinkInstall) {
		return missing
	}
	if err := in.can(ctx); err != nil {
		return fmt.Errorf("%w: %w", missing, err)
	}
	question := "The race detector needs a C compiler: install the package " + pkg + "?"
	if c.policy == installAsk && c.opts.Ask != nil && !c.opts.Ask(question) {
		return missing
	}
	c.opts.Say(fmt.Sprintf("the race detector needs a C compiler and there is none: installing %s "+
		"with %s (LAB_INSTALL=no forbids this)", pkg, in.manager))
	if err := in.install(ctx, pkg, hasCompiler); err != nil {
		return err
	}
	if !hasCompiler() {
		return errors.New("there is still no C compiler after " + in.command(pkg))
	}
	return nil
}

// InspectCompiler returns the C compiler that cgo would use, or an empty name and the command
// that installs one.
func InspectCompiler() (path, mend string) {
	if path = findCompiler(); path != "" {
		return path, ""
	}
	in, err := findInstaller()
	if err != nil {
		return "", "install gcc or clang"
	}
	return "", in.command(compilerPackages[in.manager])
}

func hasCompiler() bool { return findCompiler() != "" }

// findCompiler looks for what cgo would use: $CC, or what go env names.
func findCompiler() string {
	if os.Getenv("CGO_ENABLED") == "0" {
		return ""
	}
	name := os.Getenv("CC")
	if name == "" {
		out, err := exec.Command("go", "env", "CC").Output()
		if err != nil {
			return ""
		}
		name = string(out)
	}
	words := strings.Fields(name)
	if len(words) == 0 {
		return ""
	}
	path, err := exec.LookPath(words[0])
	if err != nil {
		return ""
	}
	return path
}
