package services

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"course.example/lab/internal/home"
)

// Up provides servers that outlive this process, on the ports of the compose file: by Docker
// Compose, or as native processes. Without kinds they are all that can be native. What answers
// there already is left as it is. Stand-ins end with the lab and are not used. They are durable,
// so that every step can use them. [Down] stops what Up started.
func Up(ctx context.Context, kinds []Kind, opts Options) (Servers, error) {
	unlock, err := lockFile(ctx, "up.lock")
	if err != nil {
		return nil, err
	}
	defer unlock()
	run, err := home.OpenUp()
	if err != nil {
		return nil, err
	}
	c, err := NewChain(run, opts)
	if err != nil {
		return nil, err
	}
	c.site.detached = true
	if len(kinds) == 0 {
		kinds = slices.DeleteFunc(Kinds(), func(k Kind) bool {
			return traits[k].native == nil || traits[k].apart
		})
	}
	var all Servers
	for _, kind := range kinds {
		servers, err := c.Provide(ctx, Need{Kind: kind, Durable: traits[kind].durable != nil})
		if err != nil {
			return all, err // what is up stays up: `lab down` knows it
		}
		all = append(all, servers...)
		if servers[0].Provider == "docker compose" {
			err := run.Update(func(r *home.Record) { r.Extra[claimPrefix+string(kind)] = "up" })
			if err != nil {
				return all, err
			}
		}
	}
	return all, nil
}

// Down stops what [Up] started and removes the data of native servers. Compose keeps its named
// volumes. It says one line for each server; nothing to stop is no error.
func Down(ctx context.Context, say func(string)) error {
	unlock, err := lockFile(ctx, "up.lock")
	if err != nil {
		return err
	}
	defer unlock()
	run, err := home.OpenUp()
	if err != nil {
		return err
	}
	var errs []error
	children, err := run.List()
	errs = append(errs, err)
	// Helpers go last: Erlang's nodes still want to sign off at their port mapper.
	slices.SortStableFunc(children, func(a, b home.Process) int { return rank(a) - rank(b) })
	for _, p := range children {
		ended, err := p.End(ctx, stopSignal(p.Name), stopGrace)
		if err != nil {
			errs = append(errs, fmt.Errorf("stop %s: %w", p.Name, err))
			continue
		}
		if ended && kindOf(p.Name) != "" {
			say(fmt.Sprintf("stopped %s (pid %d)", p.Name, p.Pid))
		}
		errs = append(errs, run.Remove(p.Pid))
	}
	errs = append(errs, composeDown(ctx, run, say))
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return run.Close()
}

func composeDown(ctx context.Context, run *home.Run, say func(string)) error {
	var used []string
	for key := range run.Record().Extra {
		if service, ok := strings.CutPrefix(key, claimPrefix); ok {
			used = append(used, service)
		}
	}
	if len(used) == 0 {
		return nil
	}
	file, err := composeFile()
	if err != nil {
		return err
	}
	slices.Sort(used)
	var errs []error
	for _, service := range used {
		errs = append(errs, compose{file, service}.remove(ctx))
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	say("stopped by docker compose: " + strings.Join(used, ", "))
	// What somebody has started by hand is left alone, and with it the network.
	left, err := runDocker(ctx, "compose", "--file", file, "ps", "--all", "--quiet")
	if err != nil || left != "" {
		return err
	}
	_, err = runDocker(ctx, "compose", "--file", file, "down")
	return err
}

func rank(p home.Process) int {
	if kindOf(p.Name) == "" {
		return 1
	}
	return 0
}

// stopGrace is how long a server may take to end cleanly before it is killed.
const stopGrace = 30 * time.Second

// stopSignal is the one on which the server ends cleanly and soon.
func stopSignal(name string) os.Signal {
	if t := traits[kindOf(name)]; t.native != nil && t.native.stop != nil {
		return t.native.stop
	}
	return syscall.SIGTERM
}

// Status lists the servers of [Up] that are recorded, each with whether it still runs.
func Status() ([]DetachedServer, error) {
	run, err := home.OpenUp()
	if err != nil {
		return nil, err
	}
	children, err := run.List()
	if err != nil {
		return nil, err
	}
	var all []DetachedServer
	for _, p := range children {
		if kindOf(p.Name) != "" {
			all = append(all, DetachedServer{Name: p.Name, Pid: p.Pid, Running: p.Alive()})
		}
	}
	for key := range run.Record().Extra {
		if service, ok := strings.CutPrefix(key, claimPrefix); ok {
			all = append(all, DetachedServer{Name: service, Docker: true, Running: true})
		}
	}
	slices.SortFunc(all, func(a, b DetachedServer) int { return strings.Compare(a.Name, b.Name) })
	return all, nil
}

// DetachedServer is one that `lab up` has started.
type DetachedServer struct {
	Name    string
	Pid     int  // 0 for a container
	Docker  bool // it runs by Docker Compose, which knows its true state
	Running bool
}
