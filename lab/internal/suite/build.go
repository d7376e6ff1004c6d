package suite

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Package is a package with tests.
type Package struct {
	Path string // its import path
	Name string // for people: its folder in the checkout
	Dir  string
	// Env is what its tests get besides the environment of the lab.
	Env []string
	// Expect is about how long its tests take; those that take longest are begun first.
	Expect time.Duration

	program string // its tests, compiled
}

// Workspace is where packages are: a folder with a go.work file.
type Workspace struct {
	Root string
	File string // another go.work file to use instead, or ""
}

func (w Workspace) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir, cmd.Env = w.Root, append(os.Environ(), "GOWORK="+w.File)
	return cmd
}

// List finds the packages with tests below folders of a workspace.
func List(ctx context.Context, w Workspace, dirs []string) ([]Package, error) {
	args := []string{"list", "-e", "-json=ImportPath,Dir,TestGoFiles,XTestGoFiles"}
	for _, dir := range dirs {
		args = append(args, "./"+path.Join(dir, "..."))
	}
	raw, err := w.command(ctx, args...).Output()
	if err != nil {
		if exit := new(exec.ExitError); errors.As(err, &exit) {
			err = fmt.Errorf("%w\n%s", err, bytes.TrimSpace(exit.Stderr))
		}
		return nil, fmt.Errorf("list the packages: %w", err)
	}
	var all []Package
	for decoder := json.NewDecoder(bytes.NewReader(raw)); ; {
		var found struct {
			ImportPath, Dir           string
			TestGoFiles, XTestGoFiles []string
		}
		if err := decoder.Decode(&found); errors.Is(err, io.EOF) {
			return all, nil
		} else if err != nil {
			return nil, fmt.Errorf("read go list -json: %w", err)
		}
		if len(found.TestGoFiles)+len(found.XTestGoFiles) == 0 {
			continue
		}
		name, err := filepath.Rel(w.Root, found.Dir)
		if err != nil {
			return nil, fmt.Errorf("list the packages: %w", err)
		}
		all = append(all,
			Package{Path: found.ImportPath, Name: filepath.ToSlash(name), Dir: found.Dir})
	}
}

// Build compiles the tests of all packages into dir. A package that does not compile keeps no
// other from being built: its error is in the returned map, under its import path.
func Build(
	ctx context.Context, w Workspace, dir string, race bool, packages []Package,
) (map[string]error, error) {
	for n, group := range groups(packages) {
		folder := filepath.Join(dir, strconv.Itoa(n))
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return nil, fmt.Errorf("build the tests: %w", err)
		}
		var paths []string
		for _, p := range group {
			p.program = filepath.Join(folder, program(p.Path))
			paths = append(paths, p.Path)
		}
		// What is missing after it is built again below, alone: that tells whose error it is.
		_ = compile(ctx, w, folder+string(os.PathSeparator), race, paths...)
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
	}
	failed := map[string]error{}
	for _, p := range packages {
		if _, err := os.Stat(p.program); err == nil {
			continue
		}
		if err := compile(ctx, w, p.program, race, p.Path); err != nil {
			failed[p.Path] = err
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
	}
	return failed, nil
}

// groups divides packages so that no two of a group have programs of the same name, which go test
// would write into the same file.
func groups(packages []Package) [][]*Package {
	var all [][]*Package
	seen := map[string]int{}
	for i := range packages {
		p := &packages[i]
		n := seen[program(p.Path)]
		seen[program(p.Path)]++
		if n == len(all) {
			all = append(all, nil)
		}
		all[n] = append(all[n], p)
	}
	return all
}

// program is the file name that go test -c gives to the tests of a package.
func program(importPath string) string {
	name := path.Base(importPath) + ".test"
	if os.PathSeparator == '\\' {
		name += ".exe"
	}
	return name
}

func compile(ctx context.Context, w Workspace, to string, race bool, paths ...string) error {
	args := []string{"test", "-c", "-vet=off", "-ldflags=-s -w", "-o", to}
	if race {
		args = slices.Insert(args, 2, "-race")
	}
	build := w.command(ctx, append(args, paths...)...)
	build.Cancel = func() error { return build.Process.Signal(os.Interrupt) }
	build.WaitDelay = 10 * time.Second
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("does not compile:\n%s", strings.TrimSpace(string(out)))
	}
	return nil
}
