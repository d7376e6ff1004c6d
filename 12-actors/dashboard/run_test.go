package dashboard_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// The whole of it, as a student sees it: the lab runs the cluster, the page shows its three silos,
// a button kills one, and another one brings one in.
func TestPageOfARun(t *testing.T) {
	run := startRun(t)
	ctx := browse(t, run.url(t))
	up := `[...document.querySelectorAll('.silo[data-state=up]')].map((s) => s.dataset.silo).join()`
	holds(t, ctx, up+" === 'silo-1,silo-2,silo-3'")
	holds(t, ctx, `document.querySelectorAll('.grain.named').length >= 3`) // the stocks
	holds(t, ctx, `document.querySelectorAll('.silo .grain').length >= 12`)
	if file := os.Getenv("SCREENSHOT"); file != "" { // of the step's page
		picture, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, picture, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	press(t, ctx, `.silo[data-silo=silo-2] .kill`)
	holds(t, ctx, up+" === 'silo-1,silo-3'")
	run.said(t, "▶ kill silo-2")
	press(t, ctx, "#add")
	holds(t, ctx, up+" === 'silo-1,silo-2,silo-3'")
	run.said(t, "▶ scale silo +1")
	holds(t, ctx, `document.querySelector('#audit.wrong') === null`)
}

// labRun is a run of the step under the lab.
type labRun struct {
	mu    sync.Mutex
	lines []string
}

// startRun builds the lab and runs the step. The run has a state folder of its own, so that it is
// the one that is told to quit at the end.
func startRun(t *testing.T) *labRun {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	lab := filepath.Join(dir, "lab.exe") // the ending is for Windows, and does no harm elsewhere
	command := func(ctx context.Context, name string, args ...string) *exec.Cmd {
		cmd := exec.CommandContext(ctx, name, args...)
		cmd.Dir = root
		cmd.Env = append(os.Environ(), "GOWORK=off", "LAB_DIR="+filepath.Join(dir, "state"))
		return cmd
	}
	build := command(t.Context(), "go", "build", "-C", "lab", "-buildvcs=false", "-o", lab, ".")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the lab: %v\n%s", err, out)
	}
	run := new(labRun)
	cmd := command(context.WithoutCancel(t.Context()), lab, "run", "12", "-for", "5m")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	read := make(chan struct{})
	go func() {
		defer close(read)
		for scan := bufio.NewScanner(out); scan.Scan(); {
			run.mu.Lock()
			run.lines = append(run.lines, scan.Text())
			run.mu.Unlock()
		}
	}()
	t.Cleanup(func() {
		quit := command(context.WithoutCancel(t.Context()), lab, "do", "quit")
		if out, err := quit.CombinedOutput(); err != nil {
			t.Errorf("end the run: %v\n%s", err, errors.Join(
				errors.New(string(out)), cmd.Process.Signal(os.Interrupt)))
		}
		<-read
		if err := cmd.Wait(); err != nil {
			t.Errorf("the run: %v\n%s", err, &complaints)
		}
		if t.Failed() {
			t.Logf("the run:\n%s", run.text())
		}
	})
	return run
}

func (r *labRun) text() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Join(r.lines, "\n")
}

// said waits until the run has printed a line with that text, and returns what it has printed.
func (r *labRun) said(t *testing.T, text string) string {
	t.Helper()
	limit := time.After(8 * time.Minute) // it may have to compile first
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !strings.Contains(r.text(), text) {
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("the run did not say %q", text)
		}
	}
	return r.text()
}

// url is where the run's web app serves.
func (r *labRun) url(t *testing.T) string {
	t.Helper()
	found := regexp.MustCompile(`(?m)^ *web +×1 +(http://\S+)`).FindStringSubmatch(
		r.said(t, "Type in another terminal"))
	if found == nil {
		t.Fatal("the run does not say where the web app is")
	}
	return found[1]
}
