package rabbitmq

import (
	"context"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

func TestConnectSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	good := onEmptyVhost(t)
	a := admin(t, good)
	if _, err := a.channel.QueueDeclare(OrdersQueue, true, false, false, false,
		amqp.Table{amqp.QueueTypeArg: amqp.QueueTypeClassic}); err != nil {
		t.Fatal(err)
	}
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := closed.Addr().String()
	if err := closed.Close(); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		change func(*url.URL)
		says   string
	}{
		"password": {
			func(u *url.URL) { u.User = url.UserPassword("guest", "hunter2") },
			`refuses user "guest" with this password`,
		},
		"vhost":   {func(u *url.URL) { u.Path = "/nowhere" }, `no vhost "nowhere"`},
		"nobody":  {func(u *url.URL) { u.Host = nobody }, "no RabbitMQ answers at " + nobody},
		"another": {func(*url.URL) {}, `another queue named "orders"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u, err := url.Parse(good.URL)
			if err != nil {
				t.Fatal(err)
			}
			c.change(u)
			s := good
			s.URL = u.String()
			_, err = connect(t.Context(), s, "test", quorumOrders)
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("error %v does not say %q", err, c.says)
			}
			if err != nil && strings.Contains(err.Error(), "hunter2") {
				t.Errorf("error %v shows the password", err)
			}
		})
	}
}

// Something that takes connections and says nothing must not hold up a program
// that is asked to end.
func TestConnectEndsWithItsContext(t *testing.T) {
	t.Parallel()
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := silent.Close(); err != nil {
			t.Error(err)
		}
	}()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	s := DefaultSettings()
	s.URL = "amqp://guest:guest@" + silent.Addr().String() + "/"
	began := time.Now()
	if _, err := connect(ctx, s, "test", quorumOrders); err == nil {
		t.Error("connected to nobody")
	}
	if took := time.Since(began); took > connectTimeout/2 {
		t.Errorf("it took %s to give up", took)
	}
}

// A broker with an alarm reads nothing, but its heartbeats come.
func TestClosingEndsUnderAnAlarm(t *testing.T) {
	t.Parallel()
	s, network := through(t, onEmptyVhost(t))
	conn, err := connect(t.Context(), s, "test", quorumOrders)
	if err != nil {
		t.Fatal(err)
	}
	network.freeze(false, true)
	closed := make(chan error, 1)
	began := time.Now()
	go func() { closed <- conn.close() }()
	heartbeat := time.NewTicker(closeTimeout / 4)
	defer heartbeat.Stop()
	for {
		select {
		case <-closed: // in order or not
			return
		case <-heartbeat.C:
			network.beat()
		}
		if took := time.Since(began); took > 10*closeTimeout {
			t.Fatalf("not closed after %s", took)
		}
	}
}
