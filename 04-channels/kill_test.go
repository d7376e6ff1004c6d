package channels

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"course.example/lab/labtest"
)

// kill -9 loses exactly what was queued and in progress: at the moment of the kill,
// accepted less processed is lost. Nothing of it comes back with the next start.
func TestKillLosesWhatWasQueuedAndInHand(t *testing.T) {
	t.Parallel()
	program := build(t)

	// Work that does not end keeps the moment of the kill still, so that the
	// shop's own figures can be compared with the log.
	t.Run("standing still", func(t *testing.T) {
		t.Parallel()
		p := startShop(t, program, "-queue", "64", "-workers", "2", "-work", "1h")
		p.order(20)
		p.await("two orders in progress", func() bool { return p.ledger.Summary().Deliveries == 2 })
		depth, inProgress := p.health()
		p.kill()
		got := p.ledger.Summary()
		if depth != 18 || inProgress != 2 || got.Open != depth+inProgress {
			t.Errorf("%d in the queue and %d in progress: %v", depth, inProgress, got)
		}
	})

	// In full flow the log alone knows the moment.
	t.Run("in full flow", func(t *testing.T) {
		t.Parallel()
		const queue, workers = 64, 2
		// Three seconds of work: enough of it is left when a busy machine kills late.
		p := startShop(t, program, "-queue", "64", "-workers", "2", "-work", "100ms")
		p.order(64)
		p.await("some are done", func() bool { return p.ledger.Summary().Processed >= 10 })
		p.kill()
		got := p.ledger.Summary()
		inProgress := got.Deliveries - got.Processed
		t.Logf("%v, in progress %d", got, inProgress)
		if got.Open == 0 || got.Open > queue+workers || inProgress > workers || got.Failed > 0 {
			t.Errorf("%v, in progress %d", got, inProgress)
		}

		// The next process knows nothing of them.
		next := startShop(t, program, "-work", "0s")
		if depth, inProgress := next.health(); depth != 0 || inProgress != 0 {
			t.Errorf("begins with %d in the queue and %d in progress", depth, inProgress)
		}
		next.order(1)
		next.await("its own order", func() bool { return next.ledger.Summary().Processed == 1 })
		next.kill()
		if got := next.ledger.Summary(); got.Accepted != 1 || got.Deliveries != 1 || got.Ghosts > 0 {
			t.Errorf("lost orders came back: %v", got)
		}
	})
}

func build(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "shop")
	if runtime.GOOS == "windows" {
		program += ".exe"
	}
	cmd := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false",
		"-o", program, "./shop")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build the shop: %v\n%s", err, out)
	}
	return program
}

// process is a running shop and all that it has logged.
type process struct {
	t    *testing.T
	cmd  *exec.Cmd
	read chan struct{} // closed when its log has been read to the end

	ledger labtest.Ledger

	mu  sync.Mutex
	url string
}

func startShop(t *testing.T, program string, args ...string) *process {
	t.Helper()
	p := &process{t: t, read: make(chan struct{})}
	p.cmd = exec.Command(program, append(args, "-addr", "127.0.0.1:0")...)
	p.cmd.Env = append(os.Environ(), "LOG_FORMAT=json", "LOG_LEVEL=info", "VARIANT=")
	log, err := p.cmd.StdoutPipe()
	if err == nil {
		err = p.cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.kill)
	go p.readLog(log)
	p.await("it listens", func() bool { p.mu.Lock(); defer p.mu.Unlock(); return p.url != "" })
	return p
}

func (p *process) readLog(log io.Reader) {
	defer close(p.read)
	scan := bufio.NewScanner(log)
	for scan.Scan() {
		p.ledger.Line(scan.Bytes())
		var line struct{ URL string }
		if json.Unmarshal(scan.Bytes(), &line) != nil || line.URL == "" {
			continue // cut off by the kill, or of an order
		}
		p.mu.Lock()
		p.url = line.URL
		p.mu.Unlock()
	}
}

// kill sends SIGKILL and reads what was logged before it. Again, it does nothing.
func (p *process) kill() {
	if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.t.Error(err)
	}
	<-p.read
	_ = p.cmd.Wait() // that it was killed, or has been waited for
}

func (p *process) order(n int) {
	p.t.Helper()
	status, _ := p.ask(http.MethodPost, "/orders?count="+strconv.Itoa(n))
	if status != http.StatusAccepted {
		p.t.Fatalf("%d orders were answered with %d", n, status)
	}
}

func (p *process) health() (depth, inProgress int) {
	p.t.Helper()
	_, body := p.ask(http.MethodGet, "/healthz")
	var health struct {
		Details struct {
			Depth      int
			InProgress int `json:"in_progress"`
		}
	}
	if err := json.Unmarshal(body, &health); err != nil {
		p.t.Fatal(err)
	}
	return health.Details.Depth, health.Details.InProgress
}

func (p *process) ask(method, path string) (status int, body []byte) {
	p.t.Helper()
	p.mu.Lock()
	url := p.url
	p.mu.Unlock()
	r, err := http.NewRequestWithContext(p.t.Context(), method, url+path, strings.NewReader(""))
	if err != nil {
		p.t.Fatal(err)
	}
	// A transport of its own: no connection is left for the next test.
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(r)
	if err != nil {
		p.t.Fatal(err)
	}
	body, err = io.ReadAll(resp.Body)
	if err := errors.Join(err, resp.Body.Close()); err != nil {
		p.t.Fatal(err)
	}
	return resp.StatusCode, body
}

func (p *process) await(what string, holds func() bool) {
	p.t.Helper()
	limit := time.After(30 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-limit:
			p.t.Fatalf("not within 30 s: %s", what)
		case <-tick.C:
		}
	}
}
