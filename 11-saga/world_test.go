package saga

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"course.example/lab/services/servicestest"
	"course.example/shop"
	"github.com/jackc/pgx/v5/pgxpool"
)

// A test binary that is started with a ROLE is that program. It is how a test
// kills one of them with -9.
func TestMain(m *testing.M) {
	if role := os.Getenv("ROLE"); role != "" {
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
		defer stop()
		s, err := ReadSettings(role, nil)
		if err == nil {
			err = programs[role](ctx, s)
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

var programs = map[string]func(context.Context, Settings) error{
	"website":      RunWebsite,
	"orchestrator": RunOrchestrator,
	"payment":      serving(Payment),
	"inventory":    serving(Inventory),
	"shipping":     serving(Shipping),
}

func serving(b func() Business) func(context.Context, Settings) error {
	return func(ctx context.Context, s Settings) error { return RunService(ctx, s, b()) }
}

// world is a shop of its own: a vhost, a database, and programs.
type world struct {
	Settings
	t    testing.TB
	pool *pgxpool.Pool
	site *Website // for placing and reading without HTTP
}

func newWorld(t testing.TB, variant string) *world {
	t.Helper()
	return worldAt(t, testSettings(t), variant)
}

func testSettings(t testing.TB) Settings {
	t.Helper()
	s := DefaultSettings()
	s.AMQPURL, s.DatabaseURL = servicestest.RabbitMQ(t).URL, servicestest.Postgres(t)
	s.Workers = 3
	return s
}

func worldAt(t testing.TB, s Settings, variant string) *world {
	t.Helper()
	s.Variant, s.Addr = variant, "127.0.0.1:0"
	site, err := newWebsite(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{Settings: s, t: t, pool: site.pool, site: site}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- site.run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error("website:", err)
		}
	})
	return w
}

// start runs programs within the test until it, or they, are stopped.
func (w *world) start(roles ...string) (stop func()) {
	w.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var group sync.WaitGroup
	for _, role := range roles {
		group.Go(func() {
			if err := programs[role](ctx, w.Settings); err != nil {
				w.t.Error(role+":", err)
			}
		})
	}
	stop = func() { cancel(); group.Wait() }
	w.t.Cleanup(stop)
	return stop
}

var everybody = []string{"orchestrator", "payment", "inventory", "shipping"}

func (w *world) others(role string) []string {
	var others []string
	for _, r := range everybody {
		if r != role && (r != "orchestrator" || w.Variant != "choreography") {
			others = append(others, r)
		}
	}
	return others
}

// child is a program as a process of its own, and what it has logged: to be read
// after it has ended.
type child struct {
	*exec.Cmd
	log *bytes.Buffer
}

// child starts a program as a process of its own.
func (w *world) child(role string, env ...string) child {
	w.t.Helper()
	cmd := child{exec.Command(os.Args[0]), new(bytes.Buffer)}
	cmd.Stderr = cmd.log
	cmd.Env = append(os.Environ(), "ROLE="+role, "AMQP_URL="+w.AMQPURL,
		"DATABASE_URL="+w.DatabaseURL, "VARIANT="+w.Variant, "ADDR=127.0.0.1:0",
		"STEP_TIMEOUT="+w.StepTimeout.String(),
		fmt.Sprint("ATTEMPTS=", w.Attempts), fmt.Sprint("WORKERS=", w.Workers))
	cmd.Env = append(cmd.Env, env...)
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	return cmd
}

// killedAtPoint waits until the child has killed itself, at that point: one that has
// ended for another reason proves nothing.
func killedAtPoint(t *testing.T, cmd child, point string) {
	t.Helper()
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case err := <-ended:
		if err == nil || !strings.Contains(cmd.log.String(), "at="+point+" ") {
			t.Errorf("%s: it ended with %v and has said\n%s", point, err, cmd.log)
		}
	case <-time.After(patience):
		if err := cmd.Process.Kill(); err != nil {
			t.Error(err)
		}
		t.Errorf("%s was never reached; it ended with %v and has said\n%s",
			point, <-ended, cmd.log)
	}
}

const patience = 60 * time.Second

var clients = []string{"ada@example.com", "b@" + DeclinedDomain, "c@" + SoldOutDomain,
	"d@" + NowhereDomain}

func newOrder(t testing.TB, email string) shop.Order {
	t.Helper()
	order, err := shop.NewOrder(email, shop.SampleItems()...)
	if err != nil {
		t.Fatal(err)
	}
	return order
}

func (w *world) place(emails ...string) []string {
	w.t.Helper()
	var ids []string
	for _, email := range emails {
		order := newOrder(w.t, email)
		if err := w.site.Place(w.t.Context(), order); err != nil {
			w.t.Fatal(err)
		}
		ids = append(ids, order.ID)
	}
	return ids
}

func (w *world) audit() Account {
	w.t.Helper()
	a, err := newAuditor(w.pool, w.Retention).look(w.t.Context())
	if err != nil {
		w.t.Log(err) // the database may be away
		return Account{Open: -1}
	}
	return a
}

// settled waits until no saga is open and checks the books all the while.
func (w *world) settled() Account {
	w.t.Helper()
	var a Account
	defer func() {
		if w.t.Failed() {
			w.t.Logf("%+v", a)
		}
	}()
	eventually(w.t, "all sagas have ended", func() bool {
		a = w.audit()
		if a.Violations() > 0 {
			w.t.Fatalf("the books do not balance: %+v", a)
		}
		return a.Open == 0 && a.Orders > 0
	})
	return a
}

func connected(t testing.TB, b *bus) {
	t.Helper()
	eventually(t, "connected", func() bool { return b.publish(t.Context(), nil) == nil })
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
