package bench

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	toxi "github.com/Shopify/toxiproxy/v2/client"

	"course.example/lab/internal/act"
	"course.example/lab/internal/child"
	"course.example/lab/internal/home"
	"course.example/lab/internal/port"
)

// wire is the network between the processes and the services, and between two
// processes: a toxiproxy with one proxy for each process and each address it
// talks to. A proxy between two processes is one of the connections of both.
type wire struct {
	server *child.Process
	client *toxi.Client

	mu        sync.Mutex
	proxies   map[string][]*toxi.Proxy // by process, and by host and port of the upstream
	routes    map[string]*toxi.Proxy   // by process and upstream
	cutOrSlow map[string]bool          // keys of proxies whose connections are cut or slow
}

func startWire(ctx context.Context, run *home.Run, bin string) (*wire, error) {
	ports, err := port.Free(1)
	if err != nil {
		return nil, err
	}
	const host = "127.0.0.1"
	number := strconv.Itoa(ports[0])
	server, err := child.Start(child.Spec{
		Name: "toxiproxy", Path: wireProgram(bin),
		Args: []string{"-host", host, "-port", number}, Tail: 10, Record: run.Children,
	})
	if err != nil {
		return nil, err
	}
	w := &wire{
		server: server, client: toxi.NewClient(host + ":" + number),
		proxies: map[string][]*toxi.Proxy{}, routes: map[string]*toxi.Proxy{},
		cutOrSlow: map[string]bool{},
	}
	if err := w.awaitUp(ctx); err != nil {
		return nil, errors.Join(err, w.close())
	}
	return w, nil
}

func (w *wire) awaitUp(ctx context.Context) error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(5 * time.Second)
	for {
		_, err := w.client.Proxies()
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-limit:
			return fmt.Errorf("the proxy did not come up: %w\n%s",
				err, strings.Join(w.server.Tail(), "\n"))
		case <-w.server.Done():
			return fmt.Errorf("the proxy ended (%v):\n%s",
				w.server.Err(), strings.Join(w.server.Tail(), "\n"))
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// reroute replaces every address in the variables by that of a proxy which only
// this process uses. A variable may hold several, separated by commas.
func (w *wire) reroute(process string, vars map[string]string) error {
	for name, value := range vars {
		addresses := strings.Split(value, ",")
		for i, address := range addresses {
			routed, err := w.route(process, address)
			if err != nil {
				return fmt.Errorf("put a proxy before %s: %w", name, err)
			}
			addresses[i] = routed
		}
		vars[name] = strings.Join(addresses, ",")
	}
	return nil
}

func (w *wire) route(process, address string) (string, error) {
	u, err := url.Parse(address)
	if err != nil || u.Port() == "" {
		return address, nil // not an address: leave it as it is
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	key := process + " > " + u.Host
	if _, known := w.routes[key]; !known {
		name := fmt.Sprintf("%s-%s-%s", process, u.Scheme, u.Port())
		proxy, err := w.client.CreateProxy(name, "127.0.0.1:0", u.Host)
		if err != nil {
			return "", err
		}
		w.proxies[process] = append(w.proxies[process], proxy)
		// By its address, so that one server of several can be cut off from everybody.
		w.proxies[u.Host] = append(w.proxies[u.Host], proxy)
		w.routes[key] = proxy
	}
	u.Host = w.routes[key].Listen
	return u.String(), nil
}

// join is route to an address at which another process serves. What breaks the
// connections of that one breaks this one as well.
func (w *wire) join(process, server, address string) (string, error) {
	w.mu.Lock()
	before := len(w.proxies[process])
	w.mu.Unlock()
	routed, err := w.route(process, address)
	if err != nil {
		return "", err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if made := w.proxies[process]; len(made) > before {
		w.proxies[server] = append(w.proxies[server], made[len(made)-1])
	}
	return routed, nil
}

// errNoProxy says what is missing in a run without a proxy.
var errNoProxy = fmt.Errorf("this run has no proxy between its processes and services "+
	"(make run-NN ARGS=-proxy): %w", act.ErrCannot)

func (w *wire) each(process string, do func(*toxi.Proxy) error) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.proxies[process]) == 0 {
		// A cut that cuts nothing would hold every promise.
		return fmt.Errorf("%s has no address of a service or process in its "+
			"environment, and nobody has its own, so there is no connection to break", process)
	}
	var errs []error
	for _, p := range w.proxies[process] {
		errs = append(errs, do(p))
	}
	return errors.Join(errs...)
}

// cut drops every byte in both directions and says so to nobody, for as long as
// it lasts: only heartbeats and timeouts can notice. A closed connection would be
// a kindness. When it is healed the connections of that time are closed, because
// what was dropped cannot be sent again.
func (w *wire) cut(ctx context.Context, process string) error {
	if err := w.heal(ctx, process); err != nil {
		return err
	}
	w.mark(process, true)
	return w.each(process, func(p *toxi.Proxy) error {
		for _, stream := range []string{"upstream", "downstream"} {
			_, err := p.AddToxic("cut-"+stream, "timeout", stream, 1,
				toxi.Attributes{"timeout": 0})
			if err != nil {
				return fmt.Errorf("cut %s: %w", p.Name, err)
			}
		}
		return nil
	})
}

// slow adds a latency in each direction, and limits the bandwidth if asked to.
func (w *wire) slow(ctx context.Context, process string, how act.Slow) error {
	if err := w.heal(ctx, process); err != nil {
		return err
	}
	w.mark(process, true)
	return w.each(process, func(p *toxi.Proxy) error {
		for _, stream := range []string{"upstream", "downstream"} {
			_, err := p.AddToxic("slow-"+stream, "latency", stream, 1,
				toxi.Attributes{"latency": how.Latency.Milliseconds()})
			if err == nil && how.KBPerSecond > 0 {
				_, err = p.AddToxic("narrow-"+stream, "bandwidth", stream, 1,
					toxi.Attributes{"rate": how.KBPerSecond})
			}
			if err != nil {
				return fmt.Errorf("slow %s: %w", p.Name, err)
			}
		}
		return nil
	})
}

// impaired says whether the connections of a process are cut or slow.
func (w *wire) impaired(process string) bool {
	if w == nil {
		return false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.cutOrSlow[process]
}

func (w *wire) mark(process string, impaired bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cutOrSlow[process] = impaired
}

// heal takes away what cut and slow did.
func (w *wire) heal(_ context.Context, process string) error {
	if w == nil {
		return errNoProxy
	}
	w.mark(process, false)
	return w.each(process, func(p *toxi.Proxy) error {
		toxics, err := p.Toxics()
		if err != nil {
			return fmt.Errorf("heal %s: %w", p.Name, err)
		}
		var errs []error
		for _, t := range toxics {
			errs = append(errs, p.RemoveToxic(t.Name))
		}
		return errors.Join(errs...)
	})
}

func (w *wire) close() error { return w.server.Stop(5 * time.Second) }
