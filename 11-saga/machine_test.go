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

var businesses = []Business{Payment(), Inventory(), Shipping()}

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
		if o.Kind != SagaMoved && !slices.ContainsFunc(m.sent, known) {
			m.sent = append(m.sent, o)
		}
	}
}

// deliver hands one message to whom it is for. Nothing filters repetitions: the
// machine and the services must be right even without an inbox.
func (m *model) deliver(msg Message) error {
	for _, b := range businesses {
		if msg.Kind != b.DoIt && msg.Kind != b.UndoIt {
			continue
		}
		undo := msg.Kind == b.UndoIt
		next, effect := m.services[b.Name].Next(undo, m.refuses == b.Name)
		m.services[b.Name] = next
		m.effects[b.Name] += effect
		m.times[b.Name] += max(effect, 0)
		m.send((&service{Business: b}).say(msg, undo, next, ""))
		return nil
	}
	out, err := m.saga.Fire(msg, m.rules)
	m.send(out)
	return err
}

func (m *model) timeout() error {
	out, err := m.saga.Fire(Message{ID: "t", Kind: Timeout, Version: m.saga.Version}, m.rules)
	m.send(out)
	return err
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
		steps := []func(*model) error{(*model).timeout}
		for _, msg := range m.sent {
			steps = append(steps, func(c *model) error { return c.deliver(msg) })
		}
		for _, step := range steps {
			c := m.clone()
			if err := step(c); err != nil {
				return len(seen), ends, err.Error()
			}
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
			states, ends, wrong := walk(newModel(refuses, Rules{attempts, true}), walkLimit)
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
	_, _, wrong := walk(newModel("shipping", Rules{2, false}), walkLimit)
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
			Rules{rapid.IntRange(1, 4).Draw(t, "attempts"), true})
		check := func(err error) {
			if err != nil {
				t.Fatal(err)
			}
			if w := m.wrong(); w != "" {
				t.Fatalf("%s: %s", m.saga.State, w)
			}
		}
		for range rapid.IntRange(0, 60).Draw(t, "steps") {
			if rapid.IntRange(0, 3).Draw(t, "what") == 0 {
				check(m.timeout())
				continue
			}
			check(m.deliver(rapid.SampledFrom(m.sent).Draw(t, "message")))
		}
		for i := 0; i < len(m.sent); i++ { // the list grows while it is read
			check(m.deliver(m.sent[i]))
		}
		if m.saga.State == Parked {
			check(m.deliver(Message{ID: "r", Kind: Resume}))
			for i := 0; i < len(m.sent); i++ {
				check(m.deliver(m.sent[i]))
			}
		}
		if !m.saga.State.Ended() {
			t.Fatalf("it ends in %s", m.saga.State)
		}
	})
}

func TestFireIgnoresWhatMeansNothing(t *testing.T) {
	t.Parallel()
	rules := Rules{3, true}
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
		out, err := c.saga.Fire(c.m, rules)
		if err != nil || len(out) > 0 || fmt.Sprint(c.saga) != before {
			t.Errorf("%s: %v, %v, %v; was %s", name, out, err, c.saga, before)
		}
	}
}

// The command is sent again for each deadline, and then what silence may have done
// is undone, the silent step first.
func TestSilenceIsUndoneFromTheSilentStepOn(t *testing.T) {
	t.Parallel()
	s := Saga{State: ArrangingShip, Version: 3, Attempts: 1}
	s.Order.ID = "o"
	rules := Rules{2, true}
	for _, want := range []struct {
		state State
		sends Kind
	}{{ArrangingShip, ShipOrder}, {RecallingShip, RecallShipment}, {RecallingShip, RecallShipment},
		{Parked, SagaMoved}} {
		out, err := s.Fire(Message{Kind: Timeout, Version: s.Version}, rules)
		if err != nil || s.State != want.state || len(out) == 0 || out[0].Kind != want.sends {
			t.Fatalf("%s, %v, %v; want %+v", s.State, out, err, want)
		}
	}
	if s.ParkedIn != RecallingShip || !strings.Contains(s.Reason, "no answer") {
		t.Errorf("parked as %+v", s)
	}
	late := Message{Kind: ShipmentRecall}
	if _, err := s.Fire(late, rules); err != nil || s.State != ReleasingStock {
		t.Errorf("an answer after all: %s, %v", s.State, err)
	}
}

// What a saga costs to think about, beside the milliseconds of its commits.
func BenchmarkFire(b *testing.B) {
	for b.Loop() {
		s := Saga{State: ChargingPayment, Version: 1, Attempts: 1}
		if _, err := s.Fire(Message{Kind: PaymentCharged}, Rules{3, true}); err != nil {
			b.Fatal(err)
		}
	}
}

func TestTheDiagramInTheREADMEIsTheMachine(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	want := "```mermaid\n" + Diagram() + "```\n"
	if !strings.Contains(string(page), want) {
		t.Errorf("the README shows another machine than machine.go; it should show\n%s", want)
	}
	if strings.Count(Diagram(), "-->") < 25 {
		t.Errorf("the diagram has lost its edges:\n%s", Diagram())
	}
}

func TestDecodeRefusesWhatIsNoMessage(t *testing.T) {
	t.Parallel()
	good, err := json.Marshal(Message{ID: "a", Kind: OrderPlaced, Order: newOrder(t, clients[0])})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := decode(good); err != nil {
		t.Error(err)
	}
	for _, bad := range []string{"", "{", "[]", "{}", `{"id":"a"}`} {
		if _, err := decode([]byte(bad)); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}
