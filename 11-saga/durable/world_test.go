package durable

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	saga "course.example/11-saga"
	"course.example/lab/services/servicestest"
	"course.example/shop"
	"github.com/dbos-inc/dbos-transact-golang/dbos"
)

// A test binary that is started with a ROLE is a worker. It is how a test kills one with -9.
func TestMain(m *testing.M) {
	if role := os.Getenv("ROLE"); role != "" {
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
		defer stop()
		s, err := ReadSettings(role, nil)
		if err == nil {
			err = RunWorker(ctx, s)
		}
		if err != nil {
			slog.Error("cannot go on", "error", err)
			os.Exit(1)
		}
		return
	}
	slog.SetDefault(slog.New(slog.NewTextHandler(io.Discard, nil)))
	servicestest.Main(m)
}

// world is a shop of its own: a database, and a website within the test.
type world struct {
	Settings
	t      testing.TB
	site   *Website
	before saga.Books // at the begin of the scene
}

// in is the world in a scene of its own.
func (w *world) in(t testing.TB, variant string) *world {
	t.Helper()
	scene := *w
	scene.t, scene.Variant = t, variant
	scene.before = scene.books()
	return &scene
}

func newWorld(t testing.TB) *world {
	t.Helper()
	s := DefaultSettings()
	s.DatabaseURL = servicestest.Postgres(t)
	site, err := OpenWebsite(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := site.Close(); err != nil {
			t.Error("website:", err)
		}
	})
	return &world{Settings: s, t: t, site: site}
}

// start runs a worker within the test until it is stopped.
func (w *world) start(s Settings) (stop func()) {
	w.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := RunWorker(ctx, s); err != nil {
			w.t.Error(s.Executor+":", err)
		}
	}()
	stop = func() { cancel(); <-ended }
	w.t.Cleanup(stop)
	return stop
}

// killedAt runs a worker as a process of its own, until it has killed itself at that point: one
// that ends for another reason proves nothing.
func (w *world) killedAt(point string) {
	w.t.Helper()
	log := new(bytes.Buffer)
	cmd := exec.Command(os.Args[0])
	cmd.Stderr = log
	cmd.Env = append(os.Environ(), "ROLE=worker", "DATABASE_URL="+w.DatabaseURL,
		"VARIANT="+w.Variant, "RELEASE="+strconv.Itoa(w.Release), "EXECUTOR="+w.Executor,
		"CRASH_AT="+point+":1")
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case err := <-ended:
		if err == nil || !strings.Contains(log.String(), "at="+point+" ") {
			w.t.Fatalf("%s: it ended with %v and has said\n%s", point, err, log)
		}
	case <-time.After(patience):
		if err := cmd.Process.Kill(); err != nil {
			w.t.Error(err)
		}
		w.t.Fatalf("%s was never reached; it ended with %v and has said\n%s", point, <-ended, log)
	}
}

const patience = 60 * time.Second

const (
	ada     = "ada@example.com"
	nowhere = "d@" + saga.NowhereDomain
	closed  = "e@" + saga.ClosedDomain
)

func (w *world) place(email string) (id string) {
	w.t.Helper()
	order, err := shop.NewOrder(email, shop.SampleItems()...)
	if err == nil {
		err = w.site.Place(w.t.Context(), order)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	return order.ID
}

func (w *world) status(id string) Status {
	w.t.Helper()
	s, err := w.site.Status(w.t.Context(), id)
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

// workflow is what the engine knows of the saga of an order.
func (w *world) workflow(id string) dbos.WorkflowStatus {
	w.t.Helper()
	all, err := dbos.ListWorkflows(w.site.engine, dbos.WithFilterWorkflowIDs(id),
		dbos.WithFilterLoadOutput(true))
	if err != nil || len(all) != 1 {
		w.t.Fatalf("%d sagas of order %s, %v", len(all), id, err)
	}
	return all[0]
}

// reaches waits until an order is in a state. A saga that the engine has given up never is.
func (w *world) reaches(id string, state saga.State) {
	w.t.Helper()
	eventually(w.t, "the order is "+string(state), func() bool {
		if now := w.workflow(id); now.Status == dbos.WorkflowStatusError {
			w.t.Fatalf("the saga was given up: %v", now.Error)
		}
		return w.status(id).State == state
	})
}

// did says whether a step of an order is recorded.
func (w *world) did(id, step string) bool {
	w.t.Helper()
	for _, d := range w.status(id).Steps {
		if d.Step == step {
			return true
		}
	}
	return false
}

// books are those of step 11: money and stock, over all services.
func (w *world) books() (b saga.Books) {
	w.t.Helper()
	var text bytes.Buffer
	err := saga.Audit(w.t.Context(), w.Settings.Settings, &text)
	if err == nil {
		err = json.Unmarshal(text.Bytes(), &b)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	return b
}

// booked fails unless so many more orders were processed and failed, and the books balance.
func (w *world) booked(processed, failed int) {
	w.t.Helper()
	was, is := w.before, w.books()
	p, f := *is.Processed-*was.Processed, *is.Failed-*was.Failed
	if is.Violations > was.Violations || is.Lost > was.Lost || p != processed || f != failed {
		w.t.Errorf("%d processed, %d failed, %+v: want %d and %d, and nothing else",
			p, f, is, processed, failed)
	}
}

func eventually(t testing.TB, what string, is func() bool) {
	t.Helper()
	late := time.NewTimer(patience)
	defer late.Stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !is() {
		select {
		case <-tick.C:
		case <-late.C:
			t.Fatalf("not within %s: %s", patience, what)
		}
	}
}
