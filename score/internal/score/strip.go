package score

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"course.example/lab/internal/history"
	"course.example/lab/internal/ledger"
)

// Strip is the history of a fault run, small enough to be kept with the figures:
// what [history.Run] holds, by number instead of by name. Times are milliseconds.
type Strip struct {
	Processes []string `json:"processes"`
	// Events are four numbers each, with commas, one after the other with spaces:
	// time, kind, process, order. The process -1 is the customer.
	Events string      `json:"events"`
	Marks  []StripMark `json:"marks"`
	// Lives are process, from and to, written as the events are.
	Lives   string `json:"lives"`
	Refused string `json:"refused,omitempty"`
	// OneIn says that of so many orders that came to one end, one is kept.
	OneIn int `json:"one_in,omitempty"`
}

// StripMark is a fault or its end.
type StripMark struct {
	MS    int    `json:"ms"`
	Act   string `json:"act"`
	Fault bool   `json:"fault,omitempty"`
}

var kinds = []ledger.Kind{
	ledger.Accepted, ledger.Received, ledger.Processed, ledger.Failed, ledger.Skipped,
}

// drawn is how many ordinary orders a picture needs at most: more would be one smear.
const drawn = 800

// ordinary are the orders that came to one end: neither lost nor done twice.
func ordinary(h history.Run, verdicts []ledger.Verdict) map[string]bool {
	plain, odd := map[string]bool{}, map[string]bool{}
	for i, v := range verdicts {
		order := h.Events[i].Order
		switch {
		case v.Ends():
			plain[order] = true
		case v.Happened() || v == ledger.Open || v == ledger.Contradiction:
			odd[order] = true
		}
	}
	maps.DeleteFunc(plain, func(order string, _ bool) bool { return odd[order] })
	return plain
}

func newStrip(h history.Run) *Strip {
	s := &Strip{}
	verdicts := ledger.Judge(h.Events)
	plain := ordinary(h, verdicts)
	if len(plain) > drawn {
		s.OneIn = (len(plain) + drawn - 1) / drawn
	}
	ms := func(t time.Time) int { return int(t.Sub(h.Started).Milliseconds()) }
	process := func(name string) int {
		i := slices.Index(s.Processes, name)
		if i < 0 {
			i = len(s.Processes)
			s.Processes = append(s.Processes, name)
		}
		return i
	}
	var lives, events, refused []string
	for _, l := range h.Lives {
		lives = append(lives, fmt.Sprintf("%d,%d,%d", process(l.Process), ms(l.From), ms(l.To)))
	}
	orders := map[string]int{}
	for i, e := range h.Events {
		if verdicts[i] == ledger.Repeat {
			continue // somebody else has said so, or the same one before
		}
		n, ok := orders[e.Order]
		if !ok {
			n = len(orders) + 1
			orders[e.Order] = n
		}
		if s.OneIn > 1 && plain[e.Order] && n%s.OneIn != 0 {
			continue
		}
		who := slices.Index(s.Processes, e.Process)
		events = append(events,
			fmt.Sprintf("%d,%d,%d,%d", ms(e.Time), slices.Index(kinds, e.Kind), who, n))
	}
	for _, t := range h.Refused {
		refused = append(refused, fmt.Sprint(ms(t)))
	}
	for _, m := range h.Marks {
		s.Marks = append(s.Marks, StripMark{ms(m.Time), m.Act, m.Fault})
	}
	s.Lives, s.Events = strings.Join(lives, " "), strings.Join(events, " ")
	s.Refused = strings.Join(refused, " ")
	return s
}

// numbers reads what newStrip wrote.
func numbers(text string, each int) ([][]int, error) {
	var all [][]int
	for _, group := range strings.Fields(text) {
		parts := strings.Split(group, ",")
		if len(parts) != each {
			return nil, fmt.Errorf("%q is not %d numbers", group, each)
		}
		one := make([]int, each)
		for i, part := range parts {
			if _, err := fmt.Sscan(part, &one[i]); err != nil {
				return nil, fmt.Errorf("%q is no number: %w", part, err)
			}
		}
		all = append(all, one)
	}
	return all, nil
}

// History is the strip as the pictures of `lab break` want it.
func (s *Strip) History() (history.Run, error) {
	start := time.Unix(0, 0)
	at := func(ms int) time.Time { return start.Add(time.Duration(ms) * time.Millisecond) }
	h := history.Run{Started: start}
	name := func(i int) string {
		if i < 0 || i >= len(s.Processes) {
			return ledger.Customer
		}
		return s.Processes[i]
	}
	events, err := numbers(s.Events, 4)
	if err != nil {
		return h, fmt.Errorf("events: %w", err)
	}
	for _, e := range events {
		if e[1] < 0 || e[1] >= len(kinds) {
			return h, fmt.Errorf("events: there is no kind %d", e[1])
		}
		h.Events = append(h.Events, ledger.Event{
			Time: at(e[0]), Kind: kinds[e[1]], Process: name(e[2]), Order: fmt.Sprint(e[3]),
		})
	}
	lives, err := numbers(s.Lives, 3)
	if err != nil {
		return h, fmt.Errorf("lives: %w", err)
	}
	for _, l := range lives {
		h.Lives = append(h.Lives, history.Life{Process: name(l[0]), From: at(l[1]), To: at(l[2])})
	}
	refused, err := numbers(s.Refused, 1)
	if err != nil {
		return h, fmt.Errorf("refused: %w", err)
	}
	for _, r := range refused {
		h.Refused = append(h.Refused, at(r[0]))
	}
	for _, m := range s.Marks {
		h.Marks = append(h.Marks, history.Mark{Time: at(m.MS), Act: m.Act, Fault: m.Fault})
	}
	return h, nil
}
