// Package child starts programs that must not outlive their reason: servers and the processes
// of a step. Each child leads a process group of its own, so that a Ctrl-C in the terminal
// reaches the lab alone and the lab decides what stops when. Each is waited for, so that none
// becomes a zombie, and recorded in the run's folder while it lives, so that a run that was
// killed can be cleaned up after. On Linux a child also gets SIGKILL when its parent dies.
package child

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"time"

	"course.example/lab/internal/home"
)

// Spec says what to start and how.
type Spec struct {
	// Name is for people and for the record: "rabbitmq", "consumer-1".
	Name string
	// Path is the program, Args its arguments without the program's name.
	Path string
	Args []string
	// Dir is the working directory, empty for the parent's.
	Dir string
	// Env is the whole environment; nil means the parent's.
	Env []string
	// Stdin is what the child reads; nil is empty.
	Stdin io.Reader
	// Stdout and Stderr take the output; nil discards it. When both are the same writer it is
	// never called concurrently.
	Stdout, Stderr io.Writer
	// Tail is how many last lines of the output to keep for [Process.Tail].
	Tail int
	// User is the account to run as, which only root may ask for; empty for the parent's.
	User string
	// Record is where the child is recorded while it lives; nil records it nowhere.
	Record *home.Children
	// Detached starts a child that is meant to outlive its parent. Its output must be files.
	Detached bool
}

// Process is a running or ended child. Its methods are safe for concurrent use.
type Process struct {
	spec Spec
	cmd  *exec.Cmd
	tail *tail
	done chan struct{}

	mu     sync.Mutex // guards err, and keeps group signals and the end apart
	err    error
	ended  bool
	paused bool
}

// Start starts a child. It has been executed when Start returns; it may have ended too.
func Start(spec Spec) (*Process, error) {
	cmd := exec.Command(spec.Path, spec.Args...)
	cmd.Dir, cmd.Env, cmd.Stdin = spec.Dir, spec.Env, spec.Stdin
	// A grandchild that holds on to the output must not keep Wait from returning.
	cmd.WaitDelay = 3 * time.Second
	attr, err := sysProcAttr(spec)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", spec.Name, err)
	}
	cmd.SysProcAttr = attr
	p := &Process{spec: spec, cmd: cmd, done: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = spec.Stdout, spec.Stderr
	if spec.Tail > 0 && !spec.Detached {
		p.tail = newTail(spec.Tail)
		cmd.Stdout, cmd.Stderr = p.tail.tee(spec.Stdout, spec.Stderr)
	}
	started := make(chan error, 1)
	go p.live(started)
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", spec.Name, err)
	}
	return p, nil
}

// live starts the child and waits for its end, all on one system thread: the parent-death
// signal of Linux fires when the thread that started the child ends, and Go ends threads as it
// likes unless a goroutine is locked to them (prctl(2), PR_SET_PDEATHSIG).
func (p *Process) live(started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := p.cmd.Start(); err != nil {
		started <- err
		return
	}
	if p.spec.Record != nil {
		err := p.spec.Record.Add(p.cmd.Process.Pid, p.spec.Name, true)
		if err != nil {
			// A child nobody could clean up after must not live.
			err = errors.Join(err, p.cmd.Process.Kill())
			_ = p.cmd.Wait()
			started <- err
			return
		}
	}
	started <- nil
	err := p.cmd.Wait()
	if errors.Is(err, exec.ErrWaitDelay) {
		err = nil // it ended well; only a grandchild kept the output open
	}
	if p.spec.Record != nil {
		err = errors.Join(err, p.spec.Record.Remove(p.cmd.Process.Pid))
	}
	p.mu.Lock()
	p.err, p.ended = err, true
	p.mu.Unlock()
	close(p.done)
}

// Pid returns the child's process number.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Name returns the name the child was started under.
func (p *Process) Name() string { return p.spec.Name }

// Done is closed when the child has ended and was waited for.
func (p *Process) Done() <-chan struct{} { return p.done }

// Err returns nil while the child runs and after it ended with code 0; otherwise it says how
// it ended, as an [exec.ExitError] where it was a code or a signal.
func (p *Process) Err() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err
}

// CPU is the processor time that the child has used, and those of its children that it waited
// for. It is 0 while the child runs.
func (p *Process) CPU() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.ended || p.cmd.ProcessState == nil {
		return 0
	}
	return p.cmd.ProcessState.UserTime() + p.cmd.ProcessState.SystemTime()
}

// Tail returns the last lines of output, at most as many as [Spec.Tail].
func (p *Process) Tail() []string {
	if p.tail == nil {
		return nil
	}
	return p.tail.lines()
}

// Signal sends sig to the child alone. A child that has ended gives [os.ErrProcessDone].
func (p *Process) Signal(sig os.Signal) error {
	if err := p.cmd.Process.Signal(sig); err != nil {
		return fmt.Errorf("signal %s (pid %d): %w", p.spec.Name, p.Pid(), err)
	}
	return nil
}

// Terminate asks the child to end: SIGTERM, or CTRL_BREAK on Windows, which a Go program sees
// as [os.Interrupt]. A paused child is resumed, or it would not hear of it. It does not wait.
func (p *Process) Terminate() error {
	if err := p.resumeIfPaused(); err != nil {
		return err
	}
	return quiet(terminate(p))
}

// Interrupt is [Process.Terminate] with SIGINT: the fast shutdown of Postgres.
func (p *Process) Interrupt() error {
	if err := p.resumeIfPaused(); err != nil {
		return err
	}
	return quiet(interrupt(p))
}

// Kill ends the child with SIGKILL, its descendants not. It does not wait.
func (p *Process) Kill() error { return quiet(p.Signal(os.Kill)) }

// KillGroup ends the child and all of its process group with SIGKILL. It does not wait. On
// Windows, which has no such groups, it ends the child alone.
func (p *Process) KillGroup() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended {
		return nil // the number may belong to another group by now
	}
	return quiet(killGroup(p))
}

// Pause stops the child from running, as a machine does that hangs (SIGSTOP). Windows has no
// such thing and returns [errors.ErrUnsupported].
func (p *Process) Pause() error { return p.setPaused(true) }

// Resume lets a paused child run on (SIGCONT).
func (p *Process) Resume() error { return p.setPaused(false) }

// Paused reports whether the child was paused and not yet resumed.
func (p *Process) Paused() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.paused
}

func (p *Process) setPaused(on bool) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := pause(p, on); err != nil {
		return err
	}
	p.paused = on
	return nil
}

func (p *Process) resumeIfPaused() error {
	if !p.Paused() {
		return nil
	}
	return quiet(p.Resume())
}

// Stop asks the child to end, by [Process.Terminate] unless how is given, waits for at most
// grace, and kills its group when it takes longer; that is an error. Safe to call twice.
func (p *Process) Stop(grace time.Duration, how ...func(*Process) error) error {
	ask := (*Process).Terminate
	if len(how) > 0 {
		ask = how[0]
	}
	err := ask(p)
	if err == nil {
		timer := time.NewTimer(grace)
		defer timer.Stop()
		select {
		case <-p.done:
			return nil
		case <-timer.C:
			err = fmt.Errorf("%s (pid %d) did not end within %v and was killed",
				p.spec.Name, p.Pid(), grace)
		}
	}
	if killed := p.KillGroup(); killed != nil {
		return errors.Join(err, killed) // waiting for its end could take forever
	}
	<-p.done
	return err
}

// quiet drops the error that only says that the child ended already.
func quiet(err error) error {
	if errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	return err
}

// runGrace is how long a program that [Run] gives up on has to end by itself.
const runGrace = 10 * time.Second

// Run starts a program, waits for its end and returns what it wrote to stdout. When it fails
// the error holds the last lines it wrote. When the context ends first the program is asked to
// end, and killed with its group when it takes long. Spec's Stdout and Tail are not used.
func Run(ctx context.Context, spec Spec) (string, error) {
	var out bytes.Buffer
	spec.Stdout, spec.Tail = &out, 10
	p, err := Start(spec)
	if err != nil {
		return "", err
	}
	select {
	case <-p.Done():
	case <-ctx.Done():
		err := errors.Join(fmt.Errorf("%s: %w", spec.Name, context.Cause(ctx)), p.Stop(runGrace))
		return out.String(), err
	}
	if err := p.Err(); err != nil {
		return out.String(), fmt.Errorf("%s: %w: %s", spec.Name, err, strings.Join(p.Tail(), "\n"))
	}
	return out.String(), nil
}
