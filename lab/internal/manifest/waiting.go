package manifest

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// Waiting says how the lab asks what still waits between producer and consumer: what was handed
// out and not yet answered for waits, too. A run is over when nothing waits and nothing has
// happened for the settle time. A step may be asked in several ways; what waits is added up.
type Waiting struct {
	// Queues are queues in RabbitMQ. Messages that are ready and those that are unacknowledged
	// wait. Dead letters do not wait for anybody: leave their queue out. One of the queues at
	// least must exist; variants may have others.
	Queues []string `yaml:"queues"`
	// SQL is a query of Postgres that answers with one number.
	SQL string `yaml:"sql"`
	// Health are numbers that every process of a kind tells among the details of /healthz, by
	// kind: {shop: [depth, in_progress]}.
	Health map[string][]string `yaml:"health"`
}

// Audit says how the lab reads the book of a step that keeps one: what became of the orders as
// the step itself has written it down, where the effect happened. One of the two is given. Either
// answers with a JSON object; see ledger.Book.
type Audit struct {
	Command []string `yaml:"command"` // a package of the step, and its arguments
	URL     string   `yaml:"url"`     // such as {{url "account"}}/audit
}

// What is taken where the manifest says nothing.
const (
	settleAsked   = 500 * time.Millisecond // the middle says whether anything waits
	settleUnasked = 2 * time.Second        // nobody does
	standstill    = 10 * time.Second
)

// fillSettle fills in how runs of the step end.
func (s *Step) fillSettle() {
	if s.Settle == 0 {
		s.Settle = Duration(settleUnasked)
		if s.Waiting != nil {
			s.Settle = Duration(settleAsked)
		}
	}
	for i := range s.Experiments {
		e := &s.Experiments[i]
		if e.Settle == 0 {
			e.Settle = s.SettleWith(e.Load)
		}
		if e.Limit == 0 {
			e.Limit = Duration(standstill)
		}
	}
}

// SettleWith is how long nothing may happen under a load. Where nobody tells what waits, what is in
// work is silent, too.
func (s *Step) SettleWith(load Load) Duration {
	if s.Waiting == nil && load.Work != nil {
		return s.Settle + 2**load.Work
	}
	return s.Settle
}

// Standstill is how long nothing may move in the middle of a run that a person watches.
func (s *Step) Standstill() time.Duration { return standstill }

func (s *Step) checkWaiting() error {
	if err := checkTime("settle", s.Settle, maxWait); err != nil {
		return err
	}
	w := s.Waiting
	if w == nil {
		return nil
	}
	for _, source := range []struct {
		key    string
		given  bool
		server string
	}{{"queues", len(w.Queues) > 0, "rabbitmq"}, {"sql", w.SQL != "", "postgres"}} {
		if source.given && !slices.Contains(s.Services(), source.server) {
			return under(fmt.Errorf("the step does not need %s", source.server),
				"waiting", source.key)
		}
	}
	for _, kind := range sortedKeys(w.Health) {
		p, ok := s.Process(kind)
		if !ok || !p.HTTP || len(w.Health[kind]) == 0 {
			return under(errors.New("want a process that serves http, and the numbers to add up"),
				"waiting", "health", kind)
		}
	}
	if len(w.Queues) == 0 && w.SQL == "" && len(w.Health) == 0 {
		return wrong("waiting", "who is to be asked? queues, sql or health")
	}
	return nil
}

func (s *Step) checkAudit() error {
	if s.Audit == nil {
		return nil
	}
	if (len(s.Audit.Command) == 0) == (s.Audit.URL == "") {
		return wrong("audit", "want either a command or a url")
	}
	return under(s.checkURL(s.Audit.URL), "audit", "url")
}
