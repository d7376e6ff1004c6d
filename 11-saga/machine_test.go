package saga

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// model is a whole shop without servers: the real state machine and the real
// decisions of the services, and a network that keeps every message that was ever
// sent and may deliver any of them, again and again, in any order.
type model struct {
	saga     Saga
	services map[string]Decision
	effects  map[string]int // +1 for each effect, -1 for each compensation
	times    map[string]int // how often the effect happened at all
	sent     []Message
	refuses  string // the service that says no, or ""
	rules    Rules
}

func newModel(refuses string, rules Rules) *model {
	m := &model{
		saga: Saga{State: Initially}, services: map[string]Decision{},
		effects: map[string]int{}, times: map[string]int{},
		refuses: refuses, rules: rules,
	}
	placed := Message{ID: "o", Kind: OrderPlaced}
	placed.Order.ID = "o"
	m.send([]Message{placed})
	return m
}

func (m *model) clone() *model {
	c := *m
	c.services, c.effects, c.times = map[string]Decision{}, map[string]int{}, map[string]int{}
	for _, b := range businesses {
		c.services[b.Name], c.effects[b.Name], c.times[b.Name] =
			m.services[b.Name], m.effects[b.Name], m.times[b.Name]
	}
	c.sent = slices.Clone(m.sent)
	return &c
}

func (m *model) send(out []Message) {
	for _, o := range out {
		known := func(s Message) bool { return s.ID == o.ID }
		if !slices.ContainsFunc(m.sent, known) {
			m.sent = append(m.sent, o)
		}
	}
}

// deliver hands one message to whom it is for. Nothing filters repetitions: the
// machine and the services must be right even without an inbox.
func (m *model) deliver(msg Message) {
	for _, b := range businesses {
		if msg.Kind != b.Command && msg.Kind != b.Compensation {
			continue
		}
		undo := msg.Kind == b.Compensation
		next, effect := m.services[b.Name].Next(undo, m.refuses == b.Name)
		m.services[b.Name] = next
		m.effects[b.Name] += effect
		m.times[b.Name] += max(effect, 0)
		m.send([]Message{(&service{Business: b}).say(msg, undo, next, "")})
		return
	}
	out, _ := m.saga.Fire(msg, m.rules)
	m.send(out)
}

func (m *model) timeout() {
	out, _ := m.saga.Fire(Message{ID: "t", Kind: Timeout, Version: m.saga.Version}, m.rules)
	m.send(out)
}

// wrong is what must not be, at any instant.
func (m *model) wrong() string {
	for _, b := range businesses {
		n := m.effects[b.Name]
		switch {
		case m.times[b.Name] > 1:
			return b.Name + ": done twice"
		case n < 0:
			return b.Name + ": undone more often than done"
		case m.saga.State == Accepted && n != 1:
			return "accepted without " + b.Name
		case m.saga.State == Cancelled && n != 0:
			return "cancelled and kept " + b.Name
		}
	}
	return ""
}

func (m *model) key() string {
	ids := make([]string, len(m.sent))
	for i, s := range m.sent {
		ids[i] = s.ID
	}
	slices.Sort(ids)
	return fmt.Sprint(m.saga, m.services, m.effects, m.times, ids)
}

// walk goes through every interleaving up to a bound: from every state that can be
// reached, every message that was ever sent is delivered, and the deadline passes.
// It is what a model checker such as TLC does, breadth first. It returns how many
// states there were and the first that was wrong.
func walk(first *model, limit int) (states int, ends map[State]int, wrong string) {
	seen := map[string]bool{first.key(): true}
	ends = map[State]int{}
	for queue := []*model{first}; len(queue) > 0 && len(seen) < limit; queue = queue[1:] {
		m := queue[0]
		if w := m.wrong(); w != "" {
			return len(seen), ends, w
		}
		if m.saga.State.Ended() {
			ends[m.saga.State]++
		}
		steps := []func(*model){(*model).timeout}
		for _, msg := range m.sent {
			steps = append(steps, func(c *model) { c.deliver(msg) })
		}
		for _, step := range steps {
			c := m.clone()
			step(c)
			if k := c.key(); !seen[k] {
				seen[k] = true
				queue = append(queue, c)
			}
		}
	}
	return len(seen), ends, ""
}

const walkLimit = 1_000

// With one attempt for each command the walk comes to its end: these are all
// interleavings there are, with every message delivered as often as one likes.
// With two there are too many, and it goes up to a bound.
func TestEveryInterleavingUpToABound(t *testing.T) {
	t.Parallel()
	for _, attempts := range []int{1, 2} {
		for _, refuses := range []string{"", "payment", "inventory", "shipping"} {
			states, ends, wrong := walk(newModel(refuses, Rules{attempts, orderSaga}), walkLimit)
			if wrong != "" {
				t.Errorf("%q refuses: %s", refuses, wrong)
			}
			if ends[Cancelled] == 0 || ends[Accepted] == 0 && refuses == "" {
				t.Errorf("%q refuses: the walk reached the ends %v", refuses, ends)
			}
			if attempts == 1 && states >= walkLimit {
				t.Errorf("%q refuses: the walk did not come to its end", refuses)
			}
			t.Logf("%d attempts, %q refuses: %d states, ends %v", attempts, refuses, states, ends)
		}
	}
}

// The red twin: without compensation the walk finds what is kept.
func TestTheWalkFindsWhatIsWrong(t *testing.T) {
	t.Parallel()
	_, _, wrong := walk(newModel("shipping", Rules{2, withoutCompensation(orderSaga)}), walkLimit)
	if !strings.Contains(wrong, "cancelled and kept") {
		t.Errorf("without compensation the walk found %q", wrong)
	}
}

// Longer lives than the walk can afford, by chance. Once the network calms down
// and delivers everything, every saga ends, or is parked and ends when resumed.
func TestRandomInterleavings(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		m := newModel(
			rapid.SampledFrom([]string{"", "payment", "inventory", "shipping"}).Draw(t, "refuses"),
			Rules{rapid.IntRange(1, 4).Draw(t, "attempts"), orderSaga})
		check := func(step func()) {
			step()
			if w := m.wrong(); w != "" {
				t.Fatalf("%s: %s", m.saga.State, w)
			}
		}
		for range rapid.IntRange(0, 60).Draw(t, "steps") {
			if rapid.IntRange(0, 3).Draw(t, "what") == 0 {
				check(m.timeout)
				continue
			}
			msg := rapid.SampledFrom(m.sent).Draw(t, "message")
			check(func() { m.deliver(msg) })
		}
		for i := 0; i < len(m.sent); i++ { // the list grows while it is read
			check(func() { m.deliver(m.sent[i]) })
		}
		if m.saga.State == Parked {
			check(func() { m.deliver(Message{ID: "r", Kind: Resume}) })
			for i := 0; i < len(m.sent); i++ {
				check(func() { m.deliver(m.sent[i]) })
			}
		}
		if !m.saga.State.Ended() {
			t.Fatalf("it ends in %s", m.saga.State)
		}
	})
}

func TestFireIgnoresWhatMeansNothing(t *testing.T) {
	t.Parallel()
	rules := Rules{3, orderSaga}
	for name, c := range map[string]struct {
		saga Saga
		m    Message
	}{
		"an answer before the question": {Saga{State: Initially}, Message{Kind: PaymentCharged}},
		"an order that comes again": {Saga{State: ReservingStock, Version: 2},
			Message{Kind: OrderPlaced}},
		"an answer after the end": {Saga{State: Accepted, Version: 4},
			Message{Kind: OrderShipped}},
		"the deadline of another state": {Saga{State: ReservingStock, Version: 2, Attempts: 1},
			Message{Kind: Timeout, Version: 1}},
		"resume of what is not parked": {Saga{State: RefundingPayment, Version: 5},
			Message{Kind: Resume}},
	} {
		before := fmt.Sprint(c.saga)
		out, moved := c.saga.Fire(c.m, rules)
		if moved || len(out) > 0 || fmt.Sprint(c.saga) != before {
			t.Errorf("%s: %v, %v; was %s", name, out, c.saga, before)
		}
	}
}

// The command is sent again for each deadline, and then what silence may have done
// is undone, the silent step first.
func TestSilenceIsUndoneFromTheSilentStepOn(t *testing.T) {
	t.Parallel()
	s := Saga{State: ArrangingShipment, Version: 3, Attempts: 1}
	s.Order.ID = "o"
	rules := Rules{2, orderSaga}
	for _, want := range []struct {
		state State
		sends Kind
	}{{ArrangingShipment, ShipOrder}, {RecallingShipment, RecallShipment},
		{RecallingShipment, RecallShipment}, {Parked, nothing}} {
		out, _ := s.Fire(Message{Kind: Timeout, Version: s.Version}, rules)
		sends := nothing
		if len(out) > 0 {
			sends = out[0].Kind
		}
		if s.State != want.state || sends != want.sends {
			t.Fatalf("%s, %v; want %+v", s.State, out, want)
		}
	}
	// The customer reads why the order was given up, the operator why it is parked.
	if s.ParkedIn != RecallingShipment || s.Reason != "no answer while ArrangingShipment" ||
		s.Problem != "no answer while RecallingShipment" {
		t.Errorf("parked as %+v", s)
	}
	late := Message{Kind: ShipmentRecalled}
	if s.Fire(late, rules); s.State != ReleasingStock {
		t.Errorf("an answer after all: %s", s.State)
	}
}

// What a saga costs to think about, beside the milliseconds of its commits.
func BenchmarkFire(b *testing.B) {
	for b.Loop() {
		s := Saga{State: ChargingPayment, Version: 1, Attempts: 1}
		if _, moved := s.Fire(Message{Kind: PaymentCharged}, Rules{3, orderSaga}); !moved {
			b.Fatal("it has not moved")
		}
	}
}

func TestTheDiagramOnThePageIsTheMachine(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("MEASUREMENTS.md")
	if err != nil {
		t.Fatal(err)
	}
	want := "```mermaid\n" + Diagram() + "```\n"
	if !strings.Contains(string(page), want) {
		t.Errorf("the page shows another machine than machine.go; it should show\n%s", want)
	}
	if strings.Count(Diagram(), "-->") < 25 {
		t.Errorf("the diagram has lost its edges:\n%s", Diagram())
	}
}

// A stranger's message: what is wrong with it is said, shortly, and nothing of it is
// believed.
func TestDecodeBelievesNothing(t *testing.T) {
	t.Parallel()
	good := Message{ID: "a", Kind: OrderPlaced, Order: newOrder(t, clients[0])}
	change := func(how func(*Message)) Message {
		m := good
		m.Order.Items = slices.Clone(m.Order.Items)
		how(&m)
		return m
	}
	for name, c := range map[string]struct {
		contentType string
		m           any
		problem     string // "" if it is taken
	}{
		"good":                {"application/json", good, ""},
		"no content type":     {"", good, ""},
		"with a charset":      {`Application/JSON; charset="UTF-8"`, good, ""},
		"another charset":     {"application/json; charset=utf-16", good, "utf-8"},
		"another type":        {"application/x-protobuf", good, "want application/json"},
		"no type at all":      {"json;;", good, "want application/json"},
		"a list":              {"", []int{1}, "not a message"},
		"empty":               {"", struct{}{}, "needs an id"},
		"no order":            {"", Message{ID: "a", Kind: OrderPlaced}, "not a UUID"},
		"NUL in the identity": {"", change(func(m *Message) { m.Order.ID = "o\x00" }), "not a UUID"},
		"URN":                 {"", change(func(m *Message) { m.Order.ID = "urn:uuid:" + m.Order.ID }), ""},
		"upper case": {"", change(func(m *Message) {
			m.Order.ID = strings.ToUpper(m.Order.ID)
		}), ""},
		"braces": {"", change(func(m *Message) { m.Order.ID = "{" + m.Order.ID + "}" }), ""},
		"no dashes": {"", change(func(m *Message) {
			m.Order.ID = strings.ReplaceAll(m.Order.ID, "-", "")
		}), ""},
		"negative quantity": {"", change(func(m *Message) {
			m.Order.Items[0].Quantity = -1
		}), "items[0].quantity"},
		"NUL in a product": {"", change(func(m *Message) { m.Order.Items[0].SKU = "a\x00" }),
			"control character"},
		"a long reason": {"", change(func(m *Message) {
			m.Reason = strings.Repeat("x", longestReason+1)
		}), "more than 1024 bytes"},
		"moves of nobody": {"", Message{ID: "a", Kind: SagaMoved,
			Moves: []Move{{OrderID: "\x00"}}}, "not a UUID"},
	} {
		body, err := json.Marshal(c.m)
		if err != nil {
			t.Fatal(err)
		}
		m, err := decode(c.contentType, body)
		switch {
		case c.problem == "" && (err != nil || m.Order.ID != good.Order.ID):
			t.Errorf("%s: %v, order %q", name, err, m.Order.ID)
		case c.problem != "" && (err == nil || !strings.Contains(err.Error(), c.problem)):
			t.Errorf("%s: %v, want %q", name, err, c.problem)
		}
	}
	digits := []byte(`{"id": "a", "order": {"items": [{"quantity": ` +
		strings.Repeat("9", 130_900) + `}]}}`)
	if _, err := decode("", digits); err == nil || len(cut(err.Error())) > longestReason {
		t.Errorf("a number of 130,900 digits: a reason of %d bytes", len(cut(err.Error())))
	}
}

func TestReasonsAreCutBetweenCharacters(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ reason, want string }{
		{"short", "short"},
		{"\x00\x1b[2J\n", "  [2J "},
		{"\xff", "?"},
		{strings.Repeat("x", longestReason-1) + "\u20ac", strings.Repeat("x", longestReason-1)},
		{strings.Repeat("\u20ac", longestReason), strings.Repeat("\u20ac", longestReason/3)},
	} {
		if got := cut(c.reason); got != c.want {
			t.Errorf("%.20q has become %.20q of %d bytes", c.reason, got, len(got))
		}
	}
}
