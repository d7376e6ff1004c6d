//go:build unix

package services

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// fakeApt writes down what it was told and whether a service could have started meanwhile.
func fakeApt(t *testing.T, policy, script string) (calls func() string) {
	t.Helper()
	t.Setenv("TEST_POLICY", policy)
	dir := program(t, "apt-get", `dir=$(dirname "$0")
		for last; do :; done
		case " $* " in *" update "*) verb=update ;; *) verb="install $last" ;; esac
		state=$("$TEST_POLICY" 2>/dev/null; echo $?)
		echo "$verb policy=$state frontend=$DEBIAN_FRONTEND" >>"$dir/calls"
		case " $* " in *" install "*)
			case " $* " in *" --no-install-recommends "*) ;; *) echo no flag; exit 9 ;; esac ;;
		esac
		`+script)
	return func() string {
		raw, err := os.ReadFile(filepath.Join(dir, "calls"))
		if errors.Is(err, os.ErrNotExist) {
			return ""
		}
		must(t, err)
		return strings.TrimSpace(string(raw))
	}
}

const (
	installCall = "install redis-server policy=101 frontend=noninteractive"
	updateCall  = "update policy=101 frontend=noninteractive"
)

func TestAptInstallsWithoutStartingServices(t *testing.T) {
	tests := []struct {
		name, script string
		existing     string // policy-rc.d before
		kept         bool   // and after
		wantErr      string
		wantCalls    []string
	}{
		{name: "at once", script: "exit 0", wantCalls: []string{installCall}},
		{
			name:      "old lists",
			script:    `case $verb in update) touch "$dir/new" ;; *) [ -e "$dir/new" ] ;; esac`,
			wantCalls: []string{installCall, updateCall, installCall},
		},
		{
			name: "fails", script: `echo "E: Unable to locate package" >&2; exit 100`,
			wantErr:   "E: Unable to locate package",
			wantCalls: []string{installCall, updateCall},
		},
		{
			name: "policy of somebody else's", script: "exit 0", kept: true,
			existing:  "#!/bin/sh\nexit 101\n",
			wantCalls: []string{installCall},
		},
		{
			name: "policy of a killed lab", script: "exit 0",
			existing: "#!/bin/sh\n# Written by the course lab for the time of one installation.\n" +
				"exit 101\n",
			wantCalls: []string{installCall},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv("TMPDIR", t.TempDir()) // no other lab's installation is to be waited for
			policy := filepath.Join(t.TempDir(), "policy-rc.d")
			if tt.existing != "" {
				must(t, os.WriteFile(policy, []byte(tt.existing), 0o755))
			}
			calls := fakeApt(t, policy, tt.script)
			in := installer{manager: "apt-get", policy: policy}
			err := in.install(t.Context(), "redis-server", func() bool { return false })
			switch {
			case tt.wantErr == "" && err != nil:
				t.Errorf("error %v", err)
			case tt.wantErr != "" && (err == nil || !strings.Contains(err.Error(), tt.wantErr)):
				t.Errorf("error %v, want %q", err, tt.wantErr)
			}
			if got := calls(); got != strings.Join(tt.wantCalls, "\n") {
				t.Errorf("apt-get was told\n%s\nwant\n%s", got, strings.Join(tt.wantCalls, "\n"))
			}
			if _, err := os.Stat(policy); tt.kept != (err == nil) {
				t.Errorf("policy-rc.d kept: %v, want %v", err == nil, tt.kept)
			}
		})
	}
}

func TestSecondLabDoesNotInstallWhatTheFirstHas(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	policy := filepath.Join(t.TempDir(), "policy-rc.d")
	calls := fakeApt(t, policy, "exit 0")
	in := installer{manager: "apt-get", policy: policy}
	must(t, in.install(t.Context(), "redis-server", func() bool { return true }))
	if calls() != "" {
		t.Errorf("apt-get was told %s", calls())
	}
}

func TestInstallIsAskedForAndCanBeDeclined(t *testing.T) {
	dir := program(t, "redis-server-is-not-this-one", "exit 1")
	hideRedis(t, dir)
	calls := fakeApt(t, filepath.Join(dir, "policy"), "exit 0")
	_, _ = bench(t)
	var asked []string
	c, _ := chain(t, Options{
		Skip: []string{LinkPort, LinkDocker, LinkStandIn},
		Ask:  func(q string) bool { asked = append(asked, q); return false },
	})
	_, err := c.Provide(t.Context(), Need{Kind: Redis})
	if err == nil || !strings.Contains(err.Error(), "installing it was declined") {
		t.Errorf("error %v, want that it was declined", err)
	}
	want := "install the package redis-server with apt-get?"
	if len(asked) != 1 || !strings.Contains(asked[0], want) {
		t.Errorf("asked %q, want one question with %q", asked, want)
	}
	if calls() != "" {
		t.Errorf("installed all the same: %s", calls())
	}
}

func TestInstalledServerIsStartedPrivately(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Log("not root: the fake apt-get runs by sudo, or the chain says why it cannot")
	}
	real, err := exec.LookPath("redis-server")
	if err != nil {
		real = "" // then the fake one does not come up, which must be said
	}
	bin := t.TempDir()
	hideRedis(t, bin)
	t.Setenv("TMPDIR", t.TempDir())
	calls := fakeApt(t, "/usr/sbin/policy-rc.d", `ln -s "`+real+`" "`+bin+`/redis-server"`)
	c, out := bench(t, LinkPort, LinkDocker, LinkStandIn)
	setTrait(t, Redis, func(tr *trait) { tr.boot = 10 * time.Second })
	s, err := c.Provide(t.Context(), Need{Kind: Redis})
	if !strings.Contains(out.text(), "installing redis-server with apt-get") {
		t.Errorf("said:\n%s\nwant what is installed, and why", out.text())
	}
	if !strings.HasPrefix(calls(), "install redis-server") {
		t.Errorf("apt-get was told %q", calls())
	}
	if real == "" {
		if err == nil {
			t.Error("a server came up that is not there")
		}
		return
	}
	must(t, err)
	if s[0].Provider != "native, private" {
		t.Errorf("provider %q", s[0].Provider)
	}
}

// hideRedis leaves on the PATH what scripts need, and no Redis.
func hideRedis(t *testing.T, first string) {
	t.Helper()
	bin := t.TempDir()
	for _, tool := range []string{
		"sh", "ls", "rm", "ln", "cat", "chmod", "grep", "tail", "touch", "dirname", "timeout", "true",
		"sudo", "sleep", "printf",
	} {
		if path, err := exec.LookPath(tool); err == nil {
			must(t, os.Symlink(path, filepath.Join(bin, tool)))
		}
	}
	t.Setenv("PATH", first+string(os.PathListSeparator)+bin)
}
