package eventsourcing

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"course.example/shop"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"pgregory.net/rapid"
)

// tables are all in which something personal could be left.
var tables = []string{"events", "snapshots", "customer_orders", "stock", "sales", "letters",
	"parked", "checkpoints", "projections", "customer_keys"}

// traces are the tables in which a text stands in the clear.
func traces(t testing.TB, pool *pgxpool.Pool, text string) (found []string) {
	t.Helper()
	for _, table := range tables {
		if count(t, pool, `SELECT count(*) FROM `+table+` x WHERE strpos(x::text, $1) > 0`, text) > 0 {
			found = append(found, table)
		}
	}
	return found
}

// The key is thrown away: nobody reads any more who it was, and everything else is as it was.
func TestAForgottenCustomer(t *testing.T) {
	t.Parallel()
	s, pool := onDatabase(t)
	s.Snapshot = 1
	c := serve(t, NewProducer(pool, s))
	project(t, pool, s, everyProjection...)
	const email, words = "ada.forget@example.com", "I am moving to Pisa"
	id, _ := c.order(`{"user_email":"` + email + `","items":[{"sku":"A","quantity":1,"price_cents":7}]}`)
	other, _ := c.order("")
	c.do("POST", "/orders/"+id+"/items", "", `{"items":[{"sku":"A","quantity":2,"price_cents":7}]}`)
	c.do("POST", "/orders/"+id+"/cancel", "", `{"reason":"`+words+`"}`)
	drained(t, pool)
	check := func(when, who, why, orders string) {
		t.Helper()
		_, _, now := c.do("GET", "/orders/"+id, "", "")
		if !strings.Contains(now, `"user_email":"`+who+`"`) || !strings.Contains(now, `"version":3`) ||
			!strings.Contains(now, `"reason":"`+why+`"`) || strings.Contains(now, "sealed") {
			t.Errorf("%s the order is %s", when, now)
		}
		var history []Happened
		_, _, text := c.do("GET", "/orders/"+id+"/history", "", "")
		if err := json.Unmarshal([]byte(text), &history); err != nil || len(history) != 3 ||
			history[0].Personal != who || history[1].Personal != "" || history[2].Personal != why {
			t.Errorf("%s its history is %s, %v", when, text, err)
		}
		_, _, his := c.do("GET", "/customers/"+email+"/orders", "", "")
		if strings.Contains(his, id) != (orders != "") {
			t.Errorf("%s the customer's orders are %s", when, his)
		}
		name := value[string](t, pool, `SELECT customer FROM customer_orders WHERE order_id = $1`, id)
		_, _, his = c.do("GET", "/customers/"+name+"/orders", "", "")
		if !strings.Contains(his, `"customer":"`+who+`"`) {
			t.Errorf("%s the orders of %s are %s", when, name, his)
		}
	}
	check("before,", email, words, id)
	if found := traces(t, pool, email); len(found) != 1 || found[0] != "customer_keys" {
		t.Errorf("the address stands in %q, want the keys alone", found)
	}
	if found := traces(t, pool, words); len(found) > 0 {
		t.Errorf("what the customer has said stands in %q", found)
	}
	before := audited(t, pool)

	if status, _, text := c.do("DELETE", "/customers/"+email, "", ""); status != 204 {
		t.Fatalf("DELETE: %d %s", status, text)
	}
	check("afterwards", Forgotten, Forgotten, "")
	if found := traces(t, pool, email); len(found) > 0 {
		t.Errorf("the address still stands in %q", found)
	}
	if _, _, text := c.do("GET", "/orders/"+other, "", ""); !strings.Contains(text, shop.SampleEmail) {
		t.Errorf("another customer is forgotten, too: %s", text)
	}
	if after := audited(t, pool); after.Events != before.Events || after.Processed != 2 {
		t.Errorf("the audit counted %+v, and now %+v", before, after)
	}
	if _, err := Rebuild(t.Context(), pool, s, "customers", 2); err != nil {
		t.Error(err)
	}
	audited(t, pool)
	check("built again,", Forgotten, Forgotten, "")

	if status, _, _ := c.do("DELETE", "/customers/"+email, "", ""); status != 404 {
		t.Errorf("forgotten twice: %d", status)
	}
	c.order(`{"user_email":"` + email + `","items":[{"sku":"A","quantity":1,"price_cents":7}]}`)
	check("for a new customer with this address,", Forgotten, Forgotten, "")
}

func value[T any](t testing.TB, pool *pgxpool.Pool, query string, args ...any) (v T) {
	t.Helper()
	if err := pool.QueryRow(t.Context(), query, args...).Scan(&v); err != nil {
		t.Fatal(err)
	}
	return v
}

// A key that a process keeps makes the forgotten readable, and writes to them.
func TestWrongKeyCacheRemembersWhoIsForgotten(t *testing.T) {
	bothWays(t, "key-cache", func(t *testing.T, variant string, red bool) {
		s, pool := onDatabase(t)
		s.Variant = variant
		p := NewProducer(pool, s)
		c := serve(t, p)
		var letters []string
		mail := NewProjector(pool, s, "mail", func(_ context.Context, o shop.Order) error {
			letters = append(letters, o.UserEmail)
			return nil
		})
		first := place(t, p, 1)[0]
		mails := func(n int) func() bool {
			return func() bool {
				round(t, mail)
				return count(t, pool, `SELECT (SELECT count(*) FROM letters) +
					(SELECT count(*) FROM parked)`) == n
			}
		}
		eventually(t, "the first letter", mails(1))
		c.do("GET", "/orders/"+first.String(), "", "") // the producer has had the key, too
		second := place(t, p, 1)[0]
		if status, _, text := c.do("DELETE", "/customers/"+shop.SampleEmail, "", ""); status != 204 {
			t.Fatalf("DELETE: %d %s", status, text)
		}
		eventually(t, "the second letter, or none", mails(2))
		if (len(letters) == 2) != red {
			t.Errorf("letters went to %q", letters)
		}
		for _, id := range []uuid.UUID{first, second} {
			_, _, text := c.do("GET", "/orders/"+id.String(), "", "")
			if strings.Contains(text, shop.SampleEmail) != red {
				t.Errorf("who is forgotten: %s", text)
			}
		}
	})
}

// Who is forgotten before his letter gets none, and that is said. Nobody tries again.
func TestForgottenBeforeTheLetter(t *testing.T) {
	t.Parallel()
	s, pool := onDatabase(t)
	p := NewProducer(pool, s)
	id := place(t, p, 1)[0]
	exec(t, pool, `DELETE FROM customer_keys`)
	project(t, pool, s, everyProjection...)
	drained(t, pool)
	if a := audited(t, pool); a.Failed != 1 || a.Lost != 0 || a.Parked != 1 {
		t.Errorf("the audit counts %+v", a)
	}
	if n := count(t, pool, `SELECT count(*) FROM parked WHERE for_good AND reason LIKE '%forgotten%'`); n != 1 {
		t.Error("it is not parked for good, with the reason")
	}
	// The order goes on without him, and what he says about it is not written down.
	execute(t, p, id, CancelOrder{"I am still here"})
	drained(t, pool)
	audited(t, pool)
	if found := traces(t, pool, "still here"); len(found) > 0 {
		t.Errorf("what he has said stands in %q", found)
	}
}

// What was written before there were keys stays readable: there is nothing to throw away.
func TestWhatIsOlderThanKeysIsNotForgotten(t *testing.T) {
	t.Parallel()
	s, pool := onDatabase(t)
	old := s
	old.Reads, old.Writes = 3, 3
	id := place(t, NewProducer(pool, old), 1)[0]
	c := serve(t, NewProducer(pool, s))
	if status, _, _ := c.do("DELETE", "/customers/"+shop.SampleEmail, "", ""); status != 404 {
		t.Errorf("DELETE: %d", status)
	}
	_, _, text := c.do("GET", "/orders/"+id.String(), "", "")
	if !strings.Contains(text, shop.SampleEmail) {
		t.Errorf("the order is %s", text)
	}
	project(t, pool, s, everyProjection...)
	drained(t, pool)
	_, _, text = c.do("GET", "/customers/"+shop.SampleEmail+"/orders", "", "")
	if !strings.Contains(text, id.String()) {
		t.Errorf("the orders are %s", text)
	}
	audited(t, pool)
}

// To forget by changing the log is found: by the chain, or because it does not add up any more.
func TestWrongForgettingInTheLogBreaksIt(t *testing.T) {
	t.Parallel()
	for name, harm := range map[string]string{
		"deleted events": `DELETE FROM events WHERE stream = $1`,
		"written over": `UPDATE events SET body = jsonb_set(body::jsonb, '{personal,text}', '"AAAA"')::json
			WHERE stream = $1 AND version = 1`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, pool := onDatabase(t)
			id := place(t, NewProducer(pool, s), 1)[0]
			project(t, pool, s, everyProjection...)
			drained(t, pool)
			audited(t, pool)
			exec(t, pool, harm, id)
			if a := audit(t, pool); a.Edited+a.Differences == 0 {
				t.Errorf("nobody has noticed: %+v", a)
			}
		})
	}
}

// Two producers meet a new customer at the same time: he gets one key.
func TestTwoProducersMakeOneKey(t *testing.T) {
	t.Parallel()
	s, pool := onDatabase(t)
	a, b := NewProducer(pool, s), NewProducer(pool, s)
	answers := make(chan error, 20)
	for i := range 20 {
		p := []*Producer{a, b}[i%2]
		order := newOrder(t, "new@example.com")
		go func() { answers <- p.Place(context.Background(), order) }()
	}
	for range 20 {
		if err := receive(t, "answer", answers); err != nil {
			t.Error(err)
		}
	}
	if n := count(t, pool, `SELECT count(DISTINCT body #>> '{personal,customer}') FROM events`); n != 1 {
		t.Errorf("%d names for one customer", n)
	}
	// One that has looked before the key was there makes another: the first is kept.
	if err := a.makeKeys(t.Context(), []string{"new@example.com"}); err != nil {
		t.Fatal(err)
	}
	if n := count(t, pool, `SELECT count(*) FROM customer_keys JOIN events
		ON customer::text = body #>> '{personal,customer}'`); n != 20 {
		t.Errorf("%d of 20 orders have a key", n)
	}
}

// What is sealed opens to what it was, with its own key and in its own order only.
func TestSealAndOpen(t *testing.T) {
	t.Parallel()
	_, pool := onDatabase(t)
	p := NewProducer(pool, DefaultSettings())
	ada, grace := owner{email: "ada@example.com"}, owner{email: "grace@example.com"}
	keys, err := p.keysOf(t.Context(), map[owner]bool{ada: true, grace: true})
	if err != nil || len(keys) != 4 { // each by address and by name
		t.Fatalf("%v, %v", keys, err)
	}
	hers := opener{keys[ada].customer: keys[ada]}
	// Another key behind the same name: what a mistake in the table would be.
	mixedUp := opener{keys[ada].customer: keys[grace]}
	order, other := uuid.New(), uuid.New()
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.String().Draw(t, "text")
		s := keys[ada].seal(order, text)
		if got, err := hers.open(order, s, ""); got != text || err != nil {
			t.Fatalf("%q was opened as %q, %v", text, got, err)
		}
		if again := keys[ada].seal(order, text); string(again.Text) == string(s.Text) {
			t.Fatal("the same text sealed twice looks the same: a nonce was used again")
		}
		for name, err := range map[string]error{
			"in another order": second(hers.open(other, s, "")),
			"with another key": second(mixedUp.open(order, s, "")),
		} {
			if err == nil || errors.Is(err, ErrForgotten) {
				t.Fatalf("%s: %v", name, err)
			}
		}
		if _, err := (opener{}).open(order, s, ""); !errors.Is(err, ErrForgotten) {
			t.Fatalf("without a key: %v", err)
		}
	})
}

func second[T any](_ T, err error) error { return err }
