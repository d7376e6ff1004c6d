package dashboard

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// FakeLab stands in for the run that the lab controls. It has its token, and notes what it is told.
type FakeLab struct {
	mu     sync.Mutex
	acts   []string
	answer string // an error; empty for success
	held   map[string]chan struct{}
}

func (f *FakeLab) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	act, err := io.ReadAll(r.Body)
	defer f.wait(string(act)) // what the body says is sent when this returns
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case err != nil:
		http.Error(w, err.Error(), http.StatusBadRequest)
	case r.Header.Get("Lab-Token") != "secret":
		http.Error(w, "the token is not this run's", http.StatusForbidden)
	case f.answer != "":
		http.Error(w, f.answer, http.StatusUnprocessableEntity)
	default:
		f.acts = append(f.acts, string(act))
	}
}

// Told is what it was told, in order.
func (f *FakeLab) Told() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return strings.Join(f.acts, ", ")
}

// Hold lets it keep back its answer to an act until the returned function is called: a silo takes
// seconds to drain, and the page goes on meanwhile.
func (f *FakeLab) Hold(act string) (answer func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	held := make(chan struct{})
	f.held = map[string]chan struct{}{act: held}
	return sync.OnceFunc(func() { close(held) })
}

func (f *FakeLab) wait(act string) {
	f.mu.Lock()
	held := f.held[act]
	f.mu.Unlock()
	if held != nil {
		<-held
	}
}

// Refuse lets it refuse what it is asked from now on.
func (f *FakeLab) Refuse(why string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.answer = why
}

// NewLab starts a lab and returns it as the dashboard finds it: by its environment.
func NewLab(t *testing.T) (*FakeLab, *Lab) {
	t.Helper()
	fake := new(FakeLab)
	server := httptest.NewServer(fake)
	t.Cleanup(server.Close)
	t.Setenv("LAB_CONTROL", server.URL)
	t.Setenv("LAB_TOKEN", "secret")
	lab := LabFromEnv()
	if lab == nil {
		t.Fatal("there is no lab")
	}
	return fake, lab
}

func TestButtonsAskTheLab(t *testing.T) {
	cases := []struct {
		name, path string
		change     func(*http.Request)
		status     int
		told, says string
	}{
		{name: "add", path: "/silos", status: 200, told: "scale silo +1"},
		{name: "kill", path: "/silos/silo-2/kill", status: 200, told: "kill silo-2"},
		{name: "stop", path: "/silos/silo-12/stop", status: 200, told: "stop silo-12"},
		{name: "the only one", path: "/silos/silo/kill", status: 200, told: "kill silo"},
		{name: "our own page", path: "/silos", status: 200, told: "scale silo +1",
			change: func(r *http.Request) {
				r.Header.Set("Origin", "http://localhost:8080")
				r.Header.Set("Sec-Fetch-Site", "same-origin")
			}},
		{name: "not a silo", path: "/silos/redis/kill", status: 404, says: `"redis" is no silo`},
		{name: "two acts", path: "/silos/silo-1%20every/kill", status: 404, says: "is no silo"},
		{name: "another verb", path: "/silos/silo-1/poison", status: 404},
		{name: "another site", path: "/silos", status: 403,
			change: func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") }},
		{name: "another site, old browser", path: "/silos", status: 403,
			change: func(r *http.Request) { r.Header.Set("Origin", "https://evil.example") }},
		{name: "another port of this machine", path: "/silos", status: 403,
			change: func(r *http.Request) { r.Header.Set("Origin", "http://localhost:9999") }},
		{name: "a name that leads here", path: "/silos", status: 403, says: "own machine",
			change: func(r *http.Request) {
				r.Host = "evil.example:8080"
				r.Header.Set("Origin", "http://evil.example:8080")
			}},
		{name: "another machine", path: "/silos", status: 403, says: "own machine",
			change: func(r *http.Request) { r.RemoteAddr = "192.0.2.7:1234" }},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			fake, lab := NewLab(t)
			mux := http.NewServeMux()
			Register(mux, lab)
			r := httptest.NewRequest(http.MethodPost, c.path, nil)
			r.Host, r.RemoteAddr = "localhost:8080", "127.0.0.1:5555"
			if c.change != nil {
				c.change(r)
			}
			w := httptest.NewRecorder()
			mux.ServeHTTP(w, r)
			if w.Code != c.status || !strings.Contains(w.Body.String(), c.says) &&
				!strings.Contains(w.Body.String(), strings.ReplaceAll(c.says, `"`, `\"`)) {
				t.Errorf("answered %d %s, want %d %s", w.Code, w.Body, c.status, c.says)
			}
			if fake.Told() != c.told {
				t.Errorf("the lab was told %q, want %q", fake.Told(), c.told)
			}
		})
	}
}

func TestLabThatRefuses(t *testing.T) {
	fake, lab := NewLab(t)
	fake.Refuse("there is no silo-9 here")
	if _, err := lab.do(t.Context(), "kill silo-9"); err == nil ||
		err.Error() != "there is no silo-9 here" {
		t.Errorf("got %v", err)
	}
	lab.token = "guess"
	fake.Refuse("")
	if _, err := lab.do(t.Context(), "kill silo-1"); err == nil ||
		!strings.Contains(err.Error(), "token") {
		t.Errorf("got %v", err)
	}
	gone := &Lab{"http://127.0.0.1:1/do", "secret", http.DefaultClient}
	if _, err := gone.do(t.Context(), "kill silo-1"); err == nil ||
		!strings.Contains(err.Error(), "ask the lab to kill silo-1") {
		t.Errorf("got %v", err)
	}
}

// Without a lab there are no buttons, and nothing behind them.
func TestWithoutLab(t *testing.T) {
	t.Setenv("LAB_CONTROL", "")
	mux := http.NewServeMux()
	Register(mux, LabFromEnv())
	for _, path := range []string{"/silos", "/silos/silo-1/kill"} {
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, httptest.NewRequest(http.MethodPost, path, nil))
		if w.Code != http.StatusNotFound {
			t.Errorf("POST %s: %d", path, w.Code)
		}
	}
	if buttons(t, mux, nil) {
		t.Error("the page shows buttons that do nothing")
	}
}

// A reader from another machine sees the cluster, and no buttons.
func TestReaderFromElsewhere(t *testing.T) {
	_, lab := NewLab(t)
	mux := http.NewServeMux()
	Register(mux, lab)
	home := func(r *http.Request) { r.Host, r.RemoteAddr = "[::1]:8080", "[::1]:5555" }
	if !buttons(t, mux, home) {
		t.Error("no buttons on the lab's own machine")
	}
	away := func(r *http.Request) { r.Host, r.RemoteAddr = "10.0.0.1:8080", "10.0.0.2:5555" }
	if buttons(t, mux, away) {
		t.Error("buttons for a reader elsewhere")
	}
}

// buttons asks whether the page has any.
func buttons(t *testing.T, mux *http.ServeMux, change func(*http.Request)) bool {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, "/dashboard/buttons", nil)
	if change != nil {
		change(r)
	}
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, r)
	var has struct{ Buttons bool }
	if err := json.Unmarshal(w.Body.Bytes(), &has); err != nil || w.Code != http.StatusOK {
		t.Fatalf("answered %d %s, %v", w.Code, w.Body, err)
	}
	return has.Buttons
}
