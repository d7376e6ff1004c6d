//go:build unix

package lock

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"course.example/lab/labtest"
	"course.example/lab/services"
	"course.example/lab/services/servicestest"
)

// endsWithin is the limit of every program here after SIGTERM, whatever happens to the servers.
const endsWithin = 20 * time.Second

// answersWithin is the longest that a customer or a monitor waits for an answer: the
// account's client gives up after three seconds, and a no from it after two.
const answersWithin = 8 * time.Second

// built are the step's programs.
var built = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "lock-programs-")
	if err != nil {
		return "", err
	}
	programs = dir
	build := exec.Command("go", "build", "-buildvcs=false", "-o", dir+"/",
		"./account", "./producer", "./consumer")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the programs: %w\n%s", err, out)
	}
	return dir, nil
})

// program is one that runs.
type program struct {
	name string
	cmd  *exec.Cmd
	done chan error

	mu  sync.Mutex
	out bytes.Buffer
}

func (p *program) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.Write(b)
}

func (p *program) said() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.String()
}

func start(t *testing.T, name string, env ...string) *program {
	t.Helper()
	dir, err := built()
	if err != nil {
		t.Fatal(err)
	}
	p := &program{name: name, done: make(chan error, 1)}
	p.cmd = exec.Command(filepath.Join(dir, name))
	p.cmd.Env = append(append(os.Environ(), "ADDR=127.0.0.1:0", "VARIANT=", "LOG_FORMAT=json",
		"LOG_LEVEL=info"), env...)
	p.cmd.Stdout, p.cmd.Stderr = p, p
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { p.done <- p.cmd.Wait(); close(ended) }()
	t.Cleanup(func() { _ = p.cmd.Process.Kill(); <-ended })
	return p
}

var listening = regexp.MustCompile(`"url":"(http://[^"]+)"`)

// url waits until the program serves.
func (p *program) url(t *testing.T) (url string) {
	t.Helper()
	eventually(t, p.name+" listens", func() bool {
		if found := listening.FindStringSubmatch(p.said()); found != nil {
			url = found[1]
		}
		return url != ""
	})
	return url
}

// terminate sends SIGTERM, and wants a good end within the limit.
func (p *program) terminate(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-p.done:
		if err != nil {
			t.Errorf("%s did not end well: %v\n%s", p.name, err, p.said())
		}
	case <-time.After(endsWithin):
		t.Errorf("%s has not ended %s after SIGTERM\n%s", p.name, endsWithin, p.said())
	}
}

// ask returns status and body, within the time in which everybody must have an answer.
func ask(t *testing.T, method, url string) (int, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), answersWithin)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, err.Error()
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return 0, err.Error()
	}
	return response.StatusCode, string(body)
}

// TestSickServers lets the built programs meet servers that are ill, with an order in progress.
// Customers and monitors get an answer in time that says why, and SIGTERM ends both
// programs within their limit.
func TestSickServers(t *testing.T) {
	labtest.Sources(t)
	t.Parallel()
	for name, c := range map[string]struct {
		fall func(t *testing.T, w *ward)
		says string // in the reason that /healthz gives
	}{
		"two nodes accept and say nothing": {func(_ *testing.T, w *ward) { w.silence[0](); w.silence[1]() },
			"1 of 3, and 2 are needed"},
		"no memory":    {func(t *testing.T, w *ward) { w.on12(t, "CONFIG SET maxmemory 1") }, "OOM"},
		"read-only":    {func(t *testing.T, w *ward) { w.on12(t, "REPLICAOF 127.0.0.1 1") }, "READONLY"},
		"new password": {func(t *testing.T, w *ward) { w.on12(t, "ACL SETUSER default resetpass >x") }, ""},
		"nodes killed": {func(t *testing.T, w *ward) { w.each12(t, (*services.Server).Kill) },
			"1 of 3, and 2 are needed"},
		"a silent account": {func(_ *testing.T, w *ward) { w.silenceAccount() },
			"account"},
		"no database": {func(t *testing.T, w *ward) {
			if err := w.killDatabase(t.Context()); err != nil {
				t.Fatal(err)
			}
		}, "database"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWard(t, name == "no database")
			if status, said := ask(t, http.MethodPost, w.shop+"/orders"); status != http.StatusAccepted {
				t.Fatalf("while all are well: %d %s", status, said)
			}
			eventually(t, "in progress", func() bool {
				return strings.Contains(w.producer.said()+w.consumer.said(), "order received")
			})
			c.fall(t, w)
			status, said := ask(t, http.MethodGet, w.shop+"/healthz")
			if status != http.StatusServiceUnavailable || !strings.Contains(said, c.says) {
				t.Errorf("/healthz: %d %s; want 503 and %q", status, said, c.says)
			}
			if status, said := ask(t, http.MethodPost, w.shop+"/orders"); status !=
				http.StatusServiceUnavailable {
				t.Errorf("POST /orders: %d %s; want 503", status, said)
			}
			var both sync.WaitGroup
			both.Go(func() { w.producer.terminate(t) })
			both.Go(func() { w.consumer.terminate(t) })
			both.Wait()
			w.account.terminate(t)
		})
	}
}

// ward is a whole shop with servers that can be made ill.
type ward struct {
	nodes          services.Servers
	killDatabase   func(context.Context) error
	silence        []func()
	silenceAccount func()
	redis          Settings // to talk to the nodes themselves

	account, producer, consumer *program
	shop                        string
}

func newWard(t *testing.T, ownDatabase bool) *ward {
	t.Helper()
	w := &ward{nodes: servicestest.RedisNodes(t, 3), redis: DefaultSettings()}
	var database string
	if ownDatabase {
		server := servicestest.PrivatePostgres(t)
		database, w.killDatabase = server.URL, server.Kill
	} else {
		database = servicestest.Postgres(t)
	}
	w.redis.Redis = w.nodes.Env()["REDIS_URL"]
	var through []string
	for _, n := range w.nodes {
		url, silence := servicestest.Silenced(t, n.URL)
		through, w.silence = append(through, url), append(w.silence, silence)
	}
	w.account = start(t, "account", "DATABASE_URL="+database)
	url, silence := servicestest.Silenced(t, w.account.url(t))
	w.silenceAccount = silence
	env := []string{"REDIS_URL=" + strings.Join(through, ","), "ACCOUNT_URL=" + url,
		"WORK=500ms", "EXPIRY=2s"}
	w.producer, w.consumer = start(t, "producer", env...), start(t, "consumer", env...)
	w.shop = w.producer.url(t)
	eventually(t, "the shop is ready", func() bool {
		status, _ := ask(t, http.MethodGet, w.shop+"/healthz")
		return status == http.StatusOK
	})
	return w
}

// on12 sends a command to the first two nodes.
func (w *ward) on12(t *testing.T, command string) {
	t.Helper()
	for _, c := range locker(t, w.redis, nil).nodes.clients[:2] {
		if err := c.Do(t.Context(), words(command)...).Err(); err != nil {
			t.Fatalf("%s: %v", command, err)
		}
		// Who is connected already would go on.
		if strings.HasPrefix(command, "ACL") {
			if err := c.Do(t.Context(), words("CLIENT KILL TYPE normal")...).Err(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func (w *ward) each12(t *testing.T, do func(*services.Server, context.Context) error) {
	t.Helper()
	for _, s := range w.nodes[:2] {
		if err := do(s, t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// Two nodes and the database are away when the programs start. They wait and say so, and
// take orders as soon as the servers are there.
func TestServersAwayAtTheStart(t *testing.T) {
	labtest.Sources(t)
	t.Parallel()
	nodes, database := servicestest.RedisNodes(t, 3), servicestest.PrivatePostgres(t)
	away := append(services.Servers{database}, nodes[:2]...)
	for _, s := range away {
		if err := s.Kill(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	account := start(t, "account", "DATABASE_URL="+database.URL)
	env := []string{"REDIS_URL=" + nodes.Env()["REDIS_URL"], "ACCOUNT_URL=" + account.url(t)}
	producer, consumer := start(t, "producer", env...), start(t, "consumer", env...)
	for _, p := range []*program{producer, consumer} {
		eventually(t, p.name+" says what is away", func() bool {
			return strings.Contains(p.said(), "cannot see what is open") &&
				strings.Contains(p.said(), "1 of 3, and 2 are needed")
		})
	}
	for _, p := range []*program{account, producer} {
		if status, said := ask(t, http.MethodGet, p.url(t)+"/healthz"); status != 503 {
			t.Errorf("%s: %d %s; want 503", p.name, status, said)
		}
	}
	for _, s := range away {
		if err := s.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "an order is accepted", func() bool {
		status, _ := ask(t, http.MethodPost, producer.url(t)+"/orders")
		return status == http.StatusAccepted
	})
	eventually(t, "it is billed", func() bool {
		return strings.Contains(account.said(), "order processed")
	})
	for _, p := range []*program{producer, consumer, account} {
		p.terminate(t)
	}
}

// A password that was never right is no reason to wait for the database.
func TestAccountWithAWrongPasswordEnds(t *testing.T) {
	labtest.Sources(t)
	t.Parallel()
	url := servicestest.Postgres(t)
	account := start(t, "account", "DATABASE_URL="+strings.Replace(url, ":shop@", ":wrong@", 1))
	err := receive(t, "end of the account", account.done)
	if err == nil || !strings.Contains(account.said(), "check DATABASE_URL") {
		t.Errorf("%v\n%s", err, account.said())
	}
}
