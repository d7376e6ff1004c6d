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
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/shirou/gopsutil/v4/process"
)

// Replica is one running copy of a program, a child process.
type Replica struct {
	Program, Version, Settings, Name, Addr string
	Pid                                    int

	stop    func() // asks it to drain and to end
	kill    func() // ends it at once
	exited  chan struct{}
	retired chan struct{} // closed when its end is wanted
}

// Launch starts a replica. It has begun to run when Launch returns, and is not ready. It drains and
// ends when this process has ended, however that ended.
func Launch(program, version, name string, env []string) (*Replica, error) {
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
	cmd.Env = slices.Concat(os.Environ(), env, []string{"VERSION=" + version, "ADDR=" + addr,
		"PROCESS=" + name, "LIFELINE=stdin"})
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	lifeline, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	r := &Replica{
		Program: program, Version: version, Settings: strings.Join(env, " "), Name: name, Addr: addr,
		Pid:    cmd.Process.Pid,
		exited: make(chan struct{}), retired: make(chan struct{}),
		kill: func() { _ = cmd.Process.Kill() }, // it may have ended already
		stop: func() {
			if cmd.Process.Signal(syscall.SIGTERM) != nil {
				_ = lifeline.Close() // Windows has no SIGTERM; without its lifeline a replica drains, too
			}
		},
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

// prober keeps no connection, also none that was opened for a question which was given up meanwhile:
// a server that drains waits five seconds for the request on it (see [http.Server.Shutdown]).
var prober = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

// probe asks /readyz or /healthz.
func (r *Replica) probe(ctx context.Context, path string) error {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+r.Addr+path, nil)
	if err != nil {
		return err
	}
	resp, err := prober.Do(q)
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
	r.stop()
	select {
	case <-r.exited:
		return nil
	case <-ctx.Done():
		r.Kill()
		return fmt.Errorf("%s had not ended in time and was killed", r.Name)
	}
}

// Kill ends the replica with SIGKILL, whatever it has in progress, and waits for its end.
func (r *Replica) Kill() {
	r.kill()
	<-r.exited
}

// memory is what all replicas have of it together, in MiB: the sum of their resident set sizes, in
// which what they share counts for each. It is 0 where the system does not tell.
func (d *Deployer) memory() int {
	var bytes uint64
	for _, r := range d.having(func(*Replica) bool { return true }) {
		p, err := process.NewProcess(int32(r.Pid))
		if err != nil {
			continue // it has just ended
		}
		if info, err := p.MemoryInfo(); err == nil {
			bytes += info.RSS
		}
	}
	return int(bytes >> 20)
}
