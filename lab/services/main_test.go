//go:build unix

package services

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"course.example/lab/internal/home"
	"course.example/lab/internal/port"
)

// helpers are what the test binary can play when it is started again as another process.
var helpers = map[string]func() error{}

const helperEnv = "SERVICES_TEST_HELPER"

func TestMain(m *testing.M) {
	if name := os.Getenv(helperEnv); name != "" {
		if err := helpers[name](); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	// The tests are about this machine's links, and must not be led to a server outside.
	for _, t := range traits {
		if err := os.Unsetenv(t.env); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	code := m.Run()
	if err := sharedBroker.close(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// said collects what a chain tells people.
type said struct {
	mu    sync.Mutex
	lines []string
}

func (s *said) say(line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lines = append(s.lines, line)
}

func (s *said) text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.lines, "\n")
}

// bench opens a run in a state folder of the test's own, with a chain that leaves out the given
// links. All is closed when the test ends.
func bench(t *testing.T, skip ...string) (*Chain, *said) {
	t.Helper()
	t.Setenv(home.EnvDir, t.TempDir())
	return chain(t, Options{Skip: skip})
}

func chain(t *testing.T, opts Options) (*Chain, *said) {
	t.Helper()
	run, err := home.Open("test " + t.Name())
	if err != nil {
		t.Fatal(err)
	}
	out := new(said)
	opts.Say = out.say
	c, err := NewChain(run, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(context.Background()); err != nil {
			t.Errorf("close the chain: %v", err)
		}
		if err := run.Close(); err != nil {
			t.Errorf("close the run: %v", err)
		}
	})
	return c, out
}

func provide(t *testing.T, c *Chain, need Need) Servers {
	t.Helper()
	servers, err := c.Provide(t.Context(), need)
	if err != nil {
		t.Fatal(err)
	}
	return servers
}

// must ends the test when any of the steps failed.
func must(t *testing.T, errs ...error) {
	t.Helper()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}

// await waits for a condition in the world outside of the test.
func await(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("waited 20 s for %s", what)
		}
	}
}

// setTrait changes what the chain knows about a kind for the time of the test.
func setTrait(t *testing.T, kind Kind, change func(*trait)) {
	t.Helper()
	old := traits[kind]
	next := old
	change(&next)
	traits[kind] = next
	t.Cleanup(func() { traits[kind] = old })
}

// answersAt puts the kind's usual address where the test has something.
func answersAt(url string) func(*trait) {
	return func(tr *trait) {
		usual, elsewhere := tr.ports, tr.address
		tr.address = func(ports []int) address {
			if slices.Equal(ports, usual) {
				return address{URL: url}
			}
			return elsewhere(ports)
		}
	}
}

// useFreePorts puts the kind's usual ports where nobody else on this machine is.
func useFreePorts(t *testing.T, kind Kind) []int {
	t.Helper()
	ports, err := port.Free(len(traits[kind].ports))
	if err != nil {
		t.Fatal(err)
	}
	setTrait(t, kind, func(tr *trait) { tr.ports = ports })
	return ports
}

// program puts a shell script on the PATH, before all else.
func program(t *testing.T, name, script string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+script), 0o755))
	t.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
	return dir
}

// sharedBroker is one RabbitMQ for all tests that do not break it: it takes seconds to boot.
var sharedBroker broker

type broker struct {
	once   sync.Once
	dir    string
	run    *home.Run
	chain  *Chain
	server *Server
	err    error
}

func (b *broker) get(t *testing.T) *Server {
	t.Helper()
	b.once.Do(func() {
		if b.dir, b.err = os.MkdirTemp("", "course-lab-test-*"); b.err != nil {
			return
		}
		t.Setenv(home.EnvDir, b.dir)
		if b.run, b.err = home.Open("shared broker"); b.err != nil {
			return
		}
		b.chain, b.err = NewChain(b.run, Options{Skip: []string{LinkDocker}})
		if b.err != nil {
			return
		}
		var all Servers
		all, b.err = b.chain.Provide(context.Background(), Need{Kind: RabbitMQ, Private: true})
		if b.err == nil {
			b.server = all[0]
		}
	})
	must(t, b.err)
	return b.server
}

func (b *broker) close() error {
	if b.chain == nil {
		return b.err
	}
	if err := b.chain.Close(context.Background()); err != nil {
		return err
	}
	if err := b.run.Close(); err != nil {
		return err
	}
	return os.RemoveAll(b.dir)
}
