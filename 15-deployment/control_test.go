package deployment

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"course.example/shop"
)

// inProcess starts a replica that is no process and needs no database. It warms up, answers probes
// and orders, drains, and can be killed.
func inProcess(program, version, name string, env []string) (*Replica, error) {
	settings := DefaultSettings()
	settings.WarmUp = 100 * time.Millisecond
	release, err := FindRelease(version)
	if err != nil {
		return nil, err
	}
	probes := NewProbes(settings, release, func(context.Context) error { return nil })
	place := func(ctx context.Context, o shop.Order) error {
		if release.spoil == nil {
			return nil
		}
		return release.spoil(ctx, o)
	}
	probes.Orders = WithFlags(settings, release, shop.Counter{Place: probes.Place(place)}.Handler())
	server := httptest.NewServer(probes.Handler())
	ctx, cancel := context.WithCancel(context.Background())
	r := &Replica{
		Program: program, Version: version, Settings: strings.Join(env, " "), Name: name,
		Addr: server.Listener.Addr().String(),
		Pid:  os.Getpid(), exited: make(chan struct{}), retired: make(chan struct{}),
	}
	end := sync.OnceFunc(func() {
		defer close(r.exited)
		cancel()
		server.Close() // when it has answered what it has
	})
	r.stop = func() { go end() }
	r.kill = func() { server.CloseClientConnections(); go end() }
	go func() { _ = probes.WarmUp(ctx, settings) }()
	return r, nil
}

// control is a deployer that runs, and the customers before its door.
type control struct {
	*Deployer
	path string                  // of its desired.yaml
	stop func()                  // ends it, and waits for that
	hook *atomic.Pointer[func()] // is called before each start of a replica
}

// newControl starts a deployer over the files of a folder.
func newControl(t *testing.T, dir, variant string) control {
	t.Helper()
	s := DefaultSettings()
	s.Variant, s.Desired = variant, filepath.Join(dir, "desired.yaml")
	s.Look, s.Watch, s.Enough = 20*time.Millisecond, 50*time.Millisecond, 6
	d := NewDeployer(s, nil)
	d.tables = func(context.Context, Release) error { return nil }
	hook := new(atomic.Pointer[func()])
	d.launcher = func(program, version, name string, env []string) (*Replica, error) {
		if before := hook.Load(); before != nil {
			(*before)()
		}
		return inProcess(program, version, name, env)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx) }()
	done := false
	c := control{d, s.Desired, func() {
		cancel()
		if !done {
			done = true
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
	}, hook}
	t.Cleanup(c.stop)
	return c
}

// newFour starts one with two producers and two consumers of v1.
func newFour(t *testing.T, variant string) control {
	t.Helper()
	c := newControl(t, t.TempDir(), variant)
	await(t, "the first version", func() bool { return c.Applied().Version == "v1" })
	return c
}

func await(t *testing.T, what string, is func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(20 * time.Second)
	for !is() {
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("%s: not within 20 s", what)
		}
	}
}

// order places one order, and says whether it was taken.
func (c control) order() bool {
	w := httptest.NewRecorder()
	c.door.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/orders", strings.NewReader("")))
	return w.Code == http.StatusAccepted
}

// awaitWithCustomers lets customers come until it is so, and returns how many were refused.
func (c control) awaitWithCustomers(t *testing.T, what string, is func() bool) (refused int) {
	t.Helper()
	await(t, what, func() bool {
		if !c.order() {
			refused++
		}
		return is()
	})
	return refused
}

func (c control) edit(t *testing.T, field, value string) {
	t.Helper()
	text := c.text(t)
	changed, err := Edit(text, field, value)
	if err != nil || changed == text {
		t.Fatalf("%s: %v", field, err)
	}
	c.write(t, changed)
}

func (c control) text(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(c.path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func (c control) write(t *testing.T, text string) {
	t.Helper()
	if err := ReplaceFile(c.path, text); err != nil {
		t.Fatal(err)
	}
}

// is says whether so many producers and consumers of that version run, nothing else does, and no
// more is wanted.
func (c control) is(version string, producers, consumers int) bool {
	return len(c.of("producer", version)) == producers && len(c.of("consumer", version)) == consumers &&
		len(c.others(version)) == 0 && c.Applied().equal(c.Desired())
}

// ask is what the API answers.
func (c control) ask(t *testing.T, method, target string) (int, string) {
	t.Helper()
	w := httptest.NewRecorder()
	c.Handler(t.Context()).ServeHTTP(w, httptest.NewRequest(method, target, nil))
	return w.Code, w.Body.String()
}

// Desired.yaml is read while the deployer runs: more replicas, then another version, with customers
// before the door. A text with a mistake changes nothing, and is complained of once.
func TestEditedDesired(t *testing.T) {
	t.Parallel()
	c := newFour(t, "")
	c.edit(t, "replicas.producer", "3")
	await(t, "three producers", func() bool { return c.is("v1", 3, 2) })

	good := c.text(t)
	c.write(t, good+"replicas: {\n")
	await(t, "the mistake to be found", func() bool { return c.now().unreadable == 1 })
	c.look()
	c.look()
	if n := c.now().unreadable; n != 1 || !c.is("v1", 3, 2) {
		t.Errorf("complained %d times of one mistake; desired is %+v", n, c.Desired())
	}
	c.write(t, good)

	c.edit(t, "version", "v2")
	refused := c.awaitWithCustomers(t, "v2", func() bool { return c.is("v2", 3, 2) })
	if refused > 0 || c.now().drifted > 0 {
		t.Errorf("%d were refused; what was asked for is called drift: %q", refused, c.now().drift)
	}
	await(t, "v2 to be remembered", func() bool {
		held, err := readDesired(c.appliedPath(), Desired{})
		return err == nil && held.equal(c.Desired())
	})
}

// A version that does not hold is taken back, and so is the line that asked for it: file and truth
// agree, what else stands in the file stays, and nobody tries it again.
func TestGoingBackIsWrittenDown(t *testing.T) {
	t.Parallel()
	c := newFour(t, "")
	c.write(t, "# ours\n"+c.text(t))
	c.edit(t, "version", "v2-errors")
	went := func() bool { return c.Desired().Version == "v2-errors" }
	await(t, "the edit to be read", went)
	c.awaitWithCustomers(t, "the way back", func() bool { return !went() })
	await(t, "v1", func() bool { return c.is("v1", 2, 2) })
	text := c.text(t)
	if !strings.Contains(text, "# ours") || !strings.Contains(text, "version: v1") {
		t.Errorf("the file says:\n%s", text)
	}
	c.look()
	if !c.is("v1", 2, 2) {
		t.Errorf("it is tried again: %+v", c.Desired())
	}
}

// What somebody has changed by hand is shown, and mended, whoever did it and however.
func TestDrift(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		hand  func(t *testing.T, c control)
		shows string
	}{
		"killed": {func(t *testing.T, c control) {
			c.of("producer", "v1")[0].Kill()
		}, "start producer v1"},
		"started": {func(t *testing.T, c control) {
			if status, text := c.ask(t, http.MethodPost, "/start?program=consumer&version=v1"); status != 202 {
				t.Fatalf("%d %s", status, text)
			}
		}, "end consumer-v1-"},
		"started, of another version": {func(t *testing.T, c control) {
			if status, text := c.ask(t, http.MethodPost, "/start?program=producer&version=v2"); status != 202 {
				t.Fatalf("%d %s", status, text)
			}
		}, "end producer-v2-"},
		"switched": {func(t *testing.T, c control) {
			if status, text := c.ask(t, http.MethodPost, "/switch?flag=discount&on=true"); status != 202 {
				t.Fatalf("%d %s", status, text)
			}
		}, "switch discount off"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newFour(t, "")
			before := d.text(t)
			c.hand(t, d)
			await(t, "the drift to be seen", func() bool { return len(d.now().drift) > 0 })
			if _, text := d.ask(t, http.MethodGet, "/drift"); strings.Count(text, "\n") != 1 ||
				!strings.Contains(text, c.shows) {
				t.Errorf("it is shown as %q, want %q", text, c.shows)
			}
			await(t, "the drift to be mended", func() bool {
				return len(Plan(d.Desired(), d.State())) == 0 && d.is("v1", 2, 2)
			})
			if _, text := d.ask(t, http.MethodGet, "/plan"); text != "" || d.text(t) != before {
				t.Errorf("still to do: %q; the file says\n%s", text, d.text(t))
			}
		})
	}
}

// What is shown of it stays short, however often something dies.
func TestDriftIsNotKeptForEver(t *testing.T) {
	t.Parallel()
	d := NewDeployer(DefaultSettings(), nil)
	for n := range 3 * maxDrift {
		d.noteDrift([]Change{{Running: Running{Name: fmt.Sprint(n)}}})
	}
	now := d.now()
	if len(now.drift) != maxDrift || now.drifted != 3*maxDrift ||
		!strings.HasSuffix(now.drift[maxDrift-1], "end 299") {
		t.Errorf("%d lines of %d, the last is %q", len(now.drift), now.drifted, now.drift[len(now.drift)-1])
	}
}

// A deploy that comes while something else is mended is not forgotten.
func TestDeployWhileDriftIsMended(t *testing.T) {
	t.Parallel()
	c := newFour(t, "")
	deploy := sync.OnceFunc(func() {
		if err := c.Deploy("v2"); err != nil {
			t.Error(err)
		}
	})
	c.hook.Store(&deploy)
	c.of("producer", "v1")[0].Kill()
	c.awaitWithCustomers(t, "v2", func() bool { return c.is("v2", 2, 2) })
}

// Another setting is another replica: all are replaced, and nobody is refused.
func TestEditedSettings(t *testing.T) {
	t.Parallel()
	c := newFour(t, "")
	c.edit(t, "settings", `{WORKERS: "8"}`)
	refused := c.awaitWithCustomers(t, "the setting", func() bool {
		return c.is("v1", 2, 2) && c.State().Replicas[0].Settings == "WORKERS=8"
	})
	if plan := Plan(c.Desired(), c.State()); refused > 0 || len(plan) > 0 {
		t.Errorf("%d were refused; still to do: %v", refused, plan)
	}
}

// A deployer that dies in the middle of a rollout finishes it after its next start: what is wanted
// stands in desired.yaml, and what held before in applied.yaml. A version that does not hold is
// taken back even then.
func TestDiesInTheMiddle(t *testing.T) {
	t.Parallel()
	for to, end := range map[string]string{"v2": "v2", "v2-errors": "v1"} {
		t.Run(to, func(t *testing.T) {
			t.Parallel()
			c := newFour(t, "")
			c.edit(t, "version", to)
			await(t, "the middle", func() bool { return len(c.of("consumer", to)) > 0 })
			c.stop() // which asks nobody whether the rollout is over; -9 is in lab.yaml
			if text := c.text(t); !strings.Contains(text, "version: "+to+"\n") {
				t.Fatalf("what is wanted is forgotten:\n%s", text)
			}
			c = newControl(t, filepath.Dir(c.path), "")
			await(t, "the version that held", func() bool { return len(c.of("producer", "v1")) == 2 })
			c.awaitWithCustomers(t, end, func() bool { return c.is(end, 2, 2) })
		})
	}
}

// A script is right once. Run again it starts two of everything, and one that stops half-way has
// started some of it twice when it is done. The control loop does what is missing.
func TestScriptRunsTwice(t *testing.T) {
	t.Parallel()
	for variant, want := range map[string]struct{ twice, halfWay int }{
		"": {4, 4}, "script": {8, 6},
	} {
		t.Run("variant "+variant, func(t *testing.T) {
			t.Parallel()
			c := newFour(t, variant)
			c.edit(t, "flags.discount", "true") // which has nothing to do with replicas
			await(t, "the edit", func() bool { return c.Applied().Flags[Discount] })
			if n := len(c.State().Replicas); n != want.twice {
				t.Errorf("run twice: %d replicas run, want %d", n, want.twice)
			}
		})
		t.Run("half-way, variant "+variant, func(t *testing.T) {
			t.Parallel()
			n := 0
			s := DefaultSettings()
			s.Variant, s.Desired = variant, filepath.Join(t.TempDir(), "desired.yaml")
			d := NewDeployer(s, nil)
			d.tables = func(context.Context, Release) error { return nil }
			d.wrong.atOnce = 1 // for the count
			d.launcher = func(program, version, name string, env []string) (*Replica, error) {
				if n++; n == 3 {
					return nil, errors.New("no memory is left")
				}
				return inProcess(program, version, name, env)
			}
			defer d.end()
			keep := d.keep
			if d.wrong.script {
				keep = d.script()
			}
			keep(t.Context())
			keep(t.Context())
			if n := len(d.replicas); n != want.halfWay {
				t.Errorf("stopped half-way and run again: %d replicas, want %d", n, want.halfWay)
			}
		})
	}
}

// So many replicas start and warm up at a time, however many are wanted.
func TestThunderingStart(t *testing.T) {
	t.Parallel()
	for variant, red := range map[string]bool{"": false, "thundering-start": true} {
		t.Run("variant "+variant, func(t *testing.T) {
			t.Parallel()
			c := newFour(t, variant)
			c.edit(t, "replicas.producer", "7")
			await(t, "seven producers", func() bool { return c.is("v1", 7, 2) })
			if n := c.now().warmest; (n > atOnce) != red {
				t.Errorf("%d replicas were warming up at a time", n)
			}
		})
	}
}

// The API says what is wrong with a question, and what runs.
func TestAPI(t *testing.T) {
	t.Parallel()
	c := newFour(t, "")
	for _, q := range []struct {
		method, target string
		status         int
		says           string
	}{
		{http.MethodPost, "/deploy?version=v9", 400, "there are: v1"},
		{http.MethodPost, "/start?program=gateway&version=v1", 400, "consumer and producer"},
		{http.MethodPost, "/start?program=producer&version=v9", 400, "there are: v1"},
		{http.MethodPost, "/switch?flag=sale&on=true", 400, "there are: discount"},
		{http.MethodPost, "/deploy?version=v1", 202, "begun"},
		{http.MethodGet, "/plan", 200, ""}, {http.MethodGet, "/drift", 200, ""},
		{http.MethodGet, "/replicas", 200, `"Program":"producer"`},
		{http.MethodGet, "/healthz", 200, `"rolling":0`},
	} {
		status, text := c.ask(t, q.method, q.target)
		if status != q.status || !strings.Contains(text, q.says) {
			t.Errorf("%s %s: %d %s", q.method, q.target, status, text)
		}
	}
	if status, text := c.ask(t, http.MethodPost, "/deploy?version=v2-never-ready"); status != 202 {
		t.Fatalf("%d %s", status, text)
	}
	if text := c.text(t); !strings.Contains(text, "version: v2-never-ready") {
		t.Errorf("deploy has not written it down:\n%s", text)
	}
	if status, text := c.ask(t, http.MethodPost, "/deploy?version=v2"); status != http.StatusConflict {
		t.Errorf("while another version comes in: %d %s", status, text)
	}
	if status, text := c.ask(t, http.MethodGet, "/healthz"); !strings.Contains(text, `"rolling":1`) {
		t.Errorf("%d %s", status, text)
	}
}
