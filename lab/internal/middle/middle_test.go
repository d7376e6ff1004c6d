package middle

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"course.example/lab/internal/manifest"
)

// broker answers as RabbitMQ's management API does.
func broker(t *testing.T, status int, answer string) map[string]string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		if r.URL.EscapedPath() != "/api/queues/run%2F7" || user != "lab" || password != "secret" ||
			r.URL.Query().Get("disable_stats") != "true" ||
			r.URL.Query().Get("enable_queue_totals") != "true" {
			t.Errorf("asked for %s as %s", r.URL, user)
		}
		w.WriteHeader(status)
		fmt.Fprint(w, answer)
	}))
	t.Cleanup(server.Close)
	return map[string]string{
		"AMQP_URL":                "amqp://lab:secret@127.0.0.1:5672/run%2F7",
		"RABBITMQ_MANAGEMENT_URL": server.URL,
	}
}

// What a consumer has in its hands waits as well: it may come again.
func TestWhatWaitsInABroker(t *testing.T) {
	t.Parallel()
	m := &Middle{
		How: manifest.Waiting{Queues: []string{"orders", "mails", "later"}}, Client: http.DefaultClient,
		Address: broker(t, http.StatusOK, `[
			{"name": "orders", "messages_ready": 3, "messages_unacknowledged": 2},
			{"name": "mails", "messages_ready": 0, "messages_unacknowledged": 0},
			{"name": "orders.dead", "messages_ready": 9, "messages_unacknowledged": 0}]`),
	}
	w, err := m.Ask(t.Context())
	if err != nil || w.N != 5 || w.String() != "3 ready and 2 unacknowledged in the queue orders" {
		t.Errorf("waits: %d, %s, %v", w.N, w, err)
	}
	m.How.Queues = []string{"mails"}
	if w, err := m.Ask(t.Context()); err != nil || w.N != 0 || w.String() != "" {
		t.Errorf("mails: %d, %q, %v", w.N, w, err)
	}
}

// A broker that does not say how much waits has not said that nothing does.
func TestBrokersThatDoNotSay(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		status       int
		answer, want string
	}{
		{http.StatusOK, `[{"name": "orders.dead", "messages_ready": 1}]`, "no queue orders"},
		{http.StatusOK, `[{"name": "orders"}]`, "does not say"},
		{http.StatusOK, `{}`, "read the answer"},
		{http.StatusNotFound, `[]`, "404"},
	} {
		m := &Middle{
			How: manifest.Waiting{Queues: []string{"orders"}}, Client: http.DefaultClient,
			Address: broker(t, c.status, c.answer),
		}
		if w, err := m.Ask(t.Context()); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: want an error with %q, got %v, %v", c.answer, c.want, w, err)
		}
	}
}

func TestWhatWaitsInProcesses(t *testing.T) {
	t.Parallel()
	answer := `{"details": {"depth": 4, "in_progress": 1, "capacity": 64}}`
	var doors []string
	for range 2 {
		server := httptest.NewServer(http.HandlerFunc(
			func(w http.ResponseWriter, r *http.Request) {
				w.WriteHeader(http.StatusServiceUnavailable) // not ready, and yet it tells
				fmt.Fprint(w, answer)
			}))
		t.Cleanup(server.Close)
		doors = append(doors, strings.TrimPrefix(server.URL, "http://"))
	}
	m := &Middle{
		How:    manifest.Waiting{Health: map[string][]string{"shop": {"depth", "in_progress"}}},
		Client: http.DefaultClient, Doors: func(string) []string { return doors },
	}
	if w, err := m.Ask(t.Context()); err != nil || w.N != 10 || len(w.Where) != 4 {
		t.Errorf("waits: %d, %s, %v", w.N, w, err)
	}
	answer = `{"details": {"depth": 0}}`
	if w, err := m.Ask(t.Context()); err == nil || !strings.Contains(err.Error(), "details.in_progress") {
		t.Errorf("it does not tell all: %v, %v", w, err)
	}
	m.How.Health = map[string][]string{"shop": {"depth"}}
	if w, err := m.Ask(t.Context()); err != nil || w.N != 0 {
		t.Errorf("empty: %v, %v", w, err)
	}
}
