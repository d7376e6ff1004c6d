//go:build unix

package services

import (
	"context"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// withChannel opens a channel for the time of one act.
func withChannel(t *testing.T, url string, use func(*amqp.Channel) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	conn, err := dialRabbit(ctx, url)
	must(t, err)
	defer conn.Close()
	ch, err := conn.Channel()
	must(t, err)
	must(t, use(ch))
}

func publish(t *testing.T, url, queue, body string) {
	t.Helper()
	withChannel(t, url, func(ch *amqp.Channel) error {
		if _, err := ch.QueueDeclare(queue, true, false, false, false, nil); err != nil {
			return err
		}
		if err := ch.Confirm(false); err != nil {
			return err
		}
		confirm, err := ch.PublishWithDeferredConfirm("", queue, true, false, amqp.Publishing{
			DeliveryMode: amqp.Persistent, Body: []byte(body),
		})
		if err != nil {
			return err
		}
		if !confirm.Wait() {
			t.Error("the broker does not confirm")
		}
		return nil
	})
}

func get(t *testing.T, url, queue string) string {
	t.Helper()
	var body string
	withChannel(t, url, func(ch *amqp.Channel) error {
		m, ok, err := ch.Get(queue, true)
		if ok {
			body = string(m.Body)
		}
		return err
	})
	return body
}

func TestRabbitMQIsReadyWithPageAndVersion(t *testing.T) {
	s := sharedBroker.get(t)
	must(t, s.Ready(t.Context()))
	if s.Provider != "native, private" || !strings.Contains(s.Version, ".") || s.Login == "" {
		t.Errorf("got %+v", s)
	}
	body, err := manage(t.Context(), s.address(), http.MethodGet, "/api/whoami", nil)
	if err != nil || !strings.Contains(string(body), "administrator") {
		t.Errorf("management API: %s, %v", body, err)
	}
}

func TestRabbitMQRefusesAWrongPassword(t *testing.T) {
	s := sharedBroker.get(t)
	wrong := strings.Replace(s.URL, "guest:guest@", "guest:wrong@", 1)
	ctx, cancel := context.WithTimeout(t.Context(), attempt)
	defer cancel()
	_, err := rabbitHandshake(ctx, address{URL: wrong})
	if err == nil || !strings.Contains(err.Error(), "refuses the user name or password") {
		t.Errorf("a wrong password: %v", err)
	}
	c, _ := bench(t)
	t.Setenv("AMQP_URL", wrong)
	_, err = c.Provide(t.Context(), Need{Kind: RabbitMQ})
	if err == nil || !strings.Contains(err.Error(), "AMQP_URL is set, but") {
		t.Errorf("error %v, want it to name AMQP_URL", err)
	}
	if err != nil && strings.Contains(err.Error(), "wrong@") {
		t.Errorf("the error shows the password: %v", err)
	}
}

func TestRabbitMQByVariable(t *testing.T) {
	s := sharedBroker.get(t)
	c, _ := bench(t)
	t.Setenv("AMQP_URL", s.URL)
	t.Setenv("RABBITMQ_MANAGEMENT_URL", s.Env()["RABBITMQ_MANAGEMENT_URL"])
	used := provide(t, c, Need{Kind: RabbitMQ})[0]
	if used.Page != s.Page || used.Version != s.Version || used.Owned() {
		t.Errorf("got %+v", used)
	}
	t.Setenv("RABBITMQ_MANAGEMENT_URL", "http://127.0.0.1:1")
	_, err := c.Provide(t.Context(), Need{Kind: RabbitMQ})
	if err == nil || !strings.Contains(err.Error(), "RABBITMQ_MANAGEMENT_URL") {
		t.Errorf("a management URL that names nothing: %v", err)
	}
}

func TestRabbitMQVhostOfOnesOwn(t *testing.T) {
	s := sharedBroker.get(t)
	env, cleanup, err := s.Isolate(t.Context(), t.Name())
	must(t, err)
	publish(t, env["AMQP_URL"], "orders", "mine")
	other, cleanupOther, err := s.Isolate(t.Context(), t.Name())
	must(t, err)
	publish(t, other["AMQP_URL"], "orders", "other")
	if got := get(t, env["AMQP_URL"], "orders"); got != "mine" {
		t.Errorf("got %q from a queue of one's own", got)
	}
	must(t, cleanup(t.Context()), cleanup(t.Context()), cleanupOther(t.Context()))
	body, err := manage(t.Context(), s.address(), http.MethodGet, "/api/vhosts", nil)
	must(t, err)
	if strings.Contains(string(body), "testrabbitmqvhost") {
		t.Errorf("a vhost is left: %s", body)
	}
}

// One test for all that breaks a broker, because each start takes seconds.
func TestRabbitMQKeepsDurableMessagesThroughKillAndStop(t *testing.T) {
	shared := sharedBroker.get(t)
	c, _ := bench(t, LinkDocker)
	begun := time.Now()
	s := provide(t, c, Need{Kind: RabbitMQ, Private: true})[0]
	t.Logf("first start: %v", time.Since(begun))
	if s.URL == shared.URL {
		t.Fatalf("two brokers at %s", s.URL)
	}
	before := s.URL
	publish(t, s.URL, "orders", "one")
	// Stop first: RabbitMQ 3 writes down a moment later that a queue was declared, and a kill within
	// that moment takes the queue along. What was stopped in order has it on disk.
	steps := []struct {
		name string
		do   func(context.Context) error
	}{{"stop", s.Stop}, {"kill", s.Kill}}
	for _, step := range steps {
		begun = time.Now()
		must(t, step.do(t.Context()))
		t.Logf("%s: %v", step.name, time.Since(begun))
		must(t, step.do(t.Context())) // what has ended can be ended again
		if u, err := url.Parse(s.URL); err != nil || listeningOn(t, u.Port()) {
			t.Errorf("after %s something still listens at %s (%v)", step.name, s.URL, err)
		}
		begun = time.Now()
		must(t, s.Start(t.Context()))
		t.Logf("start again: %v", time.Since(begun))
		if got := get(t, s.URL, "orders"); got != "one" {
			t.Errorf("after %s the durable message is %q", step.name, got)
		}
		publish(t, s.URL, "orders", "one")
	}
	if s.URL != before {
		t.Errorf("moved from %s to %s", before, s.URL)
	}
	must(t, c.Close(t.Context()))
	all, err := c.run.List()
	if err != nil || len(all) != 0 {
		t.Errorf("left running: %+v, %v", all, err)
	}
	must(t, shared.Ready(t.Context()))
}

// What a version of RabbitMQ needs is in its plugins' own words.
func TestFewPluginsAreAllThatManagementNeeds(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	script := filepath.Join(home, "sbin", "rabbitmq-server")
	must(t, os.MkdirAll(filepath.Dir(script), 0o755), os.WriteFile(script, nil, 0o755))
	plugin := func(name, applications string) {
		dir := filepath.Join(home, "plugins", name+"-5.0", "ebin")
		must(t, os.MkdirAll(dir, 0o755), os.WriteFile(filepath.Join(dir, name+".app"),
			[]byte("{application,"+name+",[{vsn,\"5.0\"},\n{applications,["+applications+"]}]}."), 0o644))
	}
	links := func() string {
		dir := t.TempDir()
		env, err := fewPlugins(script, dir, "rabbitmq_management")
		must(t, err)
		if env == nil {
			return "none"
		}
		entries, err := os.ReadDir(dir)
		must(t, err)
		var names []string
		for _, e := range entries {
			names = append(names, strings.TrimSuffix(e.Name(), "-5.0"))
		}
		return strings.Join(names, " ")
	}
	if got := links(); got != "none" {
		t.Errorf("without plugins: %s", got)
	}
	plugin("rabbit", "kernel,stdlib,rabbitmq_prelaunch")
	plugin("rabbitmq_management", "kernel,\n  'rabbitmq_new', cowboy")
	plugin("rabbitmq_prelaunch", "kernel")
	plugin("rabbitmq_mqtt", "rabbit")
	plugin("cowboy", "kernel")
	if got := links(); got != "none" {
		t.Errorf("with one that is not there: %s", got)
	}
	plugin("rabbitmq_new", "kernel,rabbit")
	want := "cowboy rabbit rabbitmq_management rabbitmq_new rabbitmq_prelaunch"
	if got := links(); got != want {
		t.Errorf("links %s, want %s", got, want)
	}
}

func listeningOn(t *testing.T, port string) bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", "127.0.0.1:"+port)
	if err != nil {
		return false
	}
	_ = conn.Close()
	return true
}
