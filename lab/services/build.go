package services

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"course.example/lab/internal/child"
	"course.example/lab/internal/home"
)

// buildTimeout bounds the building of a server, its download included.
const buildTimeout = 5 * time.Minute

// toolsDir is a module that requires servers written in Go, each at one version and with the sums of
// its sources, and nothing of ours requires it.
const toolsDir = "lab/tools"

// buildTool returns the path of a program of that module. The go command builds it where it is not in
// its cache of builds, and keeps it there (go.dev/ref/mod, "go tool").
func buildTool(ctx context.Context, name string) (string, error) {
	root, err := home.Root()
	if err != nil {
		return "", fmt.Errorf("build %s: %w", name, err)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, buildTimeout,
		fmt.Errorf("not built after %v", buildTimeout))
	defer cancel()
	out, err := child.Run(ctx, child.Spec{
		Name: "go tool " + name, Path: "go", Args: []string{"tool", "-n", name},
		Dir: filepath.Join(root, filepath.FromSlash(toolsDir)),
		Env: environ([]string{"GOWORK=", "GOFLAGS="}, "GOWORK=off"),
	})
	if ctx.Err() != nil {
		return "", fmt.Errorf("build %s: %w", name, context.Cause(ctx))
	}
	if err != nil {
		// On one line, whose end is the reason.
		return "", fmt.Errorf("the go command cannot build %s; it needs a way to a module proxy, "+
			"once: %s", name, strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	return strings.TrimSpace(out), nil
}

// canBuild says whether there is a go command, or why the program cannot be built.
func canBuild(name string) error {
	if _, err := exec.LookPath("go"); err != nil {
		return fmt.Errorf("%s is %w, and there is no go command to build it", name, errNotInstalled)
	}
	return nil
}

// programs are those of an instance, built where they are not installed and can be.
func (c *Chain) programs(ctx context.Context, t trait) ([]string, error) {
	found, err := t.installed()
	if !errors.Is(err, errNotInstalled) || t.native.tool == "" {
		return found, err
	}
	if err := canBuild(t.native.tool); err != nil {
		return nil, err
	}
	begun := time.Now()
	path, err := buildTool(ctx, t.native.tool)
	if err != nil {
		return nil, err
	}
	if took := time.Since(begun); took > time.Second {
		c.opts.Say(fmt.Sprintf("%s: built with go in %v", t.native.tool, took.Round(time.Second)))
	}
	return []string{path}, nil
}
