package servicestest

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"course.example/lab/internal/child"
	"course.example/lab/services"
)

// Shop is a step's programs, whose server falls ill.
type Shop struct {
	Door   string          // package of the program that takes orders: "./producer"
	Others []string        // the packages of the other programs
	Env    []string        // of all of them, besides the addresses of servers
	Also   []services.Kind // servers that they need and that stay well

	// Queue is where the orders wait at the broker: it is what gets full and loses its leader.
	Queue string
	// Keeps says that orders are taken while the server is ill, and kept until it is well.
	Keeps bool
	// Publishes says that the others cannot finish an order without publishing something.
	Publishes bool
	// GivesUp says that an order that had to wait for long may fail in the end.
	GivesUp bool

	// AnswersWithin bounds every answer of the door, EndsWithin how long a program goes on after
	// SIGTERM. The step's page says them. The defaults are 12 s and 20 s.
	AnswersWithin, EndsWithin time.Duration
}

const (
	answersWithin = 12 * time.Second
	endsWithin    = 20 * time.Second
	// healthWithin bounds an answer about one's health.
	healthWithin = 6 * time.Second
	// sickPatience bounds how long it may take until everything goes on, after the cure.
	sickPatience = time.Minute
)

// illness is what can ail a server that is there.
type illness struct {
	name string
	fall func(t *testing.T, w *ward)
	cure func(t *testing.T, w *ward)

	own      bool // it befalls the whole server, which must be the test's own
	consumes bool // who only consumes can go on
	full     bool // because of too many orders
	flickers bool // now and then the server is well
	long     bool // see [tried]
}

// tried are the illnesses that are tried. Those that take long, or a server of their own, are left
// out of `make test`: `make soak` tries all, and so does who asks for them by -run.
func tried(all []illness) []illness {
	asked := flag.Lookup("test.run").Value.String()
	if os.Getenv("LAB_LONG") == "yes" || strings.Contains(asked, "Sick") {
		return all
	}
	return slices.DeleteFunc(slices.Clone(all), func(i illness) bool { return i.long || i.own })
}

// ofBrokers are what can happen to brokers.
var ofBrokers = []illness{
	{name: "memory alarm", own: true, consumes: true,
		fall: control("set_vm_memory_high_watermark", "0"),
		cure: control("set_vm_memory_high_watermark", "0.4")},
	{name: "disk alarm", own: true, consumes: true,
		fall: control("set_disk_free_limit", "999999GB"),
		cure: control("set_disk_free_limit", "50MB")},
	{name: "no leader", own: true,
		fall: leader("ra:stop_server"), cure: leader("ra:restart_server")},
	{name: "restarts in a loop", own: true, flickers: true,
		fall: restart, cure: getWell},
	{name: "full queue", consumes: true, full: true,
		fall: func(t *testing.T, w *ward) {
			w.manage(t, http.MethodPut, "policies", "full", map[string]any{
				"pattern": "^" + w.shop.Queue + "$", "apply-to": "queues",
				"definition": map[string]any{"max-length": 5, "overflow": "reject-publish"},
			})
		},
		cure: func(t *testing.T, w *ward) { w.manage(t, http.MethodDelete, "policies", "full", nil) }},
	{name: "silent", fall: silence, cure: speak},
	{name: "no rights", long: true,
		fall: func(t *testing.T, w *ward) { w.grant(t, ""); w.wire.Cut() },
		cure: func(t *testing.T, w *ward) { w.grant(t, ".*") }},
	{name: "no vhost", long: true,
		fall: func(t *testing.T, w *ward) { w.manage(t, http.MethodDelete, "vhosts", "", nil) },
		cure: func(t *testing.T, w *ward) {
			w.manage(t, http.MethodPut, "vhosts", "", map[string]any{})
			w.grant(t, ".*")
		}},
}

// ofDatabases are what can happen to databases.
var ofDatabases = []illness{
	{name: "silent", fall: silence, cure: speak},
	{name: "read-only", long: true,
		fall: func(t *testing.T, w *ward) {
			sql(t, w.server.URL, `ALTER DATABASE "`+w.name+`" SET default_transaction_read_only = on`)
			w.wire.Cut()
		},
		cure: func(t *testing.T, w *ward) {
			sql(t, w.server.URL, `ALTER DATABASE "`+w.name+`" RESET default_transaction_read_only`)
			w.wire.Cut()
		}},
	{name: "no connections left", long: true,
		fall: func(t *testing.T, w *ward) {
			sql(t, w.server.URL, "ALTER ROLE "+w.role+" CONNECTION LIMIT 0")
			w.wire.Cut()
		},
		cure: func(t *testing.T, w *ward) {
			sql(t, w.server.URL, "ALTER ROLE "+w.role+" CONNECTION LIMIT -1")
		}},
	{name: "a long lock", long: true, fall: lock, cure: getWell},
}

// SickRabbitMQ lets the broker of a step's built programs fall ill, in every way of the table,
// and checks what must be true of each step: the door answers in bounded time, with 503 or 504
// where it cannot take an order; its health says so; consumers go on where the broker lets them;
// SIGTERM ends every program in time; and after the cure everything goes on by itself, and no
// order that was accepted is lost.
func SickRabbitMQ(t *testing.T, shop Shop) {
	t.Helper()
	t.Parallel()
	built := buildAll(t, shop)
	treat := func(t *testing.T, ill illness, server *services.Server) {
		beds <- struct{}{}
		defer func() { <-beds }()
		address, name := isolateOn(t, server)
		w := newWard(t, shop, built, address, "AMQP_URL")
		w.server, w.name = server, name
		w.treat(t, ill)
	}
	t.Run("own", func(t *testing.T) {
		t.Parallel()
		var server *services.Server
		for _, ill := range tried(ofBrokers) {
			if ill.own {
				if server == nil {
					server = PrivateRabbitMQ(t)
				}
				t.Run(ill.name, func(t *testing.T) { treat(t, ill, server) })
			}
		}
	})
	for _, ill := range tried(ofBrokers) {
		if !ill.own {
			t.Run(ill.name, func(t *testing.T) {
				t.Parallel()
				treat(t, ill, Shared(t, services.RabbitMQ))
			})
		}
	}
}

// SickPostgres is [SickRabbitMQ] for a database. The programs come as a user who is no
// superuser, as it should be.
func SickPostgres(t *testing.T, shop Shop) {
	t.Helper()
	t.Parallel()
	built := buildAll(t, shop)
	for _, ill := range tried(ofDatabases) {
		t.Run(ill.name, func(t *testing.T) {
			t.Parallel()
			beds <- struct{}{}
			defer func() { <-beds }()
			server := Shared(t, services.Postgres)
			role := "sick_" + strings.ToLower(rand.Text())
			sql(t, server.URL, "CREATE ROLE "+role+" LOGIN PASSWORD '"+role+"'")
			t.Cleanup(func() { sql(t, server.URL, "DROP ROLE "+role) }) // after its database
			address, name := isolateOn(t, server)
			sql(t, server.URL, `ALTER DATABASE "`+name+`" OWNER TO `+role)
			u, err := url.Parse(address)
			if err != nil {
				t.Fatal(err)
			}
			u.User = url.UserPassword(role, role)
			w := newWard(t, shop, built, u.String(), "DATABASE_URL")
			w.server, w.name, w.role, w.database = server, name, role, address
			w.treat(t, ill)
		})
	}
}

// beds are how many sick servers a test binary has at a time: each has all programs of the step,
// twice.
var beds = make(chan struct{}, 2)

// isolateOn returns a place of the test's own on the server, and its name.
func isolateOn(t *testing.T, server *services.Server) (address, name string) {
	t.Helper()
	env, cleanup, err := server.Isolate(t.Context(), "test-"+t.Name())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), closeTimeout)
		defer cancel()
		if err := cleanup(ctx); err != nil {
			t.Errorf("servicestest: %v", err)
		}
	})
	address = env[server.Kind.Variable()]
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal("the server's address is no URL")
	}
	return address, strings.TrimPrefix(u.Path, "/")
}

func buildAll(t *testing.T, shop Shop) map[string]string {
	t.Helper()
	built := map[string]string{}
	for _, pkg := range append([]string{shop.Door}, shop.Others...) {
		built[pkg] = build(t, pkg)
	}
	return built
}

// ward is a sick server and the programs that depend on it.
type ward struct {
	shop  Shop
	built map[string]string // programs by package
	env   []string
	wire  *Wire // between the programs and the server

	server *services.Server
	name   string // of the vhost or the database
	role   string // of the programs in the database
	// database is the database by its administrator's address.
	database string
	// well is closed when a server that flickers will not fall ill again; end lets it get well.
	well chan struct{}
	end  func()

	programs []*program // all that were started
	client   http.Client
}

func newWard(
	t *testing.T, shop Shop, built map[string]string, address, variable string,
) *ward {
	t.Helper()
	shop.AnswersWithin = cmp.Or(shop.AnswersWithin, answersWithin)
	shop.EndsWithin = cmp.Or(shop.EndsWithin, endsWithin)
	w := &ward{shop: shop, built: built, wire: NewWire(t, address)}
	w.client.Timeout = shop.AnswersWithin + 5*time.Second // to tell late from never
	t.Cleanup(w.client.CloseIdleConnections)
	w.env = append(slices.Clip(shop.Env), variable+"="+w.wire.URL, "ADDR=127.0.0.1:0", "VARIANT=")
	for _, kind := range shop.Also {
		at, _ := isolate(t, kind, kind.Variable())
		w.env = append(w.env, kind.Variable()+"="+at)
	}
	return w
}

// patients are one set of the step's programs.
type patients struct {
	door   *program
	url    string // of the door
	others []*program
}

func (w *ward) admit(t *testing.T, name string) (p patients) {
	t.Helper()
	p.door = w.start(t, name, w.shop.Door)
	for _, pkg := range w.shop.Others {
		p.others = append(p.others, w.start(t, name, pkg))
	}
	p.door.await(t, sickPatience, "it listens", func(line map[string]any) bool {
		p.url, _ = line["url"].(string)
		return line["msg"] == "listening"
	})
	for _, other := range p.others {
		other.await(t, sickPatience, "it is ready", isReady)
	}
	w.eventually(t, "the door is ready", func() bool { return w.healthy(t, p) })
	return p
}

func (w *ward) start(t *testing.T, name, pkg string) *program {
	t.Helper()
	p := start(t, name+" "+filepath.Base(pkg), w.built[pkg], w.env)
	w.programs = append(w.programs, p)
	return p
}

// treat is what every shop has to go through. Some programs live through the illness, others
// are asked to end in the middle of it.
func (w *ward) treat(t *testing.T, ill illness) {
	t.Helper()
	staying, leaving := w.admit(t, "staying"), w.admit(t, "leaving")
	w.eventually(t, "orders are taken", func() bool { return w.order(t, staying, 3) < 300 })
	w.settle(t, "before anything has happened")
	if ill.consumes { // with something to do when the illness has come
		staying.each(t, (*child.Process).Pause)
		leaving.each(t, (*child.Process).Pause)
		if !ill.full && w.order(t, staying, 20) >= 300 {
			t.Fatal("20 orders were not taken by a broker that is well")
		}
	}
	ill.fall(t, w)
	w.checkDoor(t, ill, staying)
	if ill.consumes {
		staying.each(t, (*child.Process).Resume)
		leaving.each(t, (*child.Process).Resume)
		if !w.shop.Publishes {
			w.settle(t, "while the server is ill")
		}
	}
	w.leave(t, leaving)
	ill.cure(t, w)
	w.eventually(t, "after the cure: the door is ready", func() bool { return w.healthy(t, staying) })
	w.eventually(t, "after the cure: orders are taken", func() bool {
		return w.order(t, staying, 3) < 300
	})
	w.settle(t, "after the cure")
	w.leave(t, staying)
}

// checkDoor wants an answer to every order, in time. Who has refused one is not ready.
func (w *ward) checkDoor(t *testing.T, ill illness, p patients) {
	t.Helper()
	began := time.Now()
	for i, refused := 0, 0; refused < 3; i++ {
		status := w.order(t, p, 1)
		ready := w.healthy(t, p)
		switch {
		case t.Failed():
			return
		case ill.flickers:
			select {
			case <-w.well:
				return
			case <-time.After(100 * time.Millisecond): // the next customer
			}
		case status < 300 && w.shop.Keeps:
			if !ready {
				t.Error("it takes orders, and says that it is not ready")
			}
			if i >= 10 {
				return
			}
		case status < 300: // not ill yet, or not full
			refused = 0
			if time.Since(began) > sickPatience {
				t.Fatalf("it still takes orders after %v", sickPatience)
			}
		case w.shop.Keeps:
			t.Errorf("an order was refused with %d, which should have been kept", status)
			return
		default:
			if refused++; ready {
				t.Errorf("an order was refused with %d, and its health is ready", status)
			}
		}
	}
}

// order places n orders in one request, and returns the answer's status.
func (w *ward) order(t *testing.T, p patients, n int) (status int) {
	t.Helper()
	began := time.Now()
	status, body, err := w.ask(t, http.MethodPost, fmt.Sprintf("%s/orders?count=%d", p.url, n))
	took := time.Since(began)
	switch {
	case err != nil:
		t.Fatalf("no answer to an order within %v: %v\n%s", took, err, p.door.last(20))
	case took > w.shop.AnswersWithin:
		t.Errorf("the answer to an order took %v, want at most %v: %d %s",
			took, w.shop.AnswersWithin, status, body)
	case status >= 300 && status != 503 && status != 504:
		t.Errorf("an order was answered with %d %s, want 503 or 504", status, body)
	}
	return status
}

// healthy says whether the door takes itself for ready.
func (w *ward) healthy(t *testing.T, p patients) bool {
	t.Helper()
	began := time.Now()
	status, body, err := w.ask(t, http.MethodGet, p.url+"/healthz")
	if took := time.Since(began); err != nil || took > healthWithin {
		t.Fatalf("no answer about its health within %v: %v\n%s", took, err, p.door.last(20))
	}
	if status != http.StatusOK && !strings.Contains(body, `"reason"`) {
		t.Errorf("it is not ready, and does not say why: %d %s", status, body)
	}
	return status == http.StatusOK
}

func (w *ward) ask(t *testing.T, method, address string) (status int, body string, err error) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, address, nil)
	if err != nil {
		return 0, "", err
	}
	answer, err := w.client.Do(r)
	if err != nil {
		return 0, "", err
	}
	text, err := io.ReadAll(answer.Body)
	return answer.StatusCode, string(text), errors.Join(err, answer.Body.Close())
}

// leave sends SIGTERM to all programs at once, while an order is on its way.
func (w *ward) leave(t *testing.T, p patients) {
	t.Helper()
	var all sync.WaitGroup
	all.Go(func() {
		_, _, err := w.ask(t, http.MethodPost, p.url+"/orders")
		if late := new(url.Error); errors.As(err, &late) && late.Timeout() {
			t.Errorf("no answer to an order, while the program ended: %v", err)
		}
	})
	for _, program := range append([]*program{p.door}, p.others...) {
		all.Go(func() { program.stop(t, w.shop.EndsWithin) })
	}
	all.Wait()
	if t.Failed() {
		t.FailNow()
	}
}

func (p patients) each(t *testing.T, do func(*child.Process) error) {
	t.Helper()
	for _, other := range p.others {
		if err := do(other.process); err != nil && !errors.Is(err, errors.ErrUnsupported) {
			t.Fatal(err)
		}
	}
}

// settle waits until every order that was accepted has come to its end.
func (w *ward) settle(t *testing.T, when string) {
	t.Helper()
	failed := map[string]string{}
	open := func() map[string]bool {
		open, ended := map[string]bool{}, map[string]bool{}
		for _, p := range w.programs {
			for _, r := range p.records() {
				switch id := fmt.Sprint(r["order"]); r["msg"] {
				case "order accepted":
					open[id] = true
				case "order failed":
					failed[id] = fmt.Sprint(r["reason"])
					ended[id] = true
				case "order processed":
					ended[id] = true
				}
			}
		}
		maps.DeleteFunc(open, func(id string, _ bool) bool { return ended[id] })
		return open
	}
	w.eventually(t, when+": every accepted order is done", func() bool { return len(open()) == 0 })
	for id, reason := range failed {
		if !w.shop.GivesUp {
			t.Errorf("%s: the good order %s has failed: %s", when, id, reason)
		}
	}
}

func (w *ward) eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for began := time.Now(); !holds(); pause(false) {
		if time.Since(began) > sickPatience {
			for _, p := range w.programs {
				t.Logf("%s:\n%s", p.process.Name(), p.last(12))
			}
			t.Fatalf("after %v not yet: %s", sickPatience, what)
		}
	}
}

func silence(_ *testing.T, w *ward) { w.wire.Silence() }
func speak(_ *testing.T, w *ward)   { w.wire.Speak() }

func control(args ...string) func(*testing.T, *ward) {
	return func(t *testing.T, w *ward) {
		t.Helper()
		if _, err := w.server.Control(t.Context(), args...); err != nil {
			t.Fatal(err)
		}
	}
}

// leader does something with the only member that a quorum queue has on one node, and so with
// its leader.
func leader(function string) func(*testing.T, *ward) {
	return func(t *testing.T, w *ward) {
		t.Helper()
		control("eval", fmt.Sprintf(`{ok, Q} = rabbit_amqqueue:lookup(
			rabbit_misc:r(<<"%s">>, queue, <<"%s">>)), %s(quorum_queues, amqqueue:get_pid(Q)).`,
			w.name, w.shop.Queue, function))(t, w)
	}
}

// restart stops the broker and starts it again, again and again.
func restart(t *testing.T, w *ward) {
	ctx := t.Context()
	done := make(chan error, 1)
	w.well = make(chan struct{})
	go func() {
		defer close(w.well)
		var err error
		for range 2 {
			for _, command := range []string{"stop_app", "start_app"} {
				_, failed := w.server.Control(ctx, command)
				err = errors.Join(err, failed)
			}
		}
		done <- err
	}()
	w.end = func() {
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
}

// lock takes every table of the database from everybody else.
func lock(t *testing.T, w *ward) {
	t.Helper()
	conn, err := pgconn.Connect(t.Context(), w.database)
	if err != nil {
		t.Fatal(err)
	}
	w.end = func() { _ = conn.Close(context.WithoutCancel(t.Context())) }
	t.Cleanup(w.end)
	if err := conn.Exec(t.Context(), `BEGIN; DO $$
		DECLARE each regclass;
		BEGIN
			FOR each IN SELECT oid FROM pg_class WHERE relkind = 'r' AND relnamespace NOT IN
				('pg_catalog'::regnamespace, 'information_schema'::regnamespace) LOOP
				EXECUTE 'LOCK TABLE ' || each || ' IN ACCESS EXCLUSIVE MODE';
			END LOOP;
		END $$`).Close(); err != nil {
		t.Fatal(err)
	}
}

func getWell(_ *testing.T, w *ward) { w.end() }

// grant gives the programs these rights in their vhost.
func (w *ward) grant(t *testing.T, rights string) {
	t.Helper()
	user, err := url.Parse(w.server.URL)
	if err != nil {
		t.Fatal(err)
	}
	w.manage(t, http.MethodPut, "permissions", user.User.Username(), map[string]any{
		"configure": rights, "write": rights, "read": rights,
	})
}

// manage changes something of the vhost by the broker's management API.
func (w *ward) manage(t *testing.T, method, kind, name string, body any) {
	t.Helper()
	at, err := url.Parse(w.server.Env()["RABBITMQ_MANAGEMENT_URL"])
	user, also := url.Parse(w.server.URL)
	text, third := json.Marshal(body)
	if err := errors.Join(err, also, third); err != nil {
		t.Fatal(err)
	}
	address := at.JoinPath("api", kind, url.PathEscape(w.name))
	if name != "" {
		address = address.JoinPath(url.PathEscape(name))
	}
	if address.User == nil {
		address.User = user.User
	}
	r, err := http.NewRequestWithContext(t.Context(), method, address.String(), bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	answer, err := w.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	if err := answer.Body.Close(); err != nil || answer.StatusCode >= 300 {
		t.Fatalf("%s %s: %s, %v", method, address.Redacted(), answer.Status, err)
	}
}

// sql has the administrator execute a statement about a database or a role.
func sql(t *testing.T, address, statement string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), closeTimeout)
	defer cancel()
	conn, err := pgconn.Connect(ctx, address)
	if err != nil {
		t.Fatal(err)
	}
	err = conn.Exec(ctx, statement).Close()
	if err := errors.Join(err, conn.Close(ctx)); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}
