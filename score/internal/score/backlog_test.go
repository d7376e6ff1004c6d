package score

import (
	"context"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	amqp "github.com/rabbitmq/amqp091-go"

	"course.example/lab/internal/manifest"
	"course.example/lab/services/servicestest"
)

func TestCopiesDifferInIdentityAlone(t *testing.T) {
	t.Parallel()
	const id = anOrder
	p := pile{order: id, message: &amqp.Delivery{
		Type: "order.placed", MessageId: id, DeliveryMode: amqp.Persistent,
		Body: []byte(`{"order_id":"` + id + `","n":1}`),
	}}
	seen := map[string]bool{}
	for _, i := range []int{1, 2, 255, 1_000_000} {
		m, err := p.another(i)
		if err != nil {
			t.Fatal(err)
		}
		if seen[m.MessageId] || m.MessageId == id || len(m.MessageId) != len(id) {
			t.Errorf("copy %d is called %q", i, m.MessageId)
		}
		seen[m.MessageId] = true
		if want := `{"order_id":"` + m.MessageId + `","n":1}`; string(m.Body) != want {
			t.Errorf("copy %d is %s, want %s", i, m.Body, want)
		}
		if m.Type != p.message.Type || m.DeliveryMode != amqp.Persistent {
			t.Errorf("copy %d lost its properties: %+v", i, m)
		}
	}
	if got, err := p.another(255); err != nil || !strings.HasSuffix(got.MessageId, "0000000000ff") {
		t.Errorf("%q, %v", got.MessageId, err)
	}
	p.order = "order-17"
	if _, err := p.another(1); err == nil || !strings.Contains(err.Error(), "no UUID") {
		t.Errorf("an identity that cannot be varied: %v", err)
	}
}

const anOrder = "0199aaaa-bbbb-7ccc-8ddd-eeeeeeeeeeee"

// What piles up are messages that can be told apart, in two goes as in one.
func TestPileUpInRabbitMQ(t *testing.T) {
	t.Parallel()
	url := servicestest.RabbitMQ(t).URL
	conn, err := amqp.Dial(url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	}()
	channel, err := conn.Channel()
	if err != nil {
		t.Fatal(err)
	}
	const queue = "waiting"
	if _, err := channel.QueueDeclare(queue, true, false, false, false, nil); err != nil {
		t.Fatal(err)
	}
	p := pile{
		how: manifest.Backlog{Queue: queue}, address: map[string]string{"AMQP_URL": url},
		order: anOrder,
	}
	if err := p.add(t.Context(), 1); err == nil || !strings.Contains(err.Error(), "no message") {
		t.Errorf("an empty queue: %v", err)
	}
	err = channel.PublishWithContext(t.Context(), "", queue, true, false, amqp.Publishing{
		MessageId: anOrder, Body: []byte(`{"order_id":"` + anOrder + `"}`),
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{unconfirmed + 10, 7} {
		if err := p.add(t.Context(), n); err != nil {
			t.Fatal(err)
		}
	}
	const want = unconfirmed + 18
	seen := map[string]bool{}
	for len(seen) < want {
		m, ok, err := channel.Get(queue, true)
		if err != nil || !ok {
			t.Fatalf("%d messages wait, want %d; %v", len(seen), want, err)
		}
		if seen[m.MessageId] || string(m.Body) != `{"order_id":"`+m.MessageId+`"}` {
			t.Fatalf("message %q: %s", m.MessageId, m.Body)
		}
		seen[m.MessageId] = true
	}
	if m, ok, err := channel.Get(queue, true); err != nil || ok || !seen[anOrder] {
		t.Errorf("one more: %v %q, %v; the order itself: %v", ok, m.MessageId, err, seen[anOrder])
	}
}

func TestPileUpInPostgres(t *testing.T) {
	t.Parallel()
	url := servicestest.Postgres(t)
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := conn.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	}()
	_, err = conn.Exec(t.Context(), `CREATE TABLE waiting AS SELECT '`+anOrder+`'::uuid AS id`)
	if err != nil {
		t.Fatal(err)
	}
	p := pile{
		how: manifest.Backlog{SQL: []string{
			`INSERT INTO waiting SELECT (left($3::text, 24) || lpad(to_hex(n), 12, '0'))::uuid
			FROM generate_series($1::bigint, $2::bigint) n`,
		}},
		address: map[string]string{"DATABASE_URL": url}, order: anOrder,
	}
	if err := p.add(t.Context(), 1); err == nil {
		t.Error("a statement with a parameter too many is taken")
	}
	p.how.SQL = []string{`INSERT INTO waiting SELECT id FROM waiting WHERE $1 < 0 AND $2 < 0`}
	if err := p.add(t.Context(), 1); err == nil || !strings.Contains(err.Error(), "0 copies") {
		t.Errorf("nothing was copied, and nobody says so: %v", err)
	}
	p.how.SQL = []string{
		`INSERT INTO waiting SELECT (left(id::text, 24) || lpad(to_hex(n), 12, '0'))::uuid
		FROM generate_series($1::bigint, $2::bigint) n, (SELECT id FROM waiting LIMIT 1) one`,
		`VACUUM (ANALYZE) waiting`,
	}
	for _, n := range []int{300, 7, 0} {
		if err := p.add(t.Context(), n); err != nil {
			t.Fatal(err)
		}
	}
	var rows, orders int
	err = conn.QueryRow(t.Context(), `SELECT count(*), count(DISTINCT id) FROM waiting`).
		Scan(&rows, &orders)
	if err != nil || rows != 308 || orders != 308 {
		t.Errorf("%d rows of %d orders wait, want 308 of 308; %v", rows, orders, err)
	}
}
