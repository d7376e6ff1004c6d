package servicestest

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	amqp "github.com/rabbitmq/amqp091-go"
)

// Fate is what must become of a stranger's message.
type Fate string

// What must become of it. Whatever it is, the others are not held up.
const (
	Dead   Fate = "dead"   // it is in the dead-letter queue, once, and says why
	Done   Fate = "done"   // it is a good order, however it looks
	Either Fate = "either" // one of both, once
)

// Stranger is a message that did not come from the step's own producer.
type Stranger struct {
	Name string
	// Change makes it of a message such as the producer publishes.
	Change func(m *amqp.Publishing)
	Want   Fate
}

// WorkQueue is a step's consumer and the queue it works on.
type WorkQueue struct {
	Package string   // of the consumer's program: "./consumer"
	Env     []string // of the program, besides AMQP_URL
	Queue   string
	Dead    string // where its dead letters are
	Reason  string // the header that says why; default x-reason
	// Order returns a good order as the producer publishes it, and its identity.
	Order func(t testing.TB) (id string, message amqp.Publishing)
	// JSON says that its body is the order as JSON, or has it as the member named Member.
	JSON   bool
	Member string
	Says   string     // the message of the log that an order was done; default order processed
	More   []Stranger // of this step's own
}

// strangers are the same for every consumer. A step that joins the course gets them by one
// call of [Strangers].
var strangers = []Stranger{
	{"empty", func(m *amqp.Publishing) { m.Body = nil }, Dead},
	{"garbage", func(m *amqp.Publishing) { m.Body = []byte("\x00\xff\x1b[31mred") }, Dead},
	{"a megabyte of it", func(m *amqp.Publishing) {
		m.Body = bytes.Repeat([]byte{0xff}, 1<<20)
	}, Dead},
	{"no type", func(m *amqp.Publishing) { m.Type, m.Body = "", []byte("?") }, Dead},
	{"a longest type", func(m *amqp.Publishing) {
		m.Type, m.Body = strings.Repeat("€", 85), []byte("?")
	}, Dead},
	{"a foreign content type", func(m *amqp.Publishing) {
		m.ContentType, m.Body = "image/png", []byte("\x89PNG")
	}, Dead},
	{"a broken content type", func(m *amqp.Publishing) {
		m.ContentType, m.Body = ";;;", []byte("?")
	}, Dead},
	{"a forged delivery count", func(m *amqp.Publishing) {
		also(m, amqp.Table{"x-delivery-count": int64(50), "x-acquired-count": int64(50)})
	}, Done},
	{"a forged death", func(m *amqp.Publishing) {
		also(m, amqp.Table{"x-reason": "no reason", "x-deliveries": "many",
			"x-first-death-reason": "rejected"})
	}, Done},
	{"headers of 100 kB", func(m *amqp.Publishing) {
		also(m, amqp.Table{"x-stuff": strings.Repeat("x", 100<<10)})
	}, Done},
	{"headers that fill a frame, and garbage", func(m *amqp.Publishing) {
		also(m, amqp.Table{"x-stuff": strings.Repeat("x", 125_000)})
		m.Body = []byte("?")
	}, Dead},
	{"a thousand headers, and garbage", func(m *amqp.Publishing) {
		for i := range 1000 {
			also(m, amqp.Table{fmt.Sprintf("x-%04d", i): strings.Repeat("y", 100)})
		}
		m.Body = []byte("?")
	}, Dead},
	{"a user id and an expiry", func(m *amqp.Publishing) {
		m.UserId, m.Expiration, m.Body = "guest", "600000", []byte("?")
	}, Dead},
	{"a long message id", func(m *amqp.Publishing) {
		m.MessageId, m.Body = strings.Repeat("\x1b", 255), []byte("?")
	}, Dead},
	{"no message id", func(m *amqp.Publishing) { m.MessageId = "" }, Either},
}

// inJSON are for bodies in JSON: an order, or a message that has one as a member.
func inJSON(member string) []Stranger {
	field := func(name string, value any) func(*amqp.Publishing) {
		return func(m *amqp.Publishing) {
			edit(m, member, func(order map[string]any) { set(order, name, value) })
		}
	}
	respelled := func(spell func(id string) string) func(*amqp.Publishing) {
		return func(m *amqp.Publishing) {
			edit(m, member, func(order map[string]any) {
				order["order_id"] = spell(fmt.Sprint(order["order_id"]))
			})
		}
	}
	return []Stranger{
		{"a quantity of 130,900 digits", field("quantity", json.RawMessage("7"+
			strings.Repeat("1", 130_899))), Dead},
		{"an e-mail of 100 kB", field("user_email", strings.Repeat("€", 33_000)), Dead},
		{"no identity", field("order_id", nil), Dead},
		{"an identity that is a number", field("order_id", 7), Dead},
		{"an identity that is none", field("order_id", "seven"), Dead},
		{"an identity between two letters", respelled(func(id string) string {
			return "x" + id + "y"
		}), Dead},
		{"an identity with a NUL", field("order_id", "0199d3a0-7c1e-7000-8000-00000000000\x00"), Dead},
		{"an identity with an escape sequence", field("order_id", "\x1b]0;owned\x07"), Dead},
		{"an identity as a URN", respelled(func(id string) string { return "urn:uuid:" + id }), Done},
		{"an identity in braces", respelled(func(id string) string { return "{" + id + "}" }), Done},
		{"an identity in upper case", respelled(strings.ToUpper), Done},
		{"an identity without dashes", respelled(func(id string) string {
			return strings.ReplaceAll(id, "-", "")
		}), Done},
		{"no items", field("items", []int{}), Dead},
		{"nested without end", func(m *amqp.Publishing) {
			m.Body = bytes.Repeat([]byte("["), 100_000)
		}, Dead},
		{"two orders in one", func(m *amqp.Publishing) {
			m.Body = append(bytes.Clone(m.Body), m.Body...)
		}, Dead},
		{"a parameter in the content type", func(m *amqp.Publishing) {
			m.ContentType = "application/json; charset=utf-8"
		}, Done},
	}
}

// also adds headers: those that the producer writes may be what makes it readable.
func also(m *amqp.Publishing, headers amqp.Table) {
	all := maps.Clone(m.Headers)
	if all == nil {
		all = amqp.Table{}
	}
	maps.Copy(all, headers)
	m.Headers = all
}

// set replaces a field of the order, or of each of its items; nil takes it away.
func set(order map[string]any, name string, value any) {
	if items, ok := order["items"].([]any); ok && name == "quantity" {
		for _, item := range items {
			item.(map[string]any)[name] = value
		}
		return
	}
	order[name] = value
	if value == nil {
		delete(order, name)
	}
}

func edit(m *amqp.Publishing, member string, change func(order map[string]any)) {
	var message map[string]any
	if err := json.Unmarshal(m.Body, &message); err != nil {
		return // the caller has said that it is JSON; the message stays a good one
	}
	order := message
	if member != "" {
		order, _ = message[member].(map[string]any)
	}
	change(order)
	if body, err := json.Marshal(message); err == nil {
		m.Body = body
	}
}

// strangerPatience bounds how long a step's consumer may take for all of them.
const strangerPatience = 2 * time.Minute

// Strangers hands a step's built consumer what nobody has foreseen, a good order after each, and
// checks what must be true of every consumer: the good ones are done, each bad one is a dead
// letter, once, with a reason that can be read, no line of the log is without end, and SIGTERM
// still ends the program.
func Strangers(t *testing.T, q WorkQueue) {
	t.Helper()
	t.Parallel()
	all := slices.Concat(strangers, q.More)
	if q.JSON {
		all = slices.Concat(all, inJSON(q.Member))
	}
	broker := RabbitMQ(t)
	program := start(t, "consumer", build(t, q.Package), append(slices.Clip(q.Env),
		"AMQP_URL="+broker.URL, "VARIANT=", "WORK=0s"))
	program.await(t, strangerPatience, "it is ready", isReady)
	channel := dial(t, broker.URL)
	if err := channel.Confirm(false); err != nil {
		t.Fatal(err)
	}
	want := map[Fate]int{}
	done := map[string]string{} // by identity: what it is
	for _, s := range all {
		id, m := q.Order(t)
		s.Change(&m)
		publish(t, channel, q.Queue, s.Name, m)
		want[s.Want]++
		if s.Want == Done {
			done[id] = s.Name
		}
		id, m = q.Order(t)
		publish(t, channel, q.Queue, "a good order", m)
		done[id] = "the good order after " + s.Name
	}
	var processed map[string]int
	var dead int
	ends := time.Now().Add(strangerPatience)
	for settled := false; !settled; {
		processed = program.said(cmp.Or(q.Says, "order processed"))
		missing := map[string]string{}
		maps.Copy(missing, done)
		maps.DeleteFunc(missing, func(id, _ string) bool { return processed[id] > 0 })
		dead = count(t, channel, q.Dead)
		others := len(processed) - len(done) + len(missing)
		settled = len(missing) == 0 && dead+others == want[Dead]+want[Either] &&
			count(t, channel, q.Queue) == 0
		if !settled && time.Now().After(ends) {
			t.Fatalf("after %v: not done are %q; %d dead letters, want %d and up to %d more\n%s",
				strangerPatience, slices.Sorted(maps.Values(missing)), dead, want[Dead],
				want[Either], program.last(20))
		}
		pause(settled)
	}
	program.stop(t, endsWithin)
	checkLetters(t, channel, q, dead)
	if n := count(t, channel, q.Queue); n > 0 {
		t.Errorf("%d messages were given back at the end", n)
	}
	for id, times := range processed {
		if times > 1 {
			t.Errorf("%s (%s) was done %d times", id, done[id], times)
		}
	}
	program.checkLines(t, 30*len(all))
}

func pause(not bool) {
	if !not {
		<-time.After(50 * time.Millisecond)
	}
}

func dial(t testing.TB, address string) *amqp.Channel {
	t.Helper()
	conn, err := amqp.Dial(address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	channel, err := conn.Channel()
	if err != nil {
		t.Fatal(err)
	}
	return channel
}

// publish returns when the broker has the message: a quorum queue that has just been declared may
// refuse its first ones.
func publish(t testing.TB, channel *amqp.Channel, queue, name string, m amqp.Publishing) {
	t.Helper()
	for range 100 {
		confirm, err := channel.PublishWithDeferredConfirm("", queue, true, false, m)
		if err != nil {
			t.Fatalf("publish %s: %v", name, err)
		}
		if confirm.Wait() {
			return
		}
		pause(false)
	}
	t.Fatalf("publish %s: the broker does not confirm it", name)
}

func count(t testing.TB, channel *amqp.Channel, queue string) int {
	t.Helper()
	q, err := channel.QueueDeclarePassive(queue, true, false, false, false, nil)
	if err != nil {
		t.Fatalf("look at the queue %s: %v", queue, err)
	}
	return q.Messages
}

func checkLetters(t *testing.T, channel *amqp.Channel, q WorkQueue, n int) {
	t.Helper()
	const maxReason = 1 << 10
	for range n {
		d, ok, err := channel.Get(q.Dead, true)
		if err != nil || !ok {
			t.Fatalf("take a dead letter of %d: there is one: %v, %v", n, ok, err)
		}
		reason, _ := d.Headers[cmp.Or(q.Reason, "x-reason")].(string)
		if reason == "" || len(reason) > maxReason || !utf8.ValidString(reason) {
			t.Errorf("the dead letter %.40q has a reason of %d bytes: %.80q",
				d.Body, len(reason), reason)
		}
	}
}
