package middle_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	amqp "github.com/rabbitmq/amqp091-go"

	"course.example/lab/internal/manifest"
	"course.example/lab/internal/middle"
	"course.example/lab/services/servicestest"
)

func TestMain(m *testing.M) { servicestest.Main(m) }

// The broker counts a message that was delivered and not acknowledged, too.
func TestRabbitMQCountsWhatIsInAConsumersHands(t *testing.T) {
	broker := servicestest.RabbitMQ(t)
	m := &middle.Middle{
		How: manifest.Waiting{Queues: []string{"orders"}}, Client: http.DefaultClient,
		Address: map[string]string{
			"AMQP_URL": broker.URL, "RABBITMQ_MANAGEMENT_URL": broker.Management,
		},
	}
	conn, err := amqp.Dial(broker.URL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	})
	ch, err := conn.Channel()
	if err == nil {
		_, err = ch.QueueDeclare("orders", true, false, false, false,
			amqp.Table{amqp.QueueTypeArg: amqp.QueueTypeQuorum})
	}
	if err == nil {
		err = ch.Confirm(false)
	}
	if err != nil {
		t.Fatal(err)
	}
	expect := func(n int, text string) {
		t.Helper()
		var w middle.Waiting
		began := time.Now()
		for limit := began.Add(20 * time.Second); time.Now().Before(limit); {
			if w, err = m.Ask(t.Context()); err == nil && w.N == n && w.String() == text {
				t.Logf("%q after %v", text, time.Since(began))
				return
			}
		}
		t.Errorf("waits: %d, %q, %v; want %q", w.N, w, err, text)
	}
	expect(0, "")
	for range 2 {
		confirm, err := ch.PublishWithDeferredConfirm("", "orders", true, false, amqp.Publishing{})
		if err != nil {
			t.Fatal(err)
		}
		if ok, err := confirm.WaitContext(t.Context()); !ok || err != nil {
			t.Fatal(ok, err)
		}
	}
	expect(2, "2 ready and 0 unacknowledged in the queue orders")
	message, ok, err := ch.Get("orders", false)
	if !ok || err != nil {
		t.Fatal(ok, err)
	}
	expect(2, "1 ready and 1 unacknowledged in the queue orders")
	if err := message.Ack(false); err != nil {
		t.Fatal(err)
	}
	if _, err := ch.QueuePurge("orders", false); err != nil {
		t.Fatal(err)
	}
	expect(0, "")
}

func TestPostgresCountsRows(t *testing.T) {
	database := servicestest.Postgres(t)
	m := &middle.Middle{
		How:     manifest.Waiting{SQL: "SELECT count(*) FROM outbox WHERE NOT done"},
		Address: map[string]string{"DATABASE_URL": database},
	}
	if w, err := m.Ask(t.Context()); err == nil {
		t.Errorf("without the table: %v", w)
	}
	conn, err := pgx.Connect(t.Context(), database)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(t.Context()) })
	_, err = conn.Exec(t.Context(), `CREATE TABLE outbox AS SELECT n % 3 = 0 AS done
		FROM generate_series(1, 9) n`)
	if err != nil {
		t.Fatal(err)
	}
	if w, err := m.Ask(t.Context()); err != nil || w.N != 6 || w.String() != "6 in the database" {
		t.Errorf("waits: %d, %q, %v", w.N, w, err)
	}
	if _, err := conn.Exec(t.Context(), `UPDATE outbox SET done = true`); err != nil {
		t.Fatal(err)
	}
	if w, err := m.Ask(t.Context()); err != nil || w.N != 0 {
		t.Errorf("all is done: %d, %v", w.N, err)
	}
}
