package observability

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/message/router/middleware"
)

// One order is one trace, through three processes and two queues, and each line is in its place.
// Not parallel: the default logger is everybody's.
func TestOneOrderIsOneTrace(t *testing.T) {
	w := newWorld(t)
	console := new(paper)
	logs := w.telemetry("all", "all")
	before := slog.Default()
	slog.SetDefault(slog.New(bothWays(slog.NewJSONHandler(console, nil), logs.logs)))
	defer slog.SetDefault(before)
	w.produce()
	w.consume("consumer", "consumer-1", NewConsumer)
	w.consume("shipper", "shipper", NewShipper)
	id := w.order("", "")
	w.worked("shipper", 1)
	w.end()
	logs.Stop()

	found := w.traces(id)
	if len(found) != 1 || !found[0].Whole {
		t.Fatalf("the order is in %d traces: %+v", len(found), found)
	}
	tr := found[0]
	want := `POST /orders Server
  publish orders Producer
    receive orders Client
      process orders Consumer
        publish orders.emailed Producer
          receive orders.emailed Client
            process orders.emailed Consumer
            ack orders.emailed Client
      ack orders Client`
	if got := names(tr.Rows); got != want {
		t.Errorf("the trace is\n%s\nwant\n%s", got, want)
	}
	if got := strings.Join(tr.Services, " "); got != "producer consumer shipper" {
		t.Errorf("through %s", got)
	}
	if got := tr.Rows[0].attr("order"); got != id {
		t.Errorf("the request's span names the order %q", got)
	}
	for _, s := range tr.Rows[1:] {
		if s.attr("messaging.system") != "rabbitmq" || s.attr("order") != id ||
			s.attr("messaging.operation.type") == "" ||
			s.attr("messaging.destination.name") == "" || s.Failed {
			t.Errorf("%s: %+v", s.Name, s)
		}
	}
	lines := map[string]string{}
	for _, s := range tr.Rows {
		for _, l := range s.Logs {
			lines[l.Text] = s.Name
		}
	}
	for text, span := range map[string]string{
		"order accepted": "POST /orders", "order received": "process orders",
		"order processed": "process orders", "parcel packed": "process orders.emailed",
	} {
		if lines[text] != span {
			t.Errorf("%q is in the span %q, want %q", text, lines[text], span)
		}
	}
	// The console's lines lead to the same trace.
	for line := range strings.Lines(console.text()) {
		var record map[string]any
		must(t, json.Unmarshal([]byte(line), &record))
		if record["order"] == id && (record["trace_id"] != tr.Trace || record["span_id"] == nil) {
			t.Errorf("a line without its trace: %s", line)
		}
	}
	// Where traces meet: the batch has a trace of its own, linked to the order's.
	batches := w.traces("ship+parcels")
	if len(batches) != 1 || len(batches[0].Rows[0].Links) != 1 ||
		batches[0].Rows[0].Links[0].Trace != tr.Trace ||
		batches[0].Rows[0].attr("parcels") != "1" {
		t.Errorf("the batch: %+v", batches)
	}
	// The numbers know of it, and people find it.
	counts(t, w, 1, 1, 0)
	t.Run("on the page", func(t *testing.T) { findOnThePage(t, w, id, tr.Trace) })
}

// counts compares what the metrics say of orders with what has happened.
func counts(t *testing.T, w *world, accepted, processed, failed float64) {
	t.Helper()
	for name, want := range map[string]float64{
		"shop.orders.accepted": accepted, "shop.orders.processed": processed,
		"shop.orders.failed": failed,
	} {
		if got := w.metric(name); got != want {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
}

// connect2 is a connection of the test's own, for questions.
func (w *world) connect2(t testing.TB) *Broker {
	t.Helper()
	b := w.connect()
	t.Cleanup(func() { check(t, b.Close()) })
	return b
}

// An order that fails is tried again and given up, and all of that can be read from its trace.
func TestRetriesAndTheEndAreInTheTrace(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.produce()
	w.consume("consumer", "consumer-1", NewConsumer)
	id := w.order("", bouncing)
	b := w.connect2(t)
	poison := take(t, b, PoisonTopic)
	w.end()

	if reason := poison.Metadata.Get(middleware.ReasonForPoisonedKey); !strings.Contains(reason,
		"the e-mail bounced") || middleware.MessageCorrelationID(poison) != id {
		t.Errorf("the poison message says %v", poison.Metadata)
	}
	tr := w.traces(id)[0]
	attempts := 0
	for _, s := range tr.Rows {
		if s.Name != "process orders" {
			continue
		}
		attempts++
		if !s.Failed || !strings.Contains(s.Status, "bounced") || len(s.Events) != 1 ||
			s.Events[0].Name != "exception" {
			t.Errorf("attempt %d does not say that it failed: %+v", attempts, s)
		}
	}
	if attempts != w.s.Attempts {
		t.Errorf("%d attempts are in the trace, want %d:\n%s", attempts, w.s.Attempts, names(tr.Rows))
	}
	if !strings.Contains(names(tr.Rows), "publish orders.poison Producer") {
		t.Errorf("where it went is not in the trace:\n%s", names(tr.Rows))
	}
	counts(t, w, 1, 0, 1)
}

// A message that cannot be read is not tried again, and one that makes the handler panic is.
func TestUnreadableAndPanicking(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		payload  string
		handler  Handler
		attempts int
		reason   string
	}{
		"no JSON":  {"not an order", nil, 1, "not an order of ours"},
		"no order": {`{"user_email": "ada@example.com"}`, nil, 1, "items: must hold"},
		"no id": {`{"user_email": "ada@example.com",
			"items": [{"sku": "X", "quantity": 1, "price_cents": 1}]}`, nil, 1, `order_id: "" is not a UUID`},
		"panic": {"{}", func(*message.Message) ([]*message.Message, error) {
			panic("out of paper")
		}, 3, "out of paper"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.consume("consumer", "consumer-1", func(
				b *Broker, tel *Telemetry, s Settings,
			) (*message.Router, error) {
				handler := c.handler
				if handler == nil {
					handler = emails(tel, s)
				}
				return NewRouter(b, tel, s, OrdersTopic, EmailedTopic, handler)
			})
			b := w.connect2(t)
			must(t, b.publisher.Publish(OrdersTopic,
				message.NewMessage(watermill.NewUUID(), []byte(c.payload))))
			poison := take(t, b, PoisonTopic)
			w.end()
			if string(poison.Payload) != c.payload {
				t.Errorf("the poison message holds %q", poison.Payload)
			}
			why := poison.Metadata.Get(middleware.ReasonForPoisonedKey)
			if !strings.Contains(why, c.reason) {
				t.Errorf("the reason is %q", why)
			}
			all := w.traces("")
			if len(all) != 1 {
				t.Fatalf("%d traces", len(all))
			}
			if got := strings.Count(names(all[0].Rows), "process orders"); got != c.attempts {
				t.Errorf("%d attempts, want %d:\n%s", got, c.attempts, names(all[0].Rows))
			}
		})
	}
}

// take takes one message out of a queue.
func take(t testing.TB, b *Broker, queue string) *message.Message {
	t.Helper()
	messages, err := b.subscriber.Subscribe(t.Context(), queue)
	must(t, err)
	select {
	case m := <-messages:
		if m == nil {
			t.Fatalf("the subscription to %s has ended", queue)
		}
		m.Ack()
		return m
	case <-time.After(patience):
		t.Fatalf("no message came in %s within %s", queue, patience)
	}
	return nil
}

// Many orders of one request have a trace each, which leads back to the request.
func TestAMassiveRequestIsManyTraces(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.produce()
	w.consume("consumer", "consumer-1", NewConsumer)
	w.order("?count=20", "")
	w.worked("consumer", 20)
	w.end()
	request := w.traces("POST")
	if len(request) != 1 {
		t.Fatalf("%d requests", len(request))
	}
	orders := w.traces("place+order")
	if len(orders) != 20 {
		t.Fatalf("%d traces of orders", len(orders))
	}
	for _, tr := range orders {
		if len(tr.Orders) != 1 || !tr.Whole || len(tr.Rows[0].Links) != 1 ||
			tr.Rows[0].Links[0].Trace != request[0].Trace {
			t.Errorf("%+v", tr)
		}
	}
}

// A student finds the two with the page alone, and so does this test.
func TestThePageTellsWhichConsumersAreInTrouble(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.s.Variant, w.s.Work = "slow-and-failing", 20*time.Millisecond
	w.produce()
	for _, process := range []string{"consumer-1", "consumer-2", "consumer-3"} {
		w.consume("consumer", process, NewConsumer)
	}
	w.order("?count=60", "")
	w.worked("consumer", 60)
	w.end()
	type worker struct {
		Instance, Name string
		Failed, Spans  int
		Median         float64
	}
	did := map[string]worker{}
	for _, one := range ask[[]worker](t, w.receiver+"/api/workers") {
		if one.Name == "process orders" {
			did[one.Instance] = one
		}
	}
	good, slow, failing := did["consumer-1"], did["consumer-2"], did["consumer-3"]
	if good.Spans == 0 || slow.Spans == 0 || failing.Spans == 0 {
		t.Fatalf("not all of them had work: %+v", did)
	}
	if good.Failed > 0 || slow.Failed > 0 || failing.Failed == 0 {
		t.Errorf("failed: %d, %d and %d", good.Failed, slow.Failed, failing.Failed)
	}
	if slow.Median < 3*good.Median {
		t.Errorf("the slow one's median is %v, the good one's %v", slow.Median, good.Median)
	}
	t.Run("on the page", func(t *testing.T) { findTheTwoOnThePage(t, w) })
}

// paper is what several goroutines may print on.
type paper struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (p *paper) Write(text []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.b.Write(text)
}

func (p *paper) text() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.b.String()
}
