//go:build unix

package services

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"course.example/lab/internal/home"
)

// upPort tells the helper where the test wants the "usual" port to be.
const upPort = "SERVICES_TEST_UP_PORT"

// helpUp plays `lab up`, which ends while its server goes on.
func helpUp() error {
	port, err := strconv.Atoi(os.Getenv(upPort))
	if err != nil {
		return err
	}
	tr := traits[Postgres]
	tr.ports = []int{port}
	traits[Postgres] = tr
	_, err = Up(context.Background(), []Kind{Postgres}, Options{
		Skip: []string{LinkDocker}, Say: func(l string) { fmt.Fprintln(os.Stderr, l) },
	})
	return err
}

func TestUpOutlivesTheLabUntilDown(t *testing.T) {
	t.Setenv(home.EnvDir, t.TempDir())
	port := useFreePorts(t, Postgres)[0]
	t.Setenv(upPort, strconv.Itoa(port))
	defer func() { must(t, Down(t.Context(), func(string) {})) }()
	for range 2 { // the second time it is there already, and that is fine
		lab := startHelper(t, "up")
		must(t, lab.Run())
	}
	if _, err := postgresHandshake(t.Context(), traits[Postgres].usual()); err != nil {
		t.Fatalf("it does not outlive the lab: %v", err)
	}
	up, err := Status()
	must(t, err)
	if len(up) != 1 || up[0].Name != "postgres" || !up[0].Running {
		t.Errorf("status %+v", up)
	}
	out := new(said)
	must(t, Sweep(t.Context(), out.say))
	if out.text() != "" {
		t.Errorf("a sweep touched it: %s", out.text())
	}

	must(t, Down(t.Context(), out.say))
	if !strings.HasPrefix(out.text(), "stopped postgres (pid ") {
		t.Errorf("said %q", out.text())
	}
	if _, err := postgresHandshake(t.Context(), traits[Postgres].usual()); err == nil {
		t.Error("it still answers after down")
	}
	if up, err = Status(); err != nil || len(up) != 0 {
		t.Errorf("status after down: %+v, %v", up, err)
	}
}

// What is left running is for every step, and so for those that must not lose anything.
func TestUpIsDurable(t *testing.T) {
	t.Setenv(home.EnvDir, t.TempDir())
	useFreePorts(t, Redis)
	quiet := func(string) {}
	defer func() { must(t, Down(context.WithoutCancel(t.Context()), quiet)) }()
	all, err := Up(t.Context(), []Kind{Redis}, Options{Skip: []string{LinkDocker}})
	must(t, err)
	must(t, redisKeeps(t.Context(), all[0].address()))
	// A step that asks for a durable one finds it.
	c, out := chain(t, Options{Skip: []string{LinkDocker}})
	s := provide(t, c, Need{Kind: Redis, Durable: true})[0]
	if s.URL != all[0].URL || strings.Contains(out.text(), "may lose") {
		t.Errorf("got %s, want %s; said %q", s.URL, all[0].URL, out.text())
	}
}

// What somebody has started by hand with the same compose file is not the lab's to stop.
func TestDownStopsOnlyWhatUpHasStarted(t *testing.T) {
	for _, alone := range []bool{true, false} {
		t.Run(fmt.Sprintf("alone %t", alone), func(t *testing.T) {
			t.Setenv(home.EnvDir, t.TempDir())
			inCheckout(t)
			dir := program(t, "docker", `echo "$@" >>"$(dirname "$0")/calls"
				case "$*" in *" ps "*) `+map[bool]string{true: ":", false: "echo 8f2c"}[alone]+` ;; esac`)
			run, err := home.OpenUp()
			must(t, err)
			must(t, run.Update(func(r *home.Record) { r.Extra[claimPrefix+"redis"] = "up" }))
			out := new(said)
			must(t, Down(t.Context(), out.say))
			raw, err := os.ReadFile(filepath.Join(dir, "calls"))
			must(t, err)
			calls := string(raw)
			if !strings.Contains(calls, "rm --stop --force redis") ||
				strings.Contains(calls, " down") != alone {
				t.Errorf("docker was told:\n%s", calls)
			}
			if out.text() != "stopped by docker compose: redis" {
				t.Errorf("said %q", out.text())
			}
		})
	}
}

func TestUpSaysWhenThePortIsTaken(t *testing.T) {
	t.Setenv(home.EnvDir, t.TempDir())
	addr := silent(t)
	port, err := strconv.Atoi(addr[strings.LastIndex(addr, ":")+1:])
	must(t, err)
	setTrait(t, Postgres, func(tr *trait) {
		tr.ports = []int{port}
	})
	out := new(said)
	_, err = Up(t.Context(), []Kind{Postgres}, Options{Skip: []string{LinkDocker}, Say: out.say})
	want := fmt.Sprintf("port %d is taken by something else", port)
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("error %v, want %q", err, want)
	}
	must(t, Down(t.Context(), out.say))
}
