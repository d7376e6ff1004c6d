package services

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"

	"github.com/alicebob/miniredis/v2"
	"github.com/alicebob/miniredis/v2/proto"

	"course.example/lab/internal/port"
)

// Redis is a server of data structures in memory.
const Redis Kind = "redis"

var redis = trait{
	kind: Redis, title: "Redis", env: "REDIS_URL", ports: []int{6379}, several: true,
	address: func(ports []int) address {
		return address{URL: fmt.Sprintf("redis://127.0.0.1:%d/0", ports[0])}
	},
	durable: []string{"--appendonly", "yes", "--appendfsync", "always"}, keeps: redisKeeps,
	handshake: redisHandshake, place: redisPlace, remove: removeRedisPlace,
	boot: startSlack / 2, image: "redis:8.10",
	native: &native{find: findRedis, prepare: prepareRedis}, standIn: oneMiniredis,
	packages: map[string]string{
		"apt-get": "redis-server", "brew": "redis", "dnf": "redis",
		"pacman": "redis", "zypper": "redis",
	},
}

func findRedis() ([]string, error) {
	patterns := append([]string{"redis-server", "valkey-server"},
		brewed("redis", "bin/redis-server")...)
	server, err := lookFor("redis-server", patterns...)
	return []string{server}, err
}

func prepareRedis(_ context.Context, n node) (*process, error) {
	dir, err := n.site.run.MkdirData(n.name)
	if err != nil {
		return nil, err
	}
	// Without more, as a package and the image's container have it: snapshots now and then. A clean
	// stop writes one, kill -9 loses what came after the last.
	return n.process(dir, n.programs[0], "--port", strconv.Itoa(n.ports[0]), "--bind", "127.0.0.1",
		"--dir", dir, "--daemonize", "no"), nil
}

// redisKeeps reads the server's settings. A log of all writes that is not synced before the
// answer survives kill -9, but a busy disk may keep Redis from writing it for up to two seconds.
func redisKeeps(ctx context.Context, a address) error {
	return withRedis(ctx, a.URL, func(do redisDo) error {
		for name, want := range map[string]string{"appendonly": "yes", "appendfsync": "always"} {
			got, err := do("CONFIG", "GET", name)
			switch {
			case err != nil:
				return fmt.Errorf("it does not say: %w", err)
			case got != name+" "+want:
				return fmt.Errorf("CONFIG GET answers %q, and %s must be %s", got, name, want)
			}
		}
		return nil
	})
}

// redisHandshake logs in, selects the database and has a PING answered.
func redisHandshake(ctx context.Context, a address) (string, error) {
	var version string
	err := withRedis(ctx, a.URL, func(do redisDo) error {
		answer, err := do("PING")
		if err != nil {
			return err
		}
		if answer != "PONG" {
			return fmt.Errorf("what answers there is not Redis: %.40q", answer)
		}
		// A server may forbid INFO, and the in-process one does not know this section.
		if info, err := do("INFO", "server"); err == nil {
			_, version, _ = strings.Cut(info, "redis_version:")
			version, _, _ = strings.Cut(version, "\r\n")
		}
		return nil
	})
	return version, err
}

// redisDo sends one command and returns a simple answer; nil answers are "".
type redisDo func(command ...string) (string, error)

func withRedis(ctx context.Context, rawURL string, use func(redisDo) error) error {
	u, err := url.Parse(rawURL)
	if err != nil || (u.Scheme != "redis" && u.Scheme != "rediss") {
		return errors.New("a Redis URL has the form redis://user:password@host:port/number")
	}
	host := u.Host
	if u.Port() == "" {
		host = net.JoinHostPort(u.Hostname(), "6379")
	}
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", host)
	if err != nil {
		return err
	}
	// The client knows no contexts: closing the connection is what ends a call that hangs.
	raw := conn
	stop := context.AfterFunc(ctx, func() { _ = raw.Close() })
	defer stop()
	if u.Scheme == "rediss" {
		conn = tls.Client(conn, &tls.Config{ServerName: u.Hostname(), MinVersion: tls.VersionTLS12})
	}
	client := proto.NewClient(conn)
	do := func(command ...string) (string, error) {
		answer, err := client.Do(command...)
		if err == nil {
			answer, err = simple(answer)
		}
		if err == nil {
			return answer, nil
		}
		if ctx.Err() != nil {
			err = fmt.Errorf("no answer in time: %w", ctx.Err())
		}
		return "", fmt.Errorf("%s: %w", command[0], err)
	}
	err = login(u, do)
	if err == nil {
		err = use(do)
	}
	if closed := conn.Close(); err == nil && !errors.Is(closed, net.ErrClosed) {
		err = closed
	}
	return err
}

func login(u *url.URL, do redisDo) error {
	if password, set := u.User.Password(); set {
		auth := []string{"AUTH", password}
		if u.User.Username() != "" {
			auth = []string{"AUTH", u.User.Username(), password}
		}
		if _, err := do(auth...); err != nil {
			return fmt.Errorf("the server refuses the user name or password: %w", err)
		}
	}
	if db := strings.Trim(u.Path, "/"); db != "" && db != "0" {
		if _, err := do("SELECT", db); err != nil {
			return err
		}
	}
	return nil
}

// simple takes the value out of a RESP answer: of an array, all strings of it in one.
func simple(raw string) (string, error) {
	if raw == "" {
		return "", proto.ErrProtocol
	}
	line := strings.TrimSuffix(raw[1:], "\r\n")
	switch raw[0] {
	case '+', ':':
		return line, nil
	case '-':
		return "", errors.New(line)
	case '$':
		if line == "-1" {
			return "", nil
		}
		return proto.ReadString(raw)
	case '_':
		return "", nil
	case '*':
		all, err := proto.ReadStrings(raw)
		return strings.Join(all, " "), err
	default:
		return "", proto.ErrUnexpected
	}
}

// Redis has no names for databases, only 16 numbers. One's own is claimed in database 0, by a
// key that expires should its owner be killed, and marked inside, so that what a killed owner
// left there may be thrown away and what belongs to others may not.
const (
	redisClaim  = "course-lab:claim:"
	redisMark   = "course-lab:owner"
	redisExpiry = "3600"
	redisLast   = 15
)

func redisPlace(ctx context.Context, a address, name string) (string, error) {
	u, err := url.Parse(a.URL)
	if err != nil {
		return "", fmt.Errorf("read the Redis URL: %w", err)
	}
	u.Path = "/0"
	err = withRedis(ctx, u.String(), func(do redisDo) error {
		for n := 1; n <= redisLast; n++ {
			got, err := do("SET", redisClaim+strconv.Itoa(n), name, "NX", "EX", redisExpiry)
			if err != nil {
				return err
			}
			if got != "OK" {
				continue
			}
			free, err := takeDatabase(do, n, name)
			if free {
				u.Path = "/" + strconv.Itoa(n)
			}
			if free || err != nil {
				return err
			}
		}
		return fmt.Errorf("none of the databases 1 to %d is free: FLUSHALL empties them", redisLast)
	})
	if err != nil {
		return "", fmt.Errorf("a Redis database of one's own: %w", err)
	}
	return u.String(), nil
}

// removeRedisPlace looks for the claim by its name: a number may be somebody else's by now.
func removeRedisPlace(ctx context.Context, a address, name string) error {
	u, err := url.Parse(a.URL)
	if err != nil {
		return fmt.Errorf("read the Redis URL: %w", err)
	}
	u.Path = "/0"
	return withRedis(ctx, u.String(), func(do redisDo) error {
		for n := 1; n <= redisLast; n++ {
			number := strconv.Itoa(n)
			owner, err := do("GET", redisClaim+number)
			if err != nil {
				return err
			}
			if owner == name {
				return sequence(do, "SELECT "+number, "FLUSHDB", "SELECT 0", "DEL "+redisClaim+number)
			}
		}
		return nil
	})
}

// takeDatabase empties and marks database n when it is nobody's, and gives the claim back when
// it holds somebody's data. The connection is back at database 0 afterwards.
func takeDatabase(do redisDo, n int, name string) (bool, error) {
	number := strconv.Itoa(n)
	if err := sequence(do, "SELECT "+number); err != nil {
		return false, err
	}
	size, err := do("DBSIZE")
	if err != nil {
		return false, err
	}
	mark, err := do("GET", redisMark)
	if err != nil {
		return false, err
	}
	if size != "0" && mark == "" {
		return false, sequence(do, "SELECT 0", "DEL "+redisClaim+number)
	}
	return true, sequence(do, "FLUSHDB", "SET "+redisMark+" "+name, "SELECT 0")
}

func sequence(do redisDo, commands ...string) error {
	for _, c := range commands {
		if _, err := do(strings.Fields(c)...); err != nil {
			return err
		}
	}
	return nil
}

// mini is Redis inside this process. As with Redis at its defaults, a clean stop keeps the
// data and a kill loses it.
type mini struct {
	port int
	mu   sync.Mutex
	m    *miniredis.Miniredis
	up   bool
}

// oneMiniredis is the stand-in for Redis.
func oneMiniredis(ctx context.Context, c *Chain, need Need) (*Server, error) {
	ports, err := port.Free(1)
	if err != nil {
		return nil, err
	}
	s := c.newServer(need, "in-process stand-in", traits[Redis].address(ports))
	s.inst, s.Version = newMiniredis(ports[0]), miniredisVersion()
	return s, c.launch(ctx, s)
}

func newMiniredis(port int) Instance {
	m := miniredis.NewMiniRedis()
	// Otherwise keys would only expire when a test says so, and a lock would be held forever.
	m.ClockTTL(true)
	return &mini{port: port, m: m}
}

// miniredisVersion is for people: the server itself has no answer.
func miniredisVersion() string {
	info, ok := debug.ReadBuildInfo()
	if ok {
		for _, dep := range info.Deps {
			if dep.Path == "github.com/alicebob/miniredis/v2" {
				return "miniredis " + dep.Version
			}
		}
	}
	return "miniredis"
}

func (i *mini) Start(context.Context) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.up {
		return fmt.Errorf("it is already running")
	}
	// Close has ended the context that blocking commands wait on; they need a new one.
	i.m.Ctx, i.m.CtxCancel = context.WithCancel(context.Background())
	if err := i.m.StartAddr(fmt.Sprintf("127.0.0.1:%d", i.port)); err != nil {
		return err
	}
	i.up = true
	return nil
}

func (i *mini) Stop(context.Context) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.up {
		i.m.Close()
		i.up = false
	}
	return nil
}

func (i *mini) Kill(ctx context.Context) error {
	err := i.Stop(ctx)
	i.m.FlushAll()
	return err
}

func (i *mini) Close(ctx context.Context) error { return i.Kill(ctx) }

func (i *mini) Tail(context.Context) []string { return nil }
