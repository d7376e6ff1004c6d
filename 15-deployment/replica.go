package deployment

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"time"
)

// Replica is one running copy of a program, a child process.
type Replica struct {
	Program, Version, Name, Addr string

	cmd      *exec.Cmd
	lifeline io.Closer
	exited   chan struct{}
	retired  chan struct{} // closed when its end is wanted
}

// launch starts a replica. It has begun to run when launch returns, and is not ready.
func launch(program, version, name string) (*Replica, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find the programs: %w", err)
	}
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	path := filepath.Join(filepath.Dir(self), program)
	if runtime.GOOS == "windows" {
		path += ".exe"
	}
	cmd := exec.Command(path)
	cmd.Env = append(os.Environ(), "VERSION="+version, "ADDR="+addr, "PROCESS="+name,
		"LIFELINE=stdin")
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	lifeline, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	r := &Replica{
		Program: program, Version: version, Name: name, Addr: addr, cmd: cmd, lifeline: lifeline,
		exited: make(chan struct{}), retired: make(chan struct{}),
	}
	go func() {
		err := cmd.Wait()
		slog.Info("replica ended", "replica", name, "how", fmt.Sprint(cmd.ProcessState), "error", err)
		close(r.exited)
	}()
	return r, nil
}

// freeAddr finds a port that is free now. Should somebody take it before the replica does, the
// replica ends, and another is started with another port.
func freeAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	return l.Addr().String(), l.Close()
}

var errEnded = errors.New("it ended before it was ready")

// awaitReady returns when the replica can serve.
func (r *Replica) awaitReady(ctx context.Context, within time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := r.probe(ctx, "/readyz")
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-r.exited:
			return fmt.Errorf("%s: %w", r.Name, errEnded)
		case <-ctx.Done():
			return fmt.Errorf("%s was not ready within %s: %w", r.Name, within, err)
		}
	}
}

// probeTimeout bounds one question to a replica.
const probeTimeout = 2 * time.Second

// probe asks /readyz or /healthz. The connection is closed afterwards: a replica that ends should
// not wait for it.
func (r *Replica) probe(ctx context.Context, path string) error {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+r.Addr+path, nil)
	if err != nil {
		return err
	}
	q.Close = true
	resp, err := http.DefaultClient.Do(q)
	if err != nil {
		return err
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
	err = errors.Join(err, resp.Body.Close())
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", resp.Status, text)
	}
	return err
}

// drain asks the replica to finish what it has in progress and to end. One that has not when ctx ends
// is killed, which is an error.
func (r *Replica) drain(ctx context.Context) error {
	if r.cmd.Process.Signal(syscall.SIGTERM) != nil {
		_ = r.lifeline.Close() // Windows has no SIGTERM; without its lifeline a replica drains, too
	}
	select {
	case <-r.exited:
		return nil
	case <-ctx.Done():
		r.kill()
		return fmt.Errorf("%s had not ended in time and was killed", r.Name)
	}
}

// kill ends the replica with SIGKILL, whatever it has in progress, and waits for its end.
func (r *Replica) kill() {
	_ = r.cmd.Process.Kill() // it may have ended already
	<-r.exited
}
