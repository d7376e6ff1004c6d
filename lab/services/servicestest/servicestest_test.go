//go:build unix

package servicestest_test

import (
	"context"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	amqp "github.com/rabbitmq/amqp091-go"

	"course.example/lab/services"
	"course.example/lab/services/servicestest"
)

// noMain makes the test binary one whose package forgot its TestMain.
const noMain = "SERVICESTEST_NO_MAIN"

func TestMain(m *testing.M) {
	if os.Getenv(noMain) != "" {
		os.Exit(m.Run())
	}
	servicestest.Main(m)
}

func TestVhostsOfTwoTestsDoNotMeet(t *testing.T) {
	t.Parallel()
	for range 2 {
		t.Run("same name", func(t *testing.T) {
			t.Parallel()
			b := servicestest.RabbitMQ(t)
			conn, err := amqp.Dial(b.URL)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			ch, err := conn.Channel()
			if err != nil {
				t.Fatal(err)
			}
			q, err := ch.QueueDeclare("orders", true, false, true, false, nil)
			if err != nil {
				t.Fatalf("an exclusive queue of the same name in another vhost: %v", err)
			}
			if q.Consumers != 0 || b.Management == "" {
				t.Errorf("queue %+v, management %q", q, b.Management)
			}
		})
	}
}

func TestDatabasesOfTwoTestsDoNotMeet(t *testing.T) {
	t.Parallel()
	for range 2 {
		t.Run("same name", func(t *testing.T) {
			t.Parallel()
			conn, err := pgconn.Connect(t.Context(), servicestest.Postgres(t))
			if err != nil {
				t.Fatal(err)
			}
			if err := conn.Exec(t.Context(), "CREATE TABLE orders ()").Close(); err != nil {
				t.Error(err)
			}
			if err := conn.Close(context.WithoutCancel(t.Context())); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestRedisDatabasesOfTwoTestsDoNotMeet(t *testing.T) {
	t.Parallel()
	a, b := servicestest.Redis(t), servicestest.Redis(t)
	if ua, err := url.Parse(a); err != nil || a == b || ua.Path == "/0" {
		t.Errorf("got %s and %s (%v)", a, b, err)
	}
}

func TestPrivateServersMayBeBroken(t *testing.T) {
	t.Parallel()
	nodes := servicestest.RedisNodes(t, 5)
	nodes = append(nodes, servicestest.PrivatePostgres(t))
	for _, s := range nodes {
		if !s.Owned() {
			t.Errorf("%s is not owned", s.Name)
		}
		if err := s.Kill(t.Context()); err != nil {
			t.Error(err)
		}
		if err := s.Start(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

// again runs this binary's tests of the given name in another process.
func again(t *testing.T, name string, env ...string) string {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run", "^"+name+"$")
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	if err == nil {
		t.Errorf("%s passed, want it to fail:\n%s", name, out)
	}
	return string(out)
}

func TestForgottenTestMainIsSaid(t *testing.T) {
	t.Parallel()
	out := again(t, "TestRedisDatabasesOfTwoTestsDoNotMeet", noMain+"=1")
	if !strings.Contains(out, "lack func TestMain") {
		t.Errorf("said:\n%s", out)
	}
}

func TestNoServerFailsAndNeverSkips(t *testing.T) {
	t.Parallel()
	out := again(t, "TestRedisDatabasesOfTwoTestsDoNotMeet",
		"LAB_SKIP=env,port,docker,native,standin,install")
	if !strings.Contains(out, "no Redis to be had") || strings.Contains(out, "--- SKIP") {
		t.Errorf("said:\n%s", out)
	}
}

func TestSharedServerIsTheSameForAll(t *testing.T) {
	t.Parallel()
	a := servicestest.Shared(t, services.Redis)
	if b := servicestest.Shared(t, services.Redis); a != b {
		t.Errorf("two servers: %s and %s", a.URL, b.URL)
	}
}
