package services

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"

	"course.example/lab/internal/child"
)

// installTimeout bounds an installation, waiting for another one included.
const installTimeout = 10 * time.Minute

// aptScript installs one package. It runs as one process of its own, so that it still removes
// what it wrote when the lab is killed in the middle.
//
//go:embed apt.sh
var aptScript string

// installer installs packages with this system's package manager.
type installer struct {
	manager string // "apt-get", "brew"; also "dnf" and others, which are only named
	sudo    bool   // whether sudo has to stand before it
	policy  string // where Debian looks whether a package may start its service
}

// errNoInstaller says that the lab has no way to install on this system.
var errNoInstaller = errors.New("no package manager that the lab knows how to use")

// policyFile is where Debian looks whether a package may start its service: invoke-rc.d(8).
var policyFile = "/usr/sbin/policy-rc.d"

// findInstaller looks which package manager there is and whether it can be used unattended.
func findInstaller() (installer, error) {
	in := installer{policy: policyFile}
	managers := []string{"apt-get", "dnf", "pacman", "zypper"}
	if runtime.GOOS == "darwin" {
		managers = []string{"brew"}
	}
	for _, m := range managers {
		if _, err := exec.LookPath(m); err == nil {
			in.manager = m
			break
		}
	}
	in.sudo = in.manager != "" && in.manager != "brew" && os.Geteuid() != 0
	if in.manager == "" {
		return in, errNoInstaller
	}
	return in, nil
}

// can reports why the installer cannot install by itself, nil when it can.
func (in installer) can(ctx context.Context) error {
	switch {
	case in.manager != "apt-get" && in.manager != "brew":
		return fmt.Errorf("the lab does not install with %s", in.manager)
	case in.manager == "brew" && os.Geteuid() == 0:
		return errors.New("brew refuses to run as root")
	case in.sudo:
		ctx, cancel := context.WithTimeout(ctx, attempt)
		defer cancel()
		if _, err := child.Run(ctx, in.spec("sudo check", "sudo", "-n", "true")); err != nil {
			return errors.New("installing takes root or a sudo that asks for no password")
		}
	}
	return nil
}

// command is what a person would type.
func (in installer) command(pkg string) string {
	sudo := ""
	if in.sudo {
		sudo = "sudo "
	}
	switch in.manager {
	case "apt-get":
		return sudo + "apt-get update && " + sudo +
			"apt-get install -y --no-install-recommends " + pkg
	case "brew":
		return "brew install " + pkg
	case "pacman":
		return sudo + "pacman -S " + pkg
	default:
		return sudo + in.manager + " install " + pkg
	}
}

// install installs the package. Two labs that want to do so at once wait for each other; done
// is asked then, so that the second does not do what the first has done.
func (in installer) install(ctx context.Context, pkg string, done func() bool) error {
	limit := fmt.Errorf("not done after %v", installTimeout)
	ctx, cancel := context.WithTimeoutCause(ctx, installTimeout, limit)
	defer cancel()
	unlock, err := lockMachine(ctx, "course-lab-install.lock")
	if err != nil {
		return err
	}
	defer unlock()
	if done() {
		return nil
	}
	if in.manager == "brew" {
		_, err = child.Run(ctx, in.spec("brew install "+pkg, "brew", "install", pkg))
		return err
	}
	args := []string{"sh", "-c", aptScript, "apt.sh", in.policy, pkg}
	if in.sudo {
		args = append([]string{"sudo", "-n"}, args...)
	}
	return runApart(ctx, in.spec("apt-get install "+pkg, args...))
}

// install asks where there is somebody to ask, says what it does and why, and installs.
func (c *Chain) install(
	ctx context.Context, in installer, pkg, why string, done func() bool,
) error {
	question := fmt.Sprintf("%s: install the package %s with %s?", why, pkg, in.manager)
	if c.policy == installAsk && c.opts.Ask != nil && !c.opts.Ask(question) {
		return errors.New("installing it was declined")
	}
	c.opts.Say(fmt.Sprintf("%s: installing %s with %s, without starting any service "+
		"(LAB_INSTALL=no forbids this)", why, pkg, in.manager))
	begun := time.Now()
	if err := in.install(ctx, pkg, done); err != nil {
		return err
	}
	c.opts.Say(fmt.Sprintf("%s is installed, after %.0f s", pkg, time.Since(begun).Seconds()))
	return nil
}

// runApart runs a program that must not be interrupted halfway: a package manager that is
// killed leaves the system half installed. When the context ends it is left to finish by
// itself, which the script does in bounded time, also when the lab is killed.
func runApart(ctx context.Context, spec child.Spec) error {
	log, err := os.CreateTemp("", "course-lab-install-*.log")
	if err != nil {
		return fmt.Errorf("%s: %w", spec.Name, err)
	}
	defer os.Remove(log.Name())
	// A file and not a pipe: writing to a pipe nobody reads would end it.
	spec.Stdout, spec.Stderr, spec.Detached = log, log, true
	p, err := child.Start(spec)
	if err := errors.Join(err, log.Close()); err != nil {
		return err
	}
	select {
	case <-p.Done():
	case <-ctx.Done():
		return fmt.Errorf("%s is left to finish by itself: %w", spec.Name, context.Cause(ctx))
	}
	if err := p.Err(); err != nil {
		return withLog(fmt.Errorf("%s: %w", spec.Name, err), lastLines(log.Name()))
	}
	return nil
}

func (in installer) spec(name string, command ...string) child.Spec {
	env := environ(nil, "HOMEBREW_NO_AUTO_UPDATE=1", "NONINTERACTIVE=1")
	return child.Spec{Name: name, Path: command[0], Args: command[1:], Env: env, Dir: os.TempDir()}
}

// installPolicy reads LAB_INSTALL.
type installPolicy int

const (
	installAsk installPolicy = iota // where there is a terminal; without one it is done
	installYes
	installNo
)

func readInstallPolicy() (installPolicy, error) {
	switch v := strings.ToLower(os.Getenv("LAB_INSTALL")); v {
	case "", "ask":
		return installAsk, nil
	case "yes", "1", "true":
		return installYes, nil
	case "no", "0", "false", "never":
		return installNo, nil
	default:
		return installNo, fmt.Errorf("LAB_INSTALL=%s: it is yes, no or ask", v)
	}
}
