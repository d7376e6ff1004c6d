//go:build unix

package services

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"course.example/lab/internal/home"
)

// silent listens and never says a word.
func silent(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { _ = l.Close() })
	return l.Addr().String()
}

func webServer(t *testing.T) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "hello", http.StatusTeapot)
	}))
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

// urlAt is the kind's usual URL with another host and port.
func urlAt(kind Kind, addr string) string {
	usual := traits[kind].usual().URL
	scheme, rest, _ := strings.Cut(usual, "://")
	login, host, found := strings.Cut(rest, "@")
	if !found {
		login, host = "", rest
	} else {
		login += "@"
	}
	_, path, _ := strings.Cut(host, "/")
	return scheme + "://" + login + addr + "/" + path
}

func TestHandshakeNeedsMoreThanAnOpenPort(t *testing.T) {
	t.Parallel()
	for _, kind := range Kinds() {
		for what, addr := range map[string]string{"silent": silent(t), "web server": webServer(t)} {
			t.Run(string(kind)+"/"+what, func(t *testing.T) {
				t.Parallel()
				ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
				defer cancel()
				begun := time.Now()
				_, err := traits[kind].handshake(ctx, address{URL: urlAt(kind, addr)})
				if err == nil {
					t.Errorf("took a %s for %s", what, kind)
				}
				if kind == RabbitMQ && what == "silent" && err != nil &&
					!strings.Contains(err.Error(), "no AMQP handshake in time") {
					t.Errorf("said %v", err)
				}
				if took := time.Since(begun); took > 3*time.Second {
					t.Errorf("took %v to find out, with a limit of 300 ms", took)
				}
			})
		}
	}
}

func TestVariableThatNamesNothingIsAnError(t *testing.T) {
	tests := []struct{ name, value, want string }{
		{"nothing there", "redis://127.0.0.1:1/0", "REDIS_URL is set, but: redis://127.0.0.1:1/0"},
		{"no URL", "localhost", "REDIS_URL is not a URL like redis://"},
		{"another protocol", "http://" + webServer(t), "has the form redis://"},
		{"password shown to nobody", "redis://u:geheim@127.0.0.1:1/0", "u:xxxxx@127.0.0.1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, out := bench(t)
			t.Setenv("REDIS_URL", tt.value)
			_, err := c.Provide(t.Context(), Need{Kind: Redis})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
			if err != nil && strings.Contains(err.Error(), "geheim") {
				t.Errorf("the error shows the password: %v", err)
			}
			if out.text() != "" {
				t.Errorf("another way was taken: %s", out.text())
			}
		})
	}
}

func TestVariableMustNameAsManyServersAsWanted(t *testing.T) {
	c, _ := bench(t)
	t.Setenv("REDIS_URL", "redis://127.0.0.1:1/0")
	_, err := c.Provide(t.Context(), Need{Kind: Redis, Count: 5})
	if err == nil || !strings.Contains(err.Error(), "names 1 servers and 5 are wanted") {
		t.Errorf("error %v, want it to say how many are missing", err)
	}
}

func TestVariableThatNamesAServerIsUsedAndLeftAlone(t *testing.T) {
	c, _ := bench(t, LinkNative, LinkDocker)
	owner := provide(t, c, Need{Kind: Redis, Count: 2, Private: true})
	t.Setenv("REDIS_URL", owner.Env()["REDIS_URL"])
	user, _ := chain(t, Options{})
	used := provide(t, user, Need{Kind: Redis, Count: 2})
	if used[0].Owned() || used[0].Provider != "REDIS_URL" || used[1].Name != "redis-2" {
		t.Errorf("got %+v and %+v", used[0], used[1])
	}
	if err := used[0].Kill(t.Context()); !errors.Is(err, ErrNotOwned) {
		t.Errorf("kill: %v, want ErrNotOwned", err)
	}
	must(t, user.Close(t.Context()), owner[0].Ready(t.Context()))
}

func TestSomethingElseOnTheUsualPortIsSaidAndPassedOver(t *testing.T) {
	for what, addr := range map[string]string{"silent": silent(t), "web server": webServer(t)} {
		t.Run(what, func(t *testing.T) {
			c, out := bench(t, LinkNative, LinkDocker)
			setTrait(t, Redis, answersAt("redis://"+addr+"/0"))
			s := provide(t, c, Need{Kind: Redis})[0]
			if s.Provider != "in-process stand-in" {
				t.Errorf("provider %q, want the stand-in", s.Provider)
			}
			want := "what answers on " + addr + " is not used"
			if strings.Count(out.text(), want) != 1 {
				t.Errorf("said:\n%s\nwant one line with %q", out.text(), want)
			}
		})
	}
}

func TestServerOnTheUsualPortIsUsedAndLeftAlone(t *testing.T) {
	c, _ := bench(t, LinkNative, LinkDocker)
	owner := provide(t, c, Need{Kind: Redis, Private: true})[0]
	setTrait(t, Redis, answersAt(owner.URL))
	user, _ := chain(t, Options{})
	s := provide(t, user, Need{Kind: Redis})[0]
	if s.Owned() || !strings.HasPrefix(s.Provider, "already answering on 127.0.0.1:") {
		t.Errorf("got %+v", s)
	}
	must(t, user.Close(t.Context()), user.Close(t.Context()), owner.Ready(t.Context()))
}

func TestNothingHoldsAndTheWaysOutAreListed(t *testing.T) {
	t.Setenv("LAB_INSTALL", "no")
	t.Setenv("LAB_SKIP", "docker, native,port")
	c, _ := bench(t, LinkStandIn)
	_, err := c.Provide(t.Context(), Need{Kind: Redis})
	if err == nil {
		t.Fatal("a server came from nowhere")
	}
	for _, want := range []string{
		"no Redis to be had", "env      REDIS_URL is not set", "native   left out (LAB_SKIP)",
		"install  LAB_INSTALL=no forbids it", "Ways out:", "docs.docker.com",
		"REDIS_URL=redis://127.0.0.1:6379/0",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the message lacks %q:\n%v", want, err)
		}
	}
}

func TestSettingsThatMeanNothingAreErrors(t *testing.T) {
	for name, value := range map[string]string{"LAB_SKIP": "dokcer", "LAB_INSTALL": "perhaps"} {
		t.Setenv(name, value)
		if _, err := NewChain(nil, Options{}); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s=%s: error %v", name, value, err)
		}
		t.Setenv(name, "")
	}
}

func TestServerThatDoesNotComeUpShowsTheEndOfItsLog(t *testing.T) {
	tests := []struct{ name, script, want string }{
		{"ends", "echo FATAL: no room for data; exit 1", "it ended while coming up"},
		{"hangs", "echo FATAL: no room for data; exec sleep 300", "not ready after 300ms"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			program(t, "redis-server", tt.script)
			c, out := bench(t, LinkPort, LinkDocker, LinkStandIn, LinkInstall)
			setTrait(t, Redis, func(tr *trait) { tr.boot = 300 * time.Millisecond })
			if tt.name == "ends" {
				setTrait(t, Redis, func(tr *trait) { tr.boot = 10 * time.Second })
			}
			_, err := c.Provide(t.Context(), Need{Kind: Redis})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
			if !strings.Contains(out.text(), "the end of its log:\n    FATAL: no room for data") {
				t.Errorf("said:\n%s\nwant the end of its log", out.text())
			}
			all, err := c.run.List()
			if err != nil || len(all) != 0 {
				t.Errorf("still running: %+v, %v", all, err)
			}
		})
	}
}

func TestDockerThatCannotPullFallsThrough(t *testing.T) {
	program(t, "docker", `case $1 in
		info) echo 29.1.0 ;;
		pull) echo "dial tcp: lookup registry-1.docker.io: no such host" >&2; exit 1 ;;
		*) echo "no such image" >&2; exit 1 ;;
		esac`)
	for _, need := range []Need{{Kind: Redis}, {Kind: Redis, Count: 5}, {Kind: Redis, Private: true}} {
		c, out := bench(t, LinkPort, LinkNative)
		inCheckout(t)
		s := provide(t, c, need)
		if len(s) != need.count() || s[0].Provider != "in-process stand-in" {
			t.Errorf("%s: got %d of %q", need, len(s), s[0].Provider)
		}
		want := "the Docker engine cannot pull redis:8.10"
		if !strings.Contains(out.text(), want) || !strings.Contains(out.text(), "no such host") {
			t.Errorf("said:\n%s\nwant a line with %q and the reason", out.text(), want)
		}
	}
}

// A library that makes containers may go on trying to pull for a quarter of an hour: tests, too,
// must fall through at once.
func TestDockerThatCannotPullFallsThroughInTests(t *testing.T) {
	for _, missing := range []string{"redis:8.10", "helper:1"} {
		t.Run(missing, func(t *testing.T) {
			bench(t)
			program(t, "docker", `case "$1 $*" in
				info*) echo 29.1.0 ;;
				pull*`+missing+`) echo "no such host" >&2; exit 1 ;;
				image*`+missing+`) echo "no such image" >&2; exit 1 ;;
				esac`)
			c, out := chain(t, Options{
				Skip:   []string{LinkPort, LinkNative},
				Images: []string{"helper:1"},
				Container: func(context.Context, Image) (Instance, error) {
					t.Error("a container was made without its image")
					return nil, errors.ErrUnsupported
				},
			})
			s := provide(t, c, Need{Kind: Redis})
			if s[0].Provider != "in-process stand-in" {
				t.Errorf("got %q", s[0].Provider)
			}
			want := "the Docker engine cannot pull " + missing
			if !strings.Contains(out.text(), want) || !strings.Contains(out.text(), "no such host") {
				t.Errorf("said:\n%s\nwant a line with %q and the reason", out.text(), want)
			}
		})
	}
}

// Debian and Ubuntu package the compose plugin apart from Docker.
func TestDockerWithoutCompose(t *testing.T) {
	for _, detached := range []bool{false, true} {
		t.Run(fmt.Sprintf("detached %t", detached), func(t *testing.T) {
			dir := program(t, "docker", `echo "$@" >>"$(dirname "$0")/calls"
				case $1 in
				info) echo 29.1.0 ;;
				compose) echo "docker: unknown command: docker compose" >&2; exit 1 ;;
				esac`)
			c, out := bench(t, LinkPort, LinkNative, LinkInstall)
			inCheckout(t)
			c.site.detached = detached
			// The container is one in name only, and does not come up.
			setTrait(t, Redis, func(tr *trait) { tr.boot = 2 * time.Second })
			s, err := c.Provide(t.Context(), Need{Kind: Redis})
			// Whoever provides it in the end, experiments know it by its name.
			if !detached &&
				(err != nil || s[0].Provider != "in-process stand-in" || s[0].Name != "redis") {
				t.Errorf("got %v, %v", s, err)
			}
			if !strings.Contains(out.text(), "docker has no compose plugin") {
				t.Errorf("said %q", out.text())
			}
			raw, err := os.ReadFile(filepath.Join(dir, "calls"))
			must(t, err)
			ran := strings.Contains(string(raw), "run --detach --name course-lab-")
			removed := strings.Contains(string(raw), "rm --force --volumes course-lab-")
			if ran == detached || ran != removed {
				t.Errorf("a container was made: %t, and removed: %t:\n%s", ran, removed, raw)
			}
			if marks, err := os.ReadDir(filepath.Join(os.Getenv(home.EnvDir), "compose")); err == nil &&
				len(marks) > 0 {
				t.Errorf("%v is left for the next run to stop", marks)
			}
		})
	}
}

// inCheckout works in a checkout that has a compose file.
func inCheckout(t *testing.T) {
	t.Helper()
	root := t.TempDir()
	must(t, os.WriteFile(filepath.Join(root, "go.work"), nil, 0o644),
		os.WriteFile(filepath.Join(root, composeName), nil, 0o644))
	t.Chdir(root)
}

// recorder is a docker that has everything, does nothing and writes down what it was told.
func recorder(t *testing.T) (calls func() string) {
	t.Helper()
	dir := program(t, "docker", `echo "$@" >>"$(dirname "$0")/calls"
		case $1 in info) echo 29.1.0 ;; esac`)
	return func() string {
		raw, err := os.ReadFile(filepath.Join(dir, "calls"))
		must(t, err)
		return string(raw)
	}
}

// A container that stays behind would hold the port that the next provider wants.
func TestComposeServiceThatDoesNotComeUpIsRemoved(t *testing.T) {
	for _, tt := range []struct {
		name, ps string
		removed  bool
	}{
		{"made by this lab", ":", true},
		{"there before", "echo 8f2c", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := program(t, "docker", `echo "$@" >>"$(dirname "$0")/calls"
				case "$*" in
				info*) echo 29.1.0 ;;
				*" ps "*) `+tt.ps+` ;;
				*" up "*)
					printf ' Network course_default  Created\n Container r-1  Starting\n' >&2
					echo "container is unhealthy" >&2; exit 1 ;;
				esac`)
			c, out := bench(t, LinkPort, LinkNative, LinkStandIn, LinkInstall)
			inCheckout(t)
			c.site.detached = true
			if _, err := c.Provide(t.Context(), Need{Kind: Redis}); err == nil {
				t.Fatal("provided a server that did not come up")
			}
			if !strings.Contains(out.text(), ": exit status 1: container is unhealthy") {
				t.Errorf("said %q, want the reason and nothing before it", out.text())
			}
			raw, err := os.ReadFile(filepath.Join(dir, "calls"))
			must(t, err)
			if got := strings.Contains(string(raw), "rm --stop --force redis"); got != tt.removed {
				t.Errorf("removed: %t, want %t:\n%s", got, tt.removed, raw)
			}
		})
	}
}

func TestComposeServiceEndsWithItsLastUser(t *testing.T) {
	c, _ := bench(t)
	inCheckout(t)
	calls := recorder(t)
	// The recorder starts no server: another one answers in its place, once it was told to.
	redis, _ := chain(t, Options{Skip: []string{LinkNative, LinkDocker}})
	setTrait(t, Redis, answersAt(provide(t, redis, Need{Kind: Redis, Private: true})[0].URL))
	first, _ := chain(t, Options{Skip: []string{LinkPort}})
	s := provide(t, first, Need{Kind: Redis})[0]
	if s.Provider != "docker compose" || !s.Owned() {
		t.Fatalf("got %+v", s)
	}
	must(t, s.Restart(t.Context()), s.Kill(t.Context()), s.Start(t.Context()))
	provide(t, c, Need{Kind: Redis}) // finds it answering

	must(t, first.Close(t.Context()))
	if strings.Contains(calls(), " rm ") {
		t.Fatalf("the first run stopped the service under the second:\n%s", calls())
	}
	must(t, c.Close(t.Context()))
	for _, want := range []string{
		"up --detach --wait redis", "stop redis", "kill redis", "rm --stop --force redis",
	} {
		if !strings.Contains(calls(), want) {
			t.Errorf("docker was not told %q:\n%s", want, calls())
		}
	}
}

func TestContainerKeepsItsPortAndIsRemoved(t *testing.T) {
	bench(t)
	calls := recorder(t)
	box := &container{
		name: "course-lab-x-rabbitmq", image: traits[RabbitMQ].container(Need{}, []int{20001, 20002}),
		labels: []string{labelRun + "=x"},
	}
	ctx := t.Context()
	must(t, box.Start(ctx), box.Stop(ctx), box.Start(ctx), box.Kill(ctx), box.Close(ctx))
	want := []string{
		"run --detach --name course-lab-x-rabbitmq --hostname rabbitmq --label course.lab.run=x " +
			"--publish 127.0.0.1:20001:5672 --publish 127.0.0.1:20002:15672 " +
			"--env RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=" + rabbitTick + " rabbitmq:4.3-management",
		"stop -t 30 course-lab-x-rabbitmq",
		"start course-lab-x-rabbitmq",
		"kill course-lab-x-rabbitmq",
		"rm --force --volumes course-lab-x-rabbitmq",
	}
	if got := strings.TrimSpace(calls()); got != strings.Join(want, "\n") {
		t.Errorf("docker was told\n%s\nwant\n%s", got, strings.Join(want, "\n"))
	}
}

func TestInspectStartsNothing(t *testing.T) {
	c, out := bench(t, LinkPort, LinkDocker)
	for _, kind := range Kinds() {
		r, err := c.Inspect(t.Context(), kind)
		must(t, err)
		if len(r.Findings) != 6 || r.Title == "" {
			t.Errorf("%s: report %+v", kind, r)
		}
		if r.Uses == "" && (r.Missing == "" || r.Mend == "") {
			t.Errorf("%s: nothing provides it and nothing mends it: %+v", kind, r)
		}
	}
	t.Setenv("REDIS_URL", "redis://127.0.0.1:1/0")
	r, err := c.Inspect(t.Context(), Redis)
	must(t, err)
	if r.Mend != "unset REDIS_URL" || !strings.Contains(r.Missing, "REDIS_URL is set, but") {
		t.Errorf("a variable that names nothing: %+v", r)
	}
	if out.text() != "" || len(c.started) != 0 {
		t.Errorf("said %q, started %v", out.text(), c.started)
	}
}

func TestClosedChainStartsNothingMore(t *testing.T) {
	c, _ := bench(t, LinkNative, LinkDocker, LinkPort, LinkInstall)
	must(t, c.Close(t.Context()), c.Close(t.Context()))
	if _, err := c.Provide(t.Context(), Need{Kind: Redis}); err == nil {
		t.Error("a closed chain started a server")
	}
}

// A lab that is told to end while a server is coming up must not leave it behind.
func TestCloseEndsAServerThatIsComingUp(t *testing.T) {
	program(t, "redis-server", "echo coming; exec sleep 300")
	c, _ := bench(t, LinkPort, LinkDocker, LinkStandIn, LinkInstall)
	failed := make(chan error, 1)
	go func() {
		_, err := c.Provide(context.Background(), Need{Kind: Redis})
		failed <- err
	}()
	await(t, "the server to be started", func() bool {
		all, err := c.run.List()
		return err == nil && len(all) == 1
	})
	must(t, c.Close(t.Context()))
	if err := <-failed; err == nil {
		t.Error("a server that never comes up was provided")
	}
	if all, err := c.run.List(); err != nil || len(all) != 0 {
		t.Errorf("left running: %+v, %v", all, err)
	}
}

func TestNewestVersionIsTaken(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, v := range []string{"9.6", "15", "14"} {
		must(t, os.MkdirAll(filepath.Join(dir, v), 0o755),
			os.WriteFile(filepath.Join(dir, v, "initdb"), nil, 0o755))
	}
	got, err := lookFor("initdb", filepath.Join(dir, "*", "initdb"))
	if err != nil || got != filepath.Join(dir, "15", "initdb") {
		t.Errorf("took %s, %v", got, err)
	}
	_, err = lookFor("no-such-program", filepath.Join(dir, "*", "no"), "no-such-program")
	if !errors.Is(err, errNotInstalled) {
		t.Errorf("error %v, want errNotInstalled", err)
	}
}

func TestIsolationNamesNeverMeet(t *testing.T) {
	t.Parallel()
	a, b := safeName("Test/Ünïcode; DROP"), safeName("Test/Ünïcode; DROP")
	if a == b {
		t.Errorf("the same name twice: %s", a)
	}
	if strings.ContainsAny(a, `/"'; `) || a != strings.ToLower(a) {
		t.Errorf("%q would have to be quoted", a)
	}
	if long := safeName(strings.Repeat("x", 100)); len(long) > 63 {
		t.Errorf("%d bytes, Postgres keeps 63", len(long))
	}
}

// startHelper starts this test binary again as another process.
func startHelper(t *testing.T, name string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), helperEnv+"="+name)
	cmd.Stderr = os.Stderr
	return cmd
}
