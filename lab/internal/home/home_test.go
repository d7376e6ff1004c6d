//go:build unix

package home_test

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"course.example/lab/internal/home"
)

// TestMain lets the test binary play the lab that is killed: see startOwner.
func TestMain(m *testing.M) {
	if os.Getenv("HOME_TEST_OWNER") != "" {
		if err := playOwner(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

// playOwner opens a run with a child and a temporary folder, and then waits to be killed.
func playOwner() error {
	run, err := home.Open("run 99")
	if err != nil {
		return err
	}
	temp, err := run.MkdirTemp("data")
	if err != nil {
		return err
	}
	orphan := exec.Command("sleep", "300")
	if err := orphan.Start(); err != nil {
		return err
	}
	if err := run.Add(orphan.Process.Pid, "rabbitmq", false); err != nil {
		return err
	}
	// A record whose number lives on as another process: the parent's own, with a wrong start.
	forged := fmt.Sprintf(`{"pid": %d, "start": "1@long-ago", "name": "reused"}`, os.Getppid())
	file := filepath.Join(run.Dir(), "children", fmt.Sprint(os.Getppid())+".json")
	if err := os.WriteFile(file, []byte(forged), 0o600); err != nil {
		return err
	}
	fmt.Println(run.Dir(), temp, orphan.Process.Pid)
	_, err = fmt.Scanln() // until killed, or the test ends and closes the pipe
	return err
}

func TestSweepCleansUpAfterKilledOwnerOnly(t *testing.T) {
	t.Setenv(home.EnvDir, t.TempDir())
	live, err := home.Open("run 07")
	if err != nil {
		t.Fatal(err)
	}
	defer live.Close()

	owner := exec.Command(os.Args[0])
	owner.Env = append(os.Environ(), "HOME_TEST_OWNER=1")
	stdin, err := owner.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	stdout, err := owner.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	owner.Stderr = os.Stderr
	if err := owner.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	var dir, temp string
	var pid int
	if _, err := fmt.Sscan(line, &dir, &temp, &pid); err != nil {
		t.Fatalf("owner said %q: %v", line, err)
	}
	orphan, err := home.Identify(pid)
	if err != nil {
		t.Fatal(err)
	}

	var said []string
	say := func(line string) { said = append(said, line) }
	if err := home.Sweep(say); err != nil {
		t.Fatal(err)
	}
	if len(said) != 0 || !orphan.Alive() {
		t.Fatalf("a sweep touched a living run: said %q, child alive: %v", said, orphan.Alive())
	}

	dying, err := home.Identify(owner.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	if err := owner.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	awaitEnd(t, dying)
	// An owner that nobody has waited for is a zombie, and dead all the same.
	if err := home.Sweep(say); err != nil {
		t.Fatal(err)
	}
	_ = owner.Wait()
	if orphan.Alive() {
		t.Error("the killed run's child still runs")
	}
	for _, gone := range []string{dir, temp} {
		if _, err := os.Stat(gone); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is still there (%v)", gone, err)
		}
	}
	want := fmt.Sprintf("(run 99), which was killed: stopped rabbitmq (pid %d), removed its data", pid)
	if len(said) != 1 || !strings.Contains(said[0], want) {
		t.Errorf("said %q, want one line with %q", said, want)
	}
	if _, err := os.Stat(live.Dir()); err != nil {
		t.Errorf("the living run's folder: %v", err)
	}
}

func awaitEnd(t *testing.T, p home.Process) {
	t.Helper()
	deadline := time.After(10 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for p.Alive() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("process %d does not end", p.Pid)
		}
	}
}

func TestLiveListsRunsWithTheirControlAddress(t *testing.T) {
	t.Setenv(home.EnvDir, t.TempDir())
	run, err := home.Open("run 07")
	if err != nil {
		t.Fatal(err)
	}
	err = run.Update(func(r *home.Record) {
		r.Step, r.Control, r.Token = "07-rabbitmq", "127.0.0.1:4711", "secret"
	})
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(run.Dir(), "lab.json"))
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("lab.json has mode %v, want 0600: it holds the token", info.Mode().Perm())
	}
	live, err := home.Live()
	if err != nil {
		t.Fatal(err)
	}
	if len(live) != 1 || live[0].Control != "127.0.0.1:4711" || live[0].Owner.Pid != os.Getpid() {
		t.Errorf("live runs: %+v", live)
	}
	if err := errors.Join(run.Close(), run.Close()); err != nil {
		t.Errorf("closing twice: %v", err)
	}
	if live, err = home.Live(); err != nil || len(live) != 0 {
		t.Errorf("live after close: %+v, %v", live, err)
	}
}

func TestCloseKillsAndNamesForgottenChildren(t *testing.T) {
	t.Setenv(home.EnvDir, t.TempDir())
	run, err := home.Open("test")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sleep", "300")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go cmd.Wait() //nolint:errcheck // it is killed, and says so
	if err := run.Add(cmd.Process.Pid, "consumer-1", false); err != nil {
		t.Fatal(err)
	}
	err = run.Close()
	if err == nil || !strings.Contains(err.Error(), "consumer-1") {
		t.Errorf("close said %v, want it to name consumer-1", err)
	}
	if _, err := os.Stat(run.Dir()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("run folder still there: %v", err)
	}
}

func TestRunsNeverShareAFolder(t *testing.T) {
	t.Setenv(home.EnvDir, t.TempDir())
	const n = 20
	runs := make([]*home.Run, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			run, err := home.Open("test")
			if err != nil {
				t.Error(err)
				return
			}
			runs[i] = run
			if err := home.Sweep(func(l string) { t.Errorf("swept a living run: %s", l) }); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	seen := map[string]bool{}
	for _, r := range runs {
		if r == nil || seen[r.Dir()] {
			t.Fatal("two runs in one folder")
		}
		seen[r.Dir()] = true
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestDirOutsideOfACheckoutIsTheUsersOwn(t *testing.T) {
	t.Setenv(home.EnvDir, "")
	t.Setenv("TMPDIR", t.TempDir())
	t.Chdir(t.TempDir())
	if _, err := home.Root(); !errors.Is(err, home.ErrNoCheckout) {
		t.Errorf("root: %v, want ErrNoCheckout", err)
	}
	dir, err := home.Dir()
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(dir)
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%s: %v, %v; want mode 0700", dir, info, err)
	}
}

func TestDirInACheckoutIsAtItsRoot(t *testing.T) {
	t.Setenv(home.EnvDir, "")
	root := t.TempDir()
	inner := filepath.Join(root, "07-rabbitmq", "producer")
	if err := os.MkdirAll(inner, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "go.work"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	t.Chdir(inner)
	dir, err := home.Dir()
	if err != nil {
		t.Fatal(err)
	}
	if real, _ := filepath.EvalSymlinks(root); dir != filepath.Join(root, ".lab") &&
		dir != filepath.Join(real, ".lab") {
		t.Errorf("state folder %s, want it in %s", dir, root)
	}
}
