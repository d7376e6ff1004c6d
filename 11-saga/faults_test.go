package saga

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"course.example/lab/services/servicestest"
	"github.com/jackc/pgx/v5"
)

var (
	seedFlag  = flag.Uint64("saga.seed", 0, "of the random faults; 0 takes a new one")
	sagasFlag = flag.Int("saga.count", 250, "sagas that meet random faults")
)

// Many sagas, every message three times and out of order, database sessions that end
// at random, and processes that are killed with -9 at random crash points.
func TestSagasMeetRandomFaults(t *testing.T) {
	t.Parallel()
	for variant, sagas := range map[string]int{
		"right": *sagasFlag, "choreography": *sagasFlag / 4,
	} {
		t.Run(variant, func(t *testing.T) {
			t.Parallel()
			seed := *seedFlag
			if seed == 0 {
				seed = rand.Uint64()
			}
			t.Logf("again with: go test -run '%s' -saga.seed %d", t.Name(), seed)
			rng := rand.New(rand.NewPCG(seed, 11))
			w := newWorld(t, variant)
			w.Echo, w.StepTimeout = true, 5*time.Second
			ctx, stop := context.WithCancel(t.Context())
			var group sync.WaitGroup
			deaths := make(chan string, 1000)
			for _, role := range append(w.others(""), w.others("payment")[0]) {
				chance := rand.New(rand.NewPCG(rng.Uint64(), 1))
				group.Go(func() { w.mortal(ctx, role, chance, deaths) })
			}
			t.Cleanup(group.Wait)
			t.Cleanup(stop)
			const atATime = 50
			for n := 0; n < sagas; n += atATime {
				var emails []string
				for range atATime {
					emails = append(emails, clients[rng.IntN(len(clients))])
				}
				w.placeStubbornly(emails)
				w.cutSessions(rng)
				eventually(t, "few sagas are open", func() bool {
					a := w.audit()
					return a.Open >= 0 && a.Open < 2*atATime
				})
			}
			a := w.settled()
			if a.Parked > 0 { // somebody was away for longer than all deadlines
				resumed(w)
				a = w.settled()
			}
			stop()
			group.Wait()
			if a.Accepted+a.Cancelled != a.Orders || a.Orders < sagas ||
				a.Accepted == 0 || a.Cancelled == 0 {
				t.Errorf("%+v", a)
			}
			if len(deaths) == 0 {
				t.Error("nobody was killed")
			}
			t.Logf("%+v; %d kills", a, len(deaths))
		})
	}
}

// mortal runs a program as a process that is killed with -9 at random, twice or
// three times, and then once more for good. It passes more crash points with a
// hundred sagas than it can be given to live: some process is killed in every run.
func (w *world) mortal(ctx context.Context, role string, rng *rand.Rand, deaths chan<- string) {
	for range 2 + rng.IntN(2) {
		cmd := w.child(role, fmt.Sprint("CRASH_AT=any:", 10+rng.IntN(80)), "ECHO=true")
		ended := make(chan error, 1)
		go func() { ended <- cmd.Wait() }()
		select {
		case <-ended:
			deaths <- role
		case <-ctx.Done():
			if err := cmd.Process.Kill(); err != nil {
				w.t.Error(err)
			}
			<-ended
			return
		}
	}
	if err := programs[role](ctx, w.Settings); err != nil {
		w.t.Error(role+":", err)
	}
}

func (w *world) placeStubbornly(emails []string) {
	w.t.Helper()
	for _, email := range emails {
		order := newOrder(w.t, email)
		eventually(w.t, "an order is taken", func() bool {
			var known bool
			err := w.pool.QueryRow(w.t.Context(),
				`SELECT EXISTS (SELECT FROM website.orders WHERE order_id = $1)`, order.ID).Scan(&known)
			return err == nil && known || w.site.Place(w.t.Context(), order) == nil
		})
	}
}

// cutSessions ends the database sessions of one program, in whatever line it is.
func (w *world) cutSessions(rng *rand.Rand) {
	names := append(w.others(""), "website")
	_, err := w.pool.Exec(w.t.Context(), `SELECT pg_terminate_backend(pid)
		FROM pg_stat_activity WHERE datname = current_database()
		AND application_name = $1 AND pid <> pg_backend_pid()`, names[rng.IntN(len(names))])
	if err != nil {
		w.t.Log("cut:", err)
	}
}

// Two orchestrators get two messages for one saga at once: one of them commits,
// the other sees the version, and begins again with what the first has made of it.
func TestTwoOrchestratorsAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "right")
	o, err := newOrchestrator(t.Context(), w.Settings)
	if err != nil {
		t.Fatal(err)
	}
	defer o.pool.Close()
	order := newOrder(t, clients[0])
	o.take(t, Message{ID: "1", Kind: OrderPlaced, Order: order})
	// The first has loaded the saga; before it saves, the second is done.
	answer := Message{ID: "2", Kind: PaymentCharged, Order: order}
	deadline := Message{Kind: Timeout, Order: order, Version: 1}
	err = o.transact(t.Context(), func(ctx context.Context, tx pgx.Tx) (changes, error) {
		sagas, err := load(ctx, tx, []Message{deadline})
		if err != nil {
			return changes{}, err
		}
		o.take(t, answer)
		sagas[order.ID].Fire(deadline, o.rules)
		return changes{}, o.save(ctx, tx, sagas)
	})
	if !errors.Is(err, errConflict) || o.permanent(err) {
		t.Fatalf("the slower one got %v, want a conflict", err)
	}
	o.take(t, deadline)
	var state State
	var version int
	if err := o.pool.QueryRow(t.Context(), `SELECT state, version FROM orchestrator.sagas`).
		Scan(&state, &version); err != nil || state != ReservingStock || version != 2 {
		t.Errorf("%s, version %d, %v; want one transition", state, version, err)
	}
}

// What cannot be undone is parked, with an alarm; it stays so until an operator
// has found a way, and then ends like any other.
func TestParkedUntilResumed(t *testing.T) {
	t.Parallel()
	for _, variant := range []string{"right", "choreography"} {
		t.Run(variant, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, variant)
			w.start(w.others("")...)
			id := w.place("e@" + ClosedDomain)[0]
			parked := func() bool { return w.audit().Parked == 1 }
			eventually(t, "it is parked", parked)
			s, err := w.site.Status(t.Context(), id)
			if err != nil || s.State != Parked || s.Reason == "" {
				t.Errorf("%+v, %v", s, err)
			}
			if s.Reason != "the customer's account is closed" {
				t.Errorf("the alarm names %q, and not what parked it", s.Reason)
			}
			if _, err := ResumeParked(t.Context(), w.Settings, "nobody's", true); err == nil {
				t.Error("an order that is not parked was resumed")
			}
			resumed(w)
			if a := w.settled(); a.Cancelled != 1 {
				t.Errorf("%+v", a)
			}
		})
	}
}

// A service is away for longer than the orchestrator's patience. What it may have
// done is called off; when it is back it finds both the command and the
// compensation, in any order, and nothing is kept.
func TestAServiceIsAway(t *testing.T) {
	t.Parallel()
	for _, role := range []string{"payment", "inventory", "shipping"} {
		t.Run(role, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "right")
			w.StepTimeout, w.Attempts = 500*time.Millisecond, 2
			w.start(w.others(role)...)
			w.place(clients[0], clients[0], clients[0])
			// On a machine that is busy with something else one of the others may be
			// too slow as well, and its saga be cancelled.
			eventually(t, "they are parked", func() bool {
				a := w.audit()
				return a.Open == 0 && a.Parked > 0
			})
			w.start(role)
			eventually(t, "all have ended", func() bool {
				a := w.audit()
				if a.Violations() > 0 {
					t.Fatalf("%+v", a)
				}
				return a.Cancelled == 3
			})
		})
	}
}

// The website is killed on both sides of its commits. Its customers get an order
// or an error; what is in the table ends.
func TestWebsiteKilled(t *testing.T) {
	t.Parallel()
	for _, point := range CrashPoints() {
		if roleOf(point) != "website" {
			continue
		}
		t.Run(strings.ReplaceAll(point, "/", "-"), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "right")
			w.start(everybody...)
			addr := freeAddr(t)
			victim := w.child("website", "CRASH_AT="+point+":3", "ADDR="+addr)
			dead := make(chan struct{})
			go func() {
				defer close(dead)
				killedAtPoint(t, victim, point)
			}()
			eventually(t, "it has died", func() bool {
				resp, err := http.Post("http://"+addr+"/orders?count=5", "", nil)
				if err == nil {
					if err := resp.Body.Close(); err != nil {
						t.Error(err)
					}
				}
				select {
				case <-dead:
					return true
				default:
					return false
				}
			})
			w.place(clients[0])
			if a := w.settled(); a.Accepted < 1 {
				t.Errorf("%+v", a)
			}
		})
	}
}

func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return l.Addr().String()
}

// A customer sees the order at once, as Pending: what the saga is doing is not
// known yet, and it is not hidden either.
func TestPages(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "right")
	id := w.place(clients[0])[0]
	call := func(method, path string, status int, parts ...string) {
		t.Helper()
		answer := httptest.NewRecorder()
		w.site.Handler().ServeHTTP(answer, httptest.NewRequest(method, path, nil))
		if answer.Code != status {
			t.Errorf("%s: %d, want %d", path, answer.Code, status)
		}
		for _, part := range parts {
			if !strings.Contains(answer.Body.String(), part) {
				t.Errorf("%s: no %q in %s", path, part, answer.Body)
			}
		}
	}
	get := func(path string, status int, parts ...string) {
		t.Helper()
		call(http.MethodGet, path, status, parts...)
	}
	get("/orders/"+id, http.StatusOK, id, `"state":"Pending"`)
	call(http.MethodPost, "/sagas/"+id+"/resume", http.StatusConflict, "is not parked")
	get("/orders/none", http.StatusNotFound, "no such order")
	get("/orders/%00", http.StatusNotFound, "no such order")
	call(http.MethodPost, "/sagas/%00/resume", http.StatusNotFound, "no such order")
	get("/sagas", http.StatusOK, id, "Pending")
	get("/healthz", http.StatusOK, `"broker":`, `"unsent":`)
	foreign := httptest.NewRequest(http.MethodPost, "/orders?count=9", nil)
	foreign.Header.Set("Sec-Fetch-Site", "cross-site")
	refused := httptest.NewRecorder()
	if w.site.Handler().ServeHTTP(refused, foreign); refused.Code != http.StatusForbidden {
		t.Errorf("the page of another site may order: %d", refused.Code)
	}
	w.start(everybody...)
	w.settled()
	// The website hears of each state by a message of its own, which may still be
	// on its way, or come in another order.
	eventually(t, "the page tells of every state", func() bool {
		answer := httptest.NewRecorder()
		w.site.Handler().ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/orders/"+id, nil))
		return strings.Contains(answer.Body.String(), "ReservingStock")
	})
	get("/orders/"+id, http.StatusOK, `"state":"Accepted"`, `"history":[`)
	get("/sagas", http.StatusOK, "Accepted")
}

func TestDecisionsRepeatThemselves(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		is            Decision
		undo, refuses bool
		want          Decision
		effect        int
	}{
		{Undecided, false, false, Done, +1},
		{Undecided, false, true, Refused, 0},
		{Undecided, true, false, Undone, 0}, // and the late command finds it
		{Undone, false, false, Undone, 0},
		{Done, false, false, Done, 0},
		{Done, true, false, Undone, -1},
		{Undone, true, false, Undone, 0},
		{Refused, true, false, Refused, 0},
		{Refused, false, false, Refused, 0},
	} {
		if got, effect := c.is.Next(c.undo, c.refuses); got != c.want || effect != c.effect {
			t.Errorf("%+v: %s, %d", c, got, effect)
		}
	}
}

// A queue that has lost its leader does not answer while the connection lives on.
// A program that is asked to end meanwhile ends.
func TestUnansweredSubscribingEndsWithItsContext(t *testing.T) {
	t.Parallel()
	s := DefaultSettings()
	var silence func()
	s.AMQPURL, silence = servicestest.Silenced(t, servicestest.RabbitMQ(t).URL)
	b := newBus(s, "nobody", map[string][]Kind{"nobody": nil})
	conn, in, err := b.dial("test")
	if err != nil {
		t.Fatal(err)
	}
	silence()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	began := time.Now()
	if _, err := b.subscribe(ctx, conn, in, 1); err == nil {
		t.Error("subscribed without an answer")
	}
	// The heartbeat finds a silent broker out later than this.
	if took := time.Since(began); took > busHeartbeat {
		t.Errorf("it took %s to give up", took)
	}
}

// However many are parked, and however long ago, each is on the page, with buttons to
// resume it.
func TestParkedStayOnThePage(t *testing.T) {
	t.Parallel()
	w := offlineWebsite(t)
	ids := []string{}
	for range 30 {
		order := newOrder(t, clients[0])
		if err := w.Place(t.Context(), order); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, order.ID)
	}
	w.execute(t, `UPDATE orders SET state = 'Parked' WHERE order_id = '`+ids[0]+`'`)
	button := `action="/sagas/` + ids[0] + `/resume"`
	page := httptest.NewRecorder()
	w.Handler().ServeHTTP(page, httptest.NewRequest(http.MethodGet, "/sagas", nil))
	if !strings.Contains(page.Body.String(), button) {
		t.Error("it has scrolled off the page")
	}
	press := httptest.NewRequest(http.MethodPost, "/sagas/"+ids[0]+"/resume",
		strings.NewReader("by_hand=true"))
	press.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	press.Header.Set("Accept", "text/html,*/*")
	answer := httptest.NewRecorder()
	w.Handler().ServeHTTP(answer, press)
	if answer.Code != http.StatusSeeOther || w.number(t, `SELECT count(*) FROM outbox
		WHERE message ->> 'kind' = 'saga.resume' AND (message ->> 'by_hand')::bool`) != 1 {
		t.Errorf("pressed: %d %s", answer.Code, answer.Body)
	}
}
