package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/asynkron/protoactor-go/cluster"
	"golang.org/x/sync/errgroup"

	"course.example/12-actors/engine"
	"course.example/shop"
)

// HelloGrain is the lecture's grain. It is written as if there were one caller: the engine lets
// one call in at a time, so its fields need no lock.
type HelloGrain struct {
	engine.Hooks
	greet  Greet
	events io.Writer
	calls  int32
}

// Greet is the service that a HelloGrain uses; a test puts another in its place. It may take its
// time, and is called by many grains at once.
type Greet func(id, greeting string) (string, error)

// HelloKind makes HelloGrains, each on its first call. One that nobody calls for as long as idle
// is deactivated: its memory is free, its name is not gone.
func HelloKind(greet Greet, events io.Writer, idle time.Duration) *cluster.Kind {
	return NewHelloKind(func() Hello { return &HelloGrain{greet: greet, events: events} }, idle)
}

// Init is the hook of the activation: the place to load state.
func (g *HelloGrain) Init(ctx cluster.GrainContext) {
	fmt.Fprintf(g.events, "  Hello/%s: activated\n", ctx.Identity())
}

// Terminate is the hook of the deactivation. Nobody promises that it runs: a killed silo runs no
// hooks. What must be kept has to be written before.
func (g *HelloGrain) Terminate(ctx cluster.GrainContext) {
	unit := "calls"
	if g.calls == 1 {
		unit = "call"
	}
	fmt.Fprintf(g.events, "  Hello/%s: deactivated after %d %s\n", ctx.Identity(), g.calls, unit)
}

// SayHello answers one call. Notice what is not here: no lock, no lookup, no thread, no address.
func (g *HelloGrain) SayHello(
	req *HelloRequest, ctx cluster.GrainContext,
) (*HelloReply, error) {
	text, err := g.greet(ctx.Identity(), req.GetGreeting())
	if err != nil {
		return nil, fmt.Errorf("%s cannot greet: %w", ctx.Identity(), err)
	}
	g.calls++
	return &HelloReply{Text: text, Calls: g.calls}, nil
}

// HostGrain calls other grains. It does not know whether they are active, or on which silo: it
// knows their names.
type HostGrain struct{ engine.Hooks }

// Invite greets every guest in turn.
func (*HostGrain) Invite(req *InviteRequest, ctx cluster.GrainContext) (*InviteReply, error) {
	reply := &InviteReply{}
	for _, guest := range req.GetGuests() {
		answer, err := GetHelloGrainClient(ctx.Cluster(), guest).SayHello(
			&HelloRequest{Greeting: "come in"}, engine.Within(5*time.Second))
		if err != nil {
			return nil, fmt.Errorf("invite %s: %s", guest, engine.Reason(err))
		}
		reply.Answers = append(reply.Answers, answer.GetText())
	}
	return reply, nil
}

// HostKind makes HostGrains.
func HostKind(idle time.Duration) *cluster.Kind {
	return NewHostKind(func() Host { return &HostGrain{} }, idle)
}

// Web is the way in from outside: the path names the grain. The web app holds no list of grains
// and asks for none. It waits for an answer as long as patience.
func Web(silo *cluster.Cluster, patience time.Duration) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /hello/{id}", func(w http.ResponseWriter, r *http.Request) {
		id, greeting := r.PathValue("id"), r.URL.Query().Get("greeting")
		if len(id) > 64 || len(greeting) > 256 {
			answer(w, http.StatusBadRequest,
				map[string]any{"error": "id: at most 64 bytes, greeting: at most 256"})
			return
		}
		if greeting == "" {
			greeting = "good morning"
		}
		reply, err := GetHelloGrainClient(silo, id).SayHello(
			&HelloRequest{Greeting: greeting}, engine.Within(patience))
		if err != nil {
			answer(w, http.StatusServiceUnavailable, map[string]any{"error": engine.Reason(err)})
			return
		}
		answer(w, http.StatusOK, map[string]any{"text": reply.GetText(), "calls": reply.GetCalls()})
	})
	return mux
}

func answer(w http.ResponseWriter, status int, body map[string]any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false) // the answer is no part of a page
	if err := encoder.Encode(body); err != nil {
		slog.Debug("answer not delivered", "error", err)
	}
}

// Massive is what came of many calls at once.
type Massive struct {
	AtOnce int // how many were being served at the same moment
	Took   time.Duration
}

// Slow takes its time, and counts how many calls it serves at the same moment. The counter is of
// many grains: those are not of one thread.
type Slow struct {
	Takes     time.Duration
	now, most atomic.Int32
}

// Greet answers after a while.
func (s *Slow) Greet(string, string) (string, error) {
	now := s.now.Add(1)
	defer s.now.Add(-1)
	for most := s.most.Load(); now > most && !s.most.CompareAndSwap(most, now); {
		most = s.most.Load()
	}
	<-time.After(s.Takes) // the work: a database would take so long
	return "Hello!", nil
}

func sameID(int) string         { return "massive" }
func differentIDs(i int) string { return "massive-" + strconv.Itoa(i) }

// massive calls n times at once: one grain, or n of them, as id says.
func massive(silo *cluster.Cluster, slow *Slow, n int, id func(int) string) (Massive, error) {
	slow.most.Store(0)
	began := time.Now()
	var all errgroup.Group
	for i := range n {
		all.Go(func() error {
			// The last in the line waits for all the others: give it the time.
			_, err := GetHelloGrainClient(silo, id(i)).SayHello(&HelloRequest{},
				engine.Within(time.Minute))
			if err != nil {
				return fmt.Errorf("call %s: %s", id(i), engine.Reason(err))
			}
			return nil
		})
	}
	err := all.Wait()
	return Massive{int(slow.most.Load()), time.Since(began)}, err
}

// polite answers in the lecture's words. It has a bug: one word is too much for it.
func polite(id, greeting string) (string, error) {
	if greeting == "boo" {
		panic("what a fright")
	}
	return fmt.Sprintf("%s said: '%s', so HelloGrain says: Hello!", id, greeting), nil
}

// patience is how long the web app waits for a grain's answer.
const patience = 2 * time.Second

// showHello lets a grain be called from outside and from another grain, and waits until it is
// deactivated. Then come many calls at once.
func showHello(ctx context.Context, to io.Writer, s settings) error {
	out := &events{out: to, gone: make(chan struct{}, 8)}
	silo := engine.NewMembers().Start(engine.Config{
		Kinds:     []*cluster.Kind{HelloKind(polite, out, s.idle), HostKind(s.idle)},
		NoRecover: s.variant == "no-recover",
	})
	defer engine.Stop(silo)
	web := Web(silo, patience)
	if s.serve != "" {
		return shop.Serve(ctx, s.serve, web)
	}
	fmt.Fprintln(out, "From the web app: nobody has created the grain Hello/ada")
	get(out, web, "/hello/ada")
	get(out, web, "/hello/ada")
	fmt.Fprintln(out, "\nFrom another grain: Host/castle calls Hello/ada and Hello/bob")
	reply, err := GetHostGrainClient(silo, "castle").Invite(
		&InviteRequest{Guests: []string{"ada", "bob"}}, engine.Within(timeout))
	if err != nil {
		return errors.New(engine.Reason(err))
	}
	for _, answer := range reply.GetAnswers() {
		fmt.Fprintf(out, "  %s\n", answer)
	}
	fmt.Fprintf(out, "\nNobody calls them for %v\n", s.idle)
	for range 2 {
		select {
		case <-out.gone:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	fmt.Fprintln(out, "\nThe same name again: another activation, which has counted nothing")
	get(out, web, "/hello/ada")
	fmt.Fprintln(out, "\nA call that is too much for a grain, then one that is not")
	get(out, web, "/hello/eve?greeting=boo")
	get(out, web, "/hello/eve")
	return showMassive(out)
}

func get(out io.Writer, web http.Handler, path string) {
	w := httptest.NewRecorder()
	web.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	fmt.Fprintf(out, "  GET %s: %d %s", path, w.Code, w.Body)
}

func showMassive(out io.Writer) error {
	const n = 1000
	slow := &Slow{Takes: 2 * time.Millisecond}
	silo := engine.StartSilo(HelloKind(slow.Greet, io.Discard, time.Minute))
	defer engine.Stop(silo)
	fmt.Fprintf(out, "\n%d calls at once, each takes %v\n", n, slow.Takes)
	same, err := massive(silo, slow, n, sameID)
	if err != nil {
		return err
	}
	different, err := massive(silo, slow, n, differentIDs)
	if err != nil {
		return err
	}
	const line = "  %s: %d calls, at most %d at once, in %d ms\n"
	fmt.Fprintf(out, line, "massiveSameId, one grain", n, same.AtOnce, same.Took.Milliseconds())
	fmt.Fprintf(out, line, "massiveDifferentIds, 1000 grains", n, different.AtOnce,
		different.Took.Milliseconds())
	fmt.Fprintf(out, "  one grain took %.0f times as long\n",
		same.Took.Seconds()/different.Took.Seconds())
	return nil
}

// events lets many grains write lines at once, and tells of each deactivation. It is safe for
// concurrent use.
type events struct {
	mu   sync.Mutex
	out  io.Writer
	gone chan struct{}
}

func (e *events) Write(line []byte) (int, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if bytes.Contains(line, []byte(": deactivated ")) {
		select {
		case e.gone <- struct{}{}:
		default: // nobody waits for so many
		}
	}
	return e.out.Write(line)
}
