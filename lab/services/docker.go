package services

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"course.example/lab/internal/child"
	"course.example/lab/internal/home"
)

const (
	// engineTimeout bounds the question whether an engine is there: a stopped Docker Desktop
	// can leave the client waiting.
	engineTimeout = 5 * time.Second
	// pullTimeout bounds a start that may have to pull the image first.
	pullTimeout = 10 * time.Minute
	// composeName is the compose file at the root of the checkout.
	composeName = "docker-compose.yml"
	// Containers carry these labels, so that what a killed lab leaves can be told from others'.
	labelDir, labelRun = "course.lab.dir", "course.lab.run"
)

// runDocker runs the docker program, in a process group of its own as all children, so that a
// Ctrl-C does not interrupt it halfway.
func runDocker(ctx context.Context, args ...string) (string, error) {
	path, err := exec.LookPath("docker")
	if err != nil {
		return "", fmt.Errorf("docker is %w", errNotInstalled)
	}
	out, err := child.Run(ctx, child.Spec{
		Name: "docker " + args[0], Path: path, Args: args,
		// What compose tells of its progress would stand before the reason of a failure.
		Env: append(os.Environ(), "COMPOSE_PROGRESS=quiet"),
	})
	return strings.TrimSpace(out), err
}

// engine returns the version of the Docker engine that answers.
func engine(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, engineTimeout)
	defer cancel()
	version, err := runDocker(ctx, "info", "--format", "{{.ServerVersion}}")
	switch {
	case errors.Is(err, errNotInstalled):
		return "", err
	case err != nil || version == "":
		// Some clients exit with 0 when there is no engine, and print no version.
		return "", errors.New("docker is installed, but no engine answers (`docker info` says more)")
	}
	return version, nil
}

// errNoCompose says that the docker program lacks its plugin for compose files, which some systems
// package apart.
var errNoCompose = errors.New(
	"docker has no compose plugin (https://docs.docker.com/compose/install/)")

func hasCompose(ctx context.Context) bool {
	_, err := runDocker(ctx, "compose", "version")
	return err == nil
}

// composeFile returns the path of the project's compose file.
func composeFile() (string, error) {
	root, err := home.Root()
	if err != nil {
		return "", err
	}
	path := filepath.Join(root, composeName)
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("no %s at the root of the checkout", composeName)
	}
	return path, nil
}

// compose is a service of the compose file.
type compose struct{ file, service string }

func (c compose) run(ctx context.Context, args ...string) error {
	_, err := runDocker(ctx, append([]string{"compose", "--file", c.file}, args...)...)
	if err != nil {
		return errors.New(progress.ReplaceAllString(err.Error(), ""))
	}
	return nil
}

// progress is what compose tells on its way, which is not why it failed. COMPOSE_PROGRESS keeps
// the newer versions from it.
var progress = regexp.MustCompile(` (Container|Network|Volume) \S+  \w+\n`)

func (c compose) Start(ctx context.Context) error {
	return c.run(ctx, "up", "--detach", "--wait", c.service)
}

func (c compose) Stop(ctx context.Context) error { return c.run(ctx, "stop", c.service) }

func (c compose) Kill(ctx context.Context) error { return c.run(ctx, "kill", c.service) }

// close does nothing: other runs may have come to use the service, and the last of them ends
// it. See claims.
func (c compose) Close(context.Context) error { return nil }

func (c compose) remove(ctx context.Context) error {
	return c.run(ctx, "rm", "--stop", "--force", c.service)
}

// exists says whether the service has a container, running or not. When nobody can tell, it
// has: what may be somebody else's is not removed.
func (c compose) exists(ctx context.Context) bool {
	out, err := runDocker(ctx, "compose", "--file", c.file, "ps", "--all", "--quiet", c.service)
	return err != nil || strings.TrimSpace(out) != ""
}

func (c compose) Tail(ctx context.Context) []string {
	out, err := runDocker(ctx, "compose", "--file", c.file, "logs", "--no-color",
		"--tail", fmt.Sprint(tailLines), c.service)
	if err != nil || out == "" {
		return nil
	}
	return strings.Split(out, "\n")
}

// container is one of the lab's own, for servers that are wanted several times or privately.
type container struct {
	name    string
	image   Image
	labels  []string
	created bool
}

func (c *container) Start(ctx context.Context) error {
	if c.created {
		_, err := runDocker(ctx, "start", c.name)
		return err
	}
	args := []string{"run", "--detach", "--name", c.name, "--hostname", string(c.image.Kind)}
	for _, label := range c.labels {
		args = append(args, "--label", label)
	}
	for i, port := range c.image.Inside {
		args = append(args, "--publish", fmt.Sprintf("127.0.0.1:%d:%d", c.image.Outside[i], port))
	}
	for _, kv := range c.image.Env {
		args = append(args, "--env", kv)
	}
	// Even a run that fails may have created the container: from here on it is to be removed.
	c.created = true
	_, err := runDocker(ctx, append(append(args, c.image.Name), c.image.Args...)...)
	return err
}

func (c *container) Stop(ctx context.Context) error {
	_, err := runDocker(ctx, "stop", "-t", "30", c.name)
	return err
}

func (c *container) Kill(ctx context.Context) error {
	_, err := runDocker(ctx, "kill", c.name)
	if err != nil && strings.Contains(err.Error(), "is not running") {
		return nil
	}
	return err
}

func (c *container) Close(ctx context.Context) error {
	if !c.created {
		return nil
	}
	_, err := runDocker(ctx, "rm", "--force", "--volumes", c.name)
	if err != nil && strings.Contains(strings.ToLower(err.Error()), "no such container") {
		return nil
	}
	return err
}

func (c *container) Tail(ctx context.Context) []string {
	out, err := runDocker(ctx, "logs", "--tail", fmt.Sprint(tailLines), c.name)
	if err != nil || out == "" {
		return nil
	}
	return strings.Split(out, "\n")
}

// claims keeps several runs from stopping a compose service under each other. The run that
// started it leaves a mark; every run that uses it says so in its own record; the last one to
// leave ends it, be it the one that started it or not.
type claims struct {
	run *home.Run
	say func(string)
}

const claimPrefix = "compose."

func (c claims) mark(service string) (string, error) {
	state, err := home.Dir()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(state, "compose")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("mark compose service: %w", err)
	}
	return filepath.Join(dir, service), nil
}

// use notes that this run uses the service, whoever started it.
func (c claims) use(service string) error {
	return c.run.Update(func(r *home.Record) { r.Extra[claimPrefix+service] = "used" })
}

// started notes that the lab started the service.
func (c claims) started(service string) error {
	path, err := c.mark(service)
	if err != nil {
		return err
	}
	return errors.Join(os.WriteFile(path, nil, 0o644), c.use(service))
}

// release ends the service when this was the last run that used it and a run started it.
func (c claims) release(ctx context.Context, service string) error {
	err := c.run.Update(func(r *home.Record) { delete(r.Extra, claimPrefix+service) })
	if err != nil {
		return err
	}
	return endUnused(ctx, service, c.say)
}

// endUnused ends a compose service that a run started and no live run uses.
func endUnused(ctx context.Context, service string, say func(string)) error {
	unlock, err := lockFile(ctx, "compose.lock")
	if err != nil {
		return err
	}
	defer unlock()
	path, err := claims{}.mark(service)
	if err != nil {
		return err
	}
	if _, err := os.Stat(path); err != nil {
		return nil //nolint:nilerr // no mark: somebody else started it, and it stays.
	}
	live, err := home.Live()
	if err != nil {
		return err
	}
	for _, run := range live {
		if run.Extra[claimPrefix+service] != "" {
			say(fmt.Sprintf("%s stays up: run %s uses it too", service, run.ID))
			return nil
		}
	}
	file, err := composeFile()
	if err != nil {
		return err
	}
	if err := (compose{file, service}).remove(ctx); err != nil {
		return err
	}
	return os.Remove(path)
}
