package services

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"course.example/lab/internal/home"
	"course.example/lab/internal/port"
)

// ---- an environment variable names a server

func (c *Chain) lookEnv(ctx context.Context, need Need) (string, error) {
	t := traits[need.Kind]
	value := os.Getenv(t.env)
	switch {
	case value == "":
		return "", quietly("%s is not set", t.env)
	case need.Private:
		return "", quietly("a private server is wanted, %s names a shared one", t.env)
	case need.Relayed:
		return "", quietly("there are relays only between nodes that the lab starts")
	}
	return t.env + " is set", nil
}

func (c *Chain) provideEnv(ctx context.Context, need Need) (Servers, error) {
	t := traits[need.Kind]
	urls := strings.Split(os.Getenv(t.env), ",")
	if len(urls) < need.count() {
		return nil, fmt.Errorf("%s names %d servers and %d are wanted: list as many, separated "+
			"by commas, or unset it", t.env, len(urls), need.count())
	}
	var all Servers
	for i, raw := range urls[:need.count()] {
		raw = strings.TrimSpace(raw)
		if u, err := url.Parse(raw); err != nil || u.Scheme == "" || u.Host == "" {
			return nil, fmt.Errorf("%s is not a URL like %s", t.env, t.usual().URL)
		}
		s := c.newServer(need.at(i), t.env, address{URL: raw})
		if err := s.askEnv(ctx); err != nil {
			return nil, fmt.Errorf("%s is set, but: %w; correct it or unset it", t.env, err)
		}
		if err := s.asDurableAs(ctx, need); err != nil {
			c.opts.Say(fmt.Sprintf("%s: %v; it is used all the same", need, err))
		}
		all = append(all, s)
	}
	return all, nil
}

// asDurableAs says what a server may lose that the need wants it to keep.
func (s *Server) asDurableAs(ctx context.Context, need Need) error {
	if !need.Durable {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, attempt)
	defer cancel()
	if err := traits[s.Kind].keeps(ctx, s.address()); err != nil {
		return fmt.Errorf("the %s of %s may lose what it has acknowledged when it is killed: %w",
			traits[s.Kind].title, s.Provider, err)
	}
	return nil
}

// askEnv makes the handshake with a server that was named, and looks for its page.
func (s *Server) askEnv(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*attempt)
	defer cancel()
	var err error
	if s.Version, err = s.tryOnce(ctx); err != nil {
		return fmt.Errorf("%s: %w", s.Shown(), err)
	}
	named := traits[s.Kind].named
	if named == nil {
		return nil
	}
	a, err := named(ctx, s.address())
	s.Page, s.Login, s.management = a.Page, a.Login, a.Management
	return err
}

// ---- a server answers on its usual port, from `lab up`, compose or anybody

func (c *Chain) lookPort(ctx context.Context, need Need) (string, error) {
	t := traits[need.Kind]
	switch {
	case need.Private:
		return "", quietly("a private server is wanted")
	case need.count() > 1:
		return "", quietly("%d nodes are wanted and one has the usual port", need.count())
	}
	u, err := url.Parse(t.usual().URL)
	if err != nil {
		return "", err
	}
	conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "tcp", u.Host)
	if err != nil {
		return "", quietly("nothing answers on %s", u.Host)
	}
	_ = conn.Close() // it only had to open
	ctx, cancel := context.WithTimeout(ctx, attempt)
	defer cancel()
	if _, err := t.handshake(ctx, t.usual()); err != nil {
		return "", fmt.Errorf("what answers on %s is not used, it is not %s as in %s: %w",
			u.Host, t.title, composeName, err)
	}
	if need.Durable {
		if err := t.keeps(ctx, t.usual()); err != nil {
			return "", fmt.Errorf("what answers on %s is not used, it may lose what it has "+
				"acknowledged when it is killed: %w", u.Host, err)
		}
	}
	return "already answering on " + u.Host, nil
}

func (c *Chain) providePort(ctx context.Context, need Need) (Servers, error) {
	t := traits[need.Kind]
	u, err := url.Parse(t.usual().URL)
	if err != nil {
		return nil, err
	}
	s := c.newServer(need, "already answering on "+u.Host, t.usual())
	s.shared = true
	if s.Version, err = s.tryOnce(ctx); err != nil {
		return nil, err
	}
	// Another run may have started it by compose: it must not stop it while this one lasts.
	return Servers{s}, c.use(string(need.Kind))
}

func (c *Chain) use(service string) error {
	if c.site.detached {
		return nil
	}
	c.mu.Lock()
	c.compose = append(c.compose, service)
	c.mu.Unlock()
	return c.claims.use(service)
}

// unuse takes back what use claimed.
func (c *Chain) unuse(ctx context.Context, service string) error {
	if c.site.detached {
		return nil
	}
	c.mu.Lock()
	c.compose = slices.DeleteFunc(c.compose, func(s string) bool { return s == service })
	c.mu.Unlock()
	return c.claims.release(ctx, service)
}

// ---- a Docker engine

func (c *Chain) lookDocker(ctx context.Context, need Need) (string, error) {
	if traits[need.Kind].judged && (need.Private || c.opts.Container != nil) {
		return "", quietly("an experiment asks the lab's own receiver what has arrived")
	}
	if traits[need.Kind].cluster && need.count() > 1 {
		return "", quietly("the lab makes a cluster of native servers only")
	}
	version, err := engine(ctx)
	if err != nil {
		return "", quietly("%w", err)
	}
	return "Docker engine " + version, nil
}

func (c *Chain) provideDocker(ctx context.Context, need Need) (Servers, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, pullTimeout,
		fmt.Errorf("not up after %v", pullTimeout))
	defer cancel()
	if c.opts.Container == nil && !need.Private && need.count() == 1 {
		switch {
		case hasCompose(ctx):
			return c.provideCompose(ctx, need)
		case c.site.detached:
			return nil, errNoCompose
		}
		c.opts.Say(fmt.Sprintf("%s: %v: it gets a container of its own", need, errNoCompose))
	}
	for _, image := range append([]string{traits[need.Kind].image}, c.opts.Images...) {
		if err := c.ensureImage(ctx, need, image); err != nil {
			return nil, err
		}
	}
	var all Servers
	for i := range need.count() {
		s, err := c.provideContainer(ctx, need.at(i))
		if err != nil {
			return nil, fmt.Errorf("docker cannot run %s: %w", traits[need.Kind].image,
				errors.Join(err, closeAll(ctx, all)))
		}
		all = append(all, s)
	}
	return all, nil
}

func (c *Chain) provideCompose(ctx context.Context, need Need) (Servers, error) {
	file, err := composeFile()
	if err != nil {
		return nil, err
	}
	t := traits[need.Kind]
	service := compose{file: file, service: string(need.Kind)}
	if err := c.ensureImage(ctx, need, t.image); err != nil {
		return nil, err
	}
	if !c.site.detached {
		// The claim comes before the start: a start that is cut short must be cleaned up too.
		if err := c.use(service.service); err != nil {
			return nil, err
		}
		if err := c.claims.started(service.service); err != nil {
			return nil, err
		}
	}
	s := c.newServer(need, "docker compose", t.usual())
	s.shared = true
	s.inst = service
	before := service.exists(ctx)
	if err := s.Start(ctx); err != nil {
		err = fmt.Errorf("docker compose cannot bring it up: %w", err)
		return nil, errors.Join(err, c.giveUp(context.WithoutCancel(ctx), service, before))
	}
	return Servers{s}, nil
}

// giveUp takes a service back that did not come up: its container would keep the port from the
// provider that is tried next. A container that was there before is somebody else's, and stays.
func (c *Chain) giveUp(ctx context.Context, service compose, before bool) error {
	if !c.site.detached {
		return c.unuse(ctx, service.service)
	}
	if before {
		return nil
	}
	return service.remove(ctx)
}

// ensureImage pulls the image when it is not there. An engine can answer and still have no way
// to a registry; that is told apart from a server that does not come up.
func (c *Chain) ensureImage(ctx context.Context, need Need, image string) error {
	if _, err := runDocker(ctx, "image", "inspect", "--format", "{{.Id}}", image); err == nil {
		return nil
	}
	c.opts.Say(fmt.Sprintf("%s: pulling the image %s", need, image))
	if _, err := runDocker(ctx, "pull", "--quiet", image); err != nil {
		return fmt.Errorf("the Docker engine cannot pull %s: %w", image, err)
	}
	return nil
}

func (c *Chain) provideContainer(ctx context.Context, need Need) (*Server, error) {
	t := traits[need.Kind]
	ports, err := port.Free(len(t.ports))
	if err != nil {
		return nil, err
	}
	s := c.newServer(need, "docker, private", t.address(ports))
	if c.opts.Container != nil {
		// Its image is there: what takes longer than a boot is not coming.
		ctx, cancel := context.WithTimeoutCause(ctx, t.boot, fmt.Errorf("not up after %v", t.boot))
		defer cancel()
		if s.inst, err = c.opts.Container(ctx, t.container(need, ports)); err != nil {
			return nil, err
		}
	} else {
		state, err := home.Dir()
		if err != nil {
			return nil, err
		}
		s.inst = &container{
			name: "course-lab-" + c.run.ID() + "-" + s.Name, image: t.container(need, ports),
			labels: []string{labelDir + "=" + state, labelRun + "=" + c.run.ID()},
		}
	}
	return s, c.launch(ctx, s)
}

// launch takes the server into keeping and brings it up; one that does not come up is closed.
func (c *Chain) launch(ctx context.Context, s *Server) error {
	if err := c.own(s); err != nil {
		return errors.Join(err, s.Close(ctx))
	}
	// By Start and not bringUp: a Close that came in between must not be followed by a start.
	if err := s.Start(ctx); err != nil {
		return errors.Join(err, s.Close(context.WithoutCancel(ctx)))
	}
	return nil
}

// ---- a server installed on this machine

func (c *Chain) lookNative(_ context.Context, need Need) (string, error) {
	t := traits[need.Kind]
	if need.Relayed && c.site.detached {
		return "", quietly("relays would end with the lab")
	}
	programs, err := t.installed()
	if errors.Is(err, errNotInstalled) && t.native.tool != "" {
		if err = canBuild(t.native.tool); err == nil {
			return "go builds " + t.native.tool, nil
		}
	}
	if err != nil {
		return "", quietly("%w", err)
	}
	return "installed: " + programs[0], nil
}

// provideNative tries again with other ports when somebody took one between choice and start.
func (c *Chain) provideNative(ctx context.Context, need Need) (Servers, error) {
	programs, err := c.programs(ctx, traits[need.Kind])
	if err != nil {
		return nil, err
	}
	for try := 1; ; try++ {
		all, err := c.startNatives(ctx, need, programs)
		if err == nil {
			return all, nil
		}
		err = errors.Join(err, closeAll(ctx, all))
		if try == 3 || c.site.detached || ctx.Err() != nil || !errors.Is(err, errPortTaken) {
			return nil, fmt.Errorf("the installed server does not come up: %w", err)
		}
	}
}

// errPortTaken says that a server found somebody else on its port.
var errPortTaken = errors.New("its port was taken in the last moment")

// startNatives starts one node after the other, and returns those that it started with the error.
func (c *Chain) startNatives(
	ctx context.Context, need Need, programs []string,
) (all Servers, err error) {
	t := traits[need.Kind]
	ports, err := c.nativePorts(t, need.count())
	if err != nil {
		return nil, err
	}
	var between *relays
	if need.Relayed {
		if between, err = c.site.startRelays(ports, len(t.ports)); err != nil {
			return nil, err
		}
	}
	words := "native, private"
	if c.site.detached {
		words = "native, until `lab down`"
	}
	for i := range ports {
		s := c.newServer(need.at(i), words, t.address(ports[i]))
		n := node{
			site: c.site, name: s.Name, programs: programs, ports: ports[i], all: ports,
			durable: need.Durable,
		}
		if between != nil {
			n.reach, s.side = between.from(i), &side{between, i}
		}
		p, err := t.native.prepare(ctx, n)
		if err != nil {
			return all, err
		}
		s.inst = p
		if err := c.launch(ctx, s); err != nil {
			if portTaken(p.Tail(ctx)) {
				err = fmt.Errorf("%w: %w", errPortTaken, errors.Join(err, os.Remove(p.log)))
			}
			return all, err
		}
		all = append(all, s)
	}
	for _, s := range all {
		if err := s.awaitJoined(ctx, t.boot); err != nil {
			return all, fmt.Errorf("%s: %w", s.Name, err)
		}
	}
	return all, nil
}

// nativePorts are the ports of each of several nodes.
func (c *Chain) nativePorts(t trait, nodes int) ([][]int, error) {
	each := len(t.ports) + t.native.more
	free, err := port.Free(each * nodes)
	if err != nil {
		return nil, err
	}
	if c.site.detached {
		// `lab up` is for those who want to find the servers where the compose file has them.
		for i, p := range t.ports {
			if !port.IsFree(p) {
				return nil, fmt.Errorf("port %d is taken by something else", p)
			}
			free[i] = p
		}
	}
	return slices.Collect(slices.Chunk(free, each)), nil
}

func closeAll(ctx context.Context, all Servers) error {
	var errs []error
	for _, s := range all {
		errs = append(errs, s.Close(context.WithoutCancel(ctx)))
	}
	return errors.Join(errs...)
}

// ---- a stand-in of the lab's own

func (c *Chain) lookStandIn(_ context.Context, need Need) (string, error) {
	t := traits[need.Kind]
	if t.standIn == nil {
		return "", quietly("the lab has nothing to take its place")
	}
	if c.site.detached {
		return "", quietly("a stand-in would end with the lab")
	}
	if t.judged {
		return "the lab's own OTLP receiver", nil
	}
	if need.Durable && need.Private {
		return "", quietly("the stand-in loses everything when it is killed")
	}
	return "in-process stand-in", nil
}

func (c *Chain) provideStandIn(ctx context.Context, need Need) (Servers, error) {
	var all Servers
	for i := range need.count() {
		s, err := traits[need.Kind].standIn(ctx, c, need.at(i))
		if err != nil {
			return nil, errors.Join(err, closeAll(ctx, all))
		}
		all = append(all, s)
	}
	if need.Durable {
		c.opts.Say(fmt.Sprintf("%s: the stand-in loses everything when it is killed", need))
	}
	return all, nil
}

// ---- an installation

func (c *Chain) lookInstall(ctx context.Context, need Need) (string, error) {
	t := traits[need.Kind]
	if t.native == nil || len(t.packages) == 0 {
		return "", quietly("the lab does not install it")
	}
	if c.policy == installNo {
		return "", quietly("LAB_INSTALL=no forbids it")
	}
	if _, err := t.installed(); err == nil {
		return "", quietly("it is installed already")
	}
	in, err := findInstaller()
	if err != nil {
		return "", quietly("%w", err)
	}
	if err := in.can(ctx); err != nil {
		return "", quietly("%w", err)
	}
	return in.command(t.packages[in.manager]), nil
}

func (c *Chain) provideInstall(ctx context.Context, need Need) (Servers, error) {
	t := traits[need.Kind]
	in, err := findInstaller()
	if err != nil {
		return nil, err
	}
	installed := func() bool { _, err := t.installed(); return err == nil }
	err = c.install(ctx, in, t.packages[in.manager], t.title+" is needed and not on this machine",
		installed)
	if err != nil {
		return nil, err
	}
	return c.provideNative(ctx, need)
}
