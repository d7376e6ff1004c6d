package outbox

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"course.example/lab/services/servicestest"
	"course.example/shop"
	"github.com/jackc/pgx/v5"
)

// A message that nobody can read is parked with the reason in its row, and the
// reason says what to do.
func Example_unreadable() {
	for _, m := range []Message{
		{Kind: OrderPlacedV1, Body: []byte(`"hello"`)},
		{Kind: OrderPlacedV1, Body: []byte(`{"order_id": "7"}`)},
		{Kind: Kind{"order.placed", 2}, Body: []byte(`{}`)},
		{Kind: Kind{"order.danced", 1}, Body: []byte(`{}`)},
	} {
		_, err := m.decode()
		fmt.Println(strings.ReplaceAll(err.Error(), ": ", ":\n  "))
	}
	// Output:
	// unreadable message:
	//   order.placed v1:
	//   body is not an order:
	//   json:
	//   cannot unmarshal string into Go value of type shop.Order
	// unreadable message:
	//   order.placed v1:
	//   not a valid order:
	//   order_id:
	//   "7" is not a UUID
	// unreadable message:
	//   event "order.placed" version 2 is unknown:
	//   this consumer reads order.placed v1; deploy consumers before producers
	// unreadable message:
	//   event "order.danced" version 1 is unknown:
	//   this consumer reads order.placed v1; deploy consumers before producers
}

// The order and the message about it are one statement: both are there, or neither.
func ExampleProducer_Place() {
	servicestest.Example(func(t testing.TB) {
		s, pool := onDatabase(t)
		place(t, s, pool, 2)
		fmt.Println("orders:", count(t, pool, `SELECT count(*) FROM orders`))
		fmt.Println("messages:", count(t, pool, countOpen))
	})
	// Output:
	// orders: 2
	// messages: 2
}

// A message that comes twice has one effect: the second time its order is in the inbox.
func ExampleConsumer_inbox() {
	servicestest.Example(func(t testing.TB) {
		s, pool := onDatabase(t)
		s.Poll = 10 * time.Millisecond
		place(t, s, pool, 1)
		again := `INSERT INTO outbox (order_id, event, version, body)
			SELECT order_id, event, version, body FROM outbox`
		if _, err := pool.Exec(t.Context(), again); err != nil {
			t.Fatal(err)
		}
		fmt.Println("messages:", count(t, pool, countOpen))
		start(t, NewConsumer(pool, s, noWork).Run)
		eventually(t, "no message is left", func() bool { return count(t, pool, countOpen) == 0 })
		fmt.Println("effects:", count(t, pool, countEffects))
	})
	// Output:
	// messages: 2
	// effects: 1
}

// Two consumers ask at the same time. With SKIP LOCKED each gets another message, at once.
func Example_skipLocked() {
	servicestest.Example(func(t testing.TB) {
		s, pool := onDatabase(t)
		place(t, s, pool, 2)
		taken := map[int64]bool{}
		for range 2 {
			tx, err := pool.Begin(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer func(tx pgx.Tx) { _ = tx.Rollback(t.Context()) }(tx)
			var id int64
			err = tx.QueryRow(t.Context(), `SELECT id FROM outbox ORDER BY id LIMIT 1
				FOR UPDATE SKIP LOCKED`).Scan(&id)
			if err != nil {
				t.Fatal(err)
			}
			taken[id] = true
		}
		fmt.Println("different messages:", len(taken))
	})
	// Output: different messages: 2
}

// Without a lock: a row is changed only as it was read. Who comes second changes nothing.
func Example_optimistic() {
	servicestest.Example(func(t testing.TB) {
		s, pool := onDatabase(t)
		place(t, s, pool, 1)
		version := count(t, pool, `SELECT row_version FROM outbox`) // both have read it
		for _, consumer := range []string{"first", "second"} {
			tag, err := pool.Exec(t.Context(), `UPDATE outbox SET row_version = row_version + 1
				WHERE row_version = $1`, version)
			if err != nil {
				t.Fatal(err)
			}
			fmt.Println(consumer, "has taken", tag.RowsAffected())
		}
	})
	// Output:
	// first has taken 1
	// second has taken 0
}

// LISTEN and NOTIFY: a consumer that sleeps is woken by Postgres when an order was committed.
func Example_listen() {
	servicestest.Example(func(t testing.TB) {
		s, pool := onDatabase(t)
		conn, err := pgx.Connect(t.Context(), s.URL)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close(context.Background()) })
		if _, err := conn.Exec(t.Context(), `LISTEN outbox`); err != nil {
			t.Fatal(err)
		}
		if err := NewProducer(pool, s).Place(t.Context(), newOrder(t, shop.SampleEmail)); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		note, err := conn.WaitForNotification(ctx)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Println("woken by:", note.Channel)
		fmt.Println("messages:", count(t, pool, countOpen))
	})
	// Output:
	// woken by: outbox
	// messages: 1
}
