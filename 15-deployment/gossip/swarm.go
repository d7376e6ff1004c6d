package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"time"

	"course.example/shop"
)

const (
	startTimeout = 20 * time.Second // of one process
	endTimeout   = 5 * time.Second
	lookEvery    = 100 * time.Millisecond
)

// peer is a process.
type peer struct {
	Name   string
	Gossip string // where it gossips
	Web    string

	cmd      *exec.Cmd
	lifeline io.Closer
	exited   chan struct{}
}

// startPeer starts a process and waits until it has joined the others.
func startPeer(ctx context.Context, name string, args ...string) (*peer, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	p := &peer{Name: name, exited: make(chan struct{})}
	p.cmd = exec.CommandContext(ctx, self, append([]string{"-node", name}, args...)...)
	p.cmd.Env = append(os.Environ(), "LOG_FORMAT=json", "LOG_LEVEL=info")
	p.cmd.Stderr = os.Stderr
	if p.lifeline, err = p.cmd.StdinPipe(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	out, in := io.Pipe()
	p.cmd.Stdout = in
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	ready := make(chan struct{})
	go p.listen(out, ready)
	go func() {
		_ = p.cmd.Wait() // most of them are killed
		_ = in.Close()
		close(p.exited)
	}()
	late := time.NewTimer(startTimeout)
	defer late.Stop()
	select {
	case <-ready:
		return p, nil
	case <-p.exited:
		return nil, fmt.Errorf("%s ended at once: %v", name, p.cmd.ProcessState)
	case <-late.C:
		p.kill()
		return nil, fmt.Errorf("%s was not ready within %v", name, startTimeout)
	}
}

// listen reads what a peer logs: that it is ready, and what goes wrong.
func (p *peer) listen(out io.Reader, ready chan<- struct{}) {
	for lines := bufio.NewScanner(out); lines.Scan(); {
		var l struct{ Level, Msg, Gossip, Web, Error string }
		if err := json.Unmarshal(lines.Bytes(), &l); err != nil {
			slog.Warn("a line of a peer cannot be read", "peer", p.Name, "line", lines.Text())
			continue
		}
		if l.Msg == shop.MsgReady {
			p.Gossip, p.Web = l.Gossip, l.Web
			close(ready)
		} else if l.Level == slog.LevelError.String() || l.Level == slog.LevelWarn.String() {
			slog.Warn(l.Msg, "peer", p.Name, "error", l.Error)
		}
	}
	_, _ = io.Copy(io.Discard, out) // a line that was too long must not stop the peer
}

// kill is kill -9.
func (p *peer) kill() {
	_ = p.cmd.Process.Kill() // it may have ended already
	<-p.exited
}

// end lets a peer say goodbye.
func (p *peer) end() {
	_ = p.lifeline.Close()
	late := time.NewTimer(endTimeout)
	defer late.Stop()
	select {
	case <-p.exited:
	case <-late.C:
		p.kill()
	}
}

// call asks a peer, and reads its answer into out if that is not nil.
func (p *peer) call(ctx context.Context, method, path string, body []byte, out any) error {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	text, err := ask(ctx, method, p.Web+path, bytes.NewReader(body), maxFile)
	if err == nil && out != nil {
		err = json.Unmarshal(text, out)
	}
	if err != nil {
		return fmt.Errorf("%s: %s: %w", p.Name, path, err)
	}
	return nil
}

// tell starts a rumour at a peer.
func (p *peer) tell(ctx context.Context, id string) error {
	path := "/rumours?id=" + url.QueryEscape(id)
	return p.call(ctx, http.MethodPost, path, []byte("new books are in"), nil)
}

// swarm are the peers that live.
type swarm []*peer

func (s swarm) end() {
	done := make(chan struct{})
	for _, p := range s {
		go func() { p.end(); done <- struct{}{} }()
	}
	for range s {
		<-done
	}
}

func (s swarm) names() (names []string) {
	for _, p := range s {
		names = append(names, p.Name)
	}
	slices.Sort(names)
	return names
}

var errLate = errors.New("it did not come about in time")

// await looks at all peers until something holds of their states, or it is too late.
func (s swarm) await(
	ctx context.Context, patience time.Duration, holds func(State) bool,
) ([]State, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, errLate)
	defer cancel()
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		states := make([]State, len(s))
		for i, p := range s {
			err := p.call(context.WithoutCancel(ctx), http.MethodGet, "/state", nil, &states[i])
			if err != nil {
				return nil, err
			}
		}
		if !slices.ContainsFunc(states, func(st State) bool { return !holds(st) }) {
			return states, nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return states, context.Cause(ctx)
		}
	}
}
