package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/cluster"

	"course.example/12-actors/engine"
)

// aLongTime is more than any of these calls needs, also on a busy machine.
const aLongTime = 30 * time.Second

// named is a grain's context for a test that needs no silo. Whatever else the
// grain may ask of it would be a nil pointer: it says what a grain depends on.
type named struct {
	cluster.GrainContext
	id string
}

func (n named) Identity() string { return n.id }
func (named) Kind() string       { return "Account" }

// A grain alone, with another service in the place of its own: no engine, no
// silo, no wait. A grain is an object with methods.
func TestGrainAlone(t *testing.T) {
	t.Parallel()
	var events strings.Builder
	grain := &HelloGrain{events: &events, greet: func(id, text string) (string, error) {
		return id + " heard " + text, nil
	}}
	ada := named{id: "ada"}
	grain.Init(ada)
	for want := int32(1); want <= 2; want++ {
		reply, err := grain.SayHello(&HelloRequest{Greeting: "psst"}, ada)
		if err != nil || reply.GetText() != "ada heard psst" || reply.GetCalls() != want {
			t.Errorf("call %d: %v, %v", want, reply, err)
		}
	}
	grain.Terminate(ada)
	if want := "  Hello/ada: activated\n  Hello/ada: deactivated after 2 calls\n"; want !=
		events.String() {
		t.Errorf("the hooks said %q", &events)
	}
}

func TestGrainAloneWhoseServiceFails(t *testing.T) {
	t.Parallel()
	broken := errors.New("no voice")
	grain := &HelloGrain{events: io.Discard, greet: func(string, string) (string, error) {
		return "", broken
	}}
	if _, err := grain.SayHello(&HelloRequest{}, named{id: "ada"}); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	if grain.calls != 0 {
		t.Error("a call that failed was counted")
	}
}

// The grains on one silo of this process. Not parallel: the generated code keeps
// the factory of a kind in a variable of the package.
func TestOneSilo(t *testing.T) {
	service := func(id, text string) (string, error) {
		switch text {
		case "fail":
			return "", errors.New("no voice")
		case "panic":
			panic("no nerves")
		}
		return "Hello, " + id, nil
	}
	events := make(lines, 100)
	const idle = 500 * time.Millisecond
	silo := engine.StartSilo(HelloKind(service, events, idle), HostKind(idle))
	defer engine.Stop(silo)
	call := func(id, text string) (*HelloReply, error) {
		return GetHelloGrainClient(silo, id).SayHello(
			&HelloRequest{Greeting: text}, engine.Within(aLongTime))
	}

	t.Run("activated by its first call, deactivated by nobody's", func(t *testing.T) {
		if reply, err := call("ada", ""); err != nil || reply.GetCalls() != 1 {
			t.Fatalf("got %v, %v", reply, err)
		}
		events.want(t, "Hello/ada: activated")
		events.want(t, "Hello/ada: deactivated after 1 call")
		if reply, err := call("ada", ""); err != nil || reply.GetCalls() != 1 {
			t.Errorf("a new activation answered %v, %v", reply, err)
		}
		events.want(t, "Hello/ada: activated")
	})
	t.Run("an error reaches the caller", func(t *testing.T) {
		_, err := call("bob", "fail")
		if got := engine.Reason(err); !strings.Contains(got, "bob cannot greet: no voice") {
			t.Errorf("got %q", got)
		}
	})
	t.Run("so does a panic, and the next call finds a fresh activation", func(t *testing.T) {
		if _, err := call("eve", "hello"); err != nil {
			t.Fatal(err)
		}
		_, err := call("eve", "panic")
		if got := engine.Reason(err); got != "the grain panicked: no nerves" {
			t.Errorf("got %q", got)
		}
		eventually(t, func() error {
			reply, err := call("eve", "hello")
			if err == nil && reply.GetCalls() != 1 {
				err = fmt.Errorf("the activation that panicked has gone on: %v", reply)
			}
			return err
		})
	})
	t.Run("a grain calls grains", func(t *testing.T) {
		reply, err := GetHostGrainClient(silo, "castle").Invite(
			&InviteRequest{Guests: []string{"zoe", "yan"}}, engine.Within(aLongTime))
		if err != nil || strings.Join(reply.GetAnswers(), ", ") != "Hello, zoe, Hello, yan" {
			t.Errorf("got %v, %v", reply, err)
		}
	})
	t.Run("from the web", func(t *testing.T) {
		for path, want := range map[string]struct {
			status int
			text   string
		}{
			"/hello/ida":                          {200, `"text":"Hello, ida"`},
			"/hello/ida?greeting=fail":            {503, "ida cannot greet: no voice"},
			"/hello/ida?greeting=panic":           {503, "the grain panicked: no nerves"},
			"/hello/" + strings.Repeat("x", 100):  {400, "at most 64 bytes"},
			"/hello/a?greeting=" + long:           {400, "at most 256"},
			"/hello/":                             {404, ""},
			"/hello/%7E%20%2F?greeting=%00%FFboo": {503, ""}, // no valid text for protobuf
		} {
			w := httptest.NewRecorder()
			Web(silo, aLongTime).ServeHTTP(w,
				httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
			if w.Code != want.status || !strings.Contains(w.Body.String(), want.text) {
				t.Errorf("%s: %d %s", path, w.Code, w.Body)
			}
		}
	})
}

var long = strings.Repeat("x", 300)

// One grain is served one call at a time, many grains at the same time. How much
// faster that is depends on the machine.
func TestMassive(t *testing.T) {
	slow := &Slow{Takes: 2 * time.Millisecond}
	silo := engine.StartSilo(HelloKind(slow.Greet, io.Discard, time.Minute))
	defer engine.Stop(silo)
	const n = 200
	same, err := massive(silo, slow, n, sameID)
	if err != nil || same.AtOnce != 1 {
		t.Errorf("one grain: %+v, %v", same, err)
	}
	if least := n * slow.Takes; same.Took < least {
		t.Errorf("%d calls took %v: they were not one after the other", n, same.Took)
	}
	different, err := massive(silo, slow, n, differentIDs)
	if err != nil || different.AtOnce < 2 {
		t.Errorf("many grains: %+v, %v", different, err)
	}
}

// lines hands written lines to a test.
type lines chan string

func (l lines) Write(line []byte) (int, error) {
	l <- string(line)
	return len(line), nil
}

func (l lines) want(t *testing.T, what string) {
	t.Helper()
	select {
	case got := <-l:
		if !strings.Contains(got, what) {
			t.Errorf("got %q, want %q", got, what)
		}
	case <-time.After(aLongTime):
		t.Fatalf("never: %s", what)
	}
}

// eventually tries until there is no error.
func eventually(t *testing.T, try func() error) {
	t.Helper()
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	deadline := time.After(aLongTime)
	for err := try(); err != nil; err = try() {
		select {
		case <-again.C:
		case <-deadline:
			t.Fatal(err)
		}
	}
}

// A cluster of three silos in the memory of a test: the lecture's ProjectToTest.
// Each grain is active once, whoever calls, and the silos share them.
func TestThreeSilos(t *testing.T) {
	members := engine.NewMembers()
	silos := make([]*cluster.Cluster, 3)
	for i := range silos {
		silos[i] = members.StartSilo(
			HelloKind(polite, io.Discard, time.Minute), HostKind(time.Minute))
		defer engine.Stop(silos[i])
	}
	const grains = 60
	for round, silo := range silos {
		for i := range grains {
			reply, err := GetHelloGrainClient(silo, fmt.Sprint("guest-", i)).SayHello(
				&HelloRequest{Greeting: "hi"}, engine.Within(aLongTime))
			if err != nil || int(reply.GetCalls()) != round+1 {
				t.Fatalf("guest-%d, from silo %d: %v, %v; an activation of its own?",
					i, round, reply, err)
			}
		}
	}
	total := 0
	for i, silo := range silos {
		here := engine.Active(silo, "Hello")
		t.Logf("silo %d holds %d grains", i, here)
		if total += here; here == 0 {
			t.Errorf("silo %d holds none of %d grains", i, grains)
		}
	}
	if total != grains {
		t.Errorf("%d activations of %d grains", total, grains)
	}
}
