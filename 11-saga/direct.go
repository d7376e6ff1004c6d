package saga

import (
	"context"

	"course.example/shop"
	"github.com/jackc/pgx/v5"
)

// Direct is the three services without messages: whoever calls one waits for its answer. It is
// for an engine that keeps a record itself of what it has asked for and was told: see the part
// durable. It is safe for concurrent use.
type Direct struct {
	settings Settings
	services map[Kind]*service // by their commands and compensations
	close    func()
}

// Answer is what a service has decided.
type Answer struct {
	Kind   Kind   `json:"kind"`
	Reason string `json:"reason,omitempty"` // for a no
}

// OpenDirect connects the services to the database. Close them when they are not needed any more.
func OpenDirect(ctx context.Context, s Settings, connections int32) (*Direct, error) {
	crash, err := parseCrash(s.CrashAt)
	if err != nil {
		return nil, err
	}
	s.crash = crash
	pool, err := OpenDatabase(ctx, s, "services", connections)
	if err != nil {
		return nil, err
	}
	d := &Direct{s, map[Kind]*service{}, func() { shop.Close("the database", pool.Close) }}
	for _, b := range businesses {
		p := &participant{name: b.Name, settings: s, pool: pool, begin: beginIn(b.Name),
			permanent: permanent, departure: toCaller{}}
		service := &service{p, b, commands(variant{}, b), Decision.Next}
		d.services[b.Command], d.services[b.Compensation] = service, service
	}
	return d, nil
}

// Close ends the connections.
func (d *Direct) Close() { d.close() }

// Ask gives a command to its service and returns the answer. The same command with the same
// [Message.Key] has the same answer, and its effect once. It waits for a database that is away.
// What the database will never do is a no of the service, which has changed nothing. An error
// says that ctx has ended: whether the effect has happened is unknown.
func (d *Direct) Ask(ctx context.Context, m Message) (Answer, error) {
	if err := shop.Work(ctx, shop.Order{ID: m.Order.ID}, d.settings.Work); err != nil {
		return Answer{}, err
	}
	s := d.services[m.Kind]
	var answer Message
	err := retry(ctx, string(m.Kind), permanent, func(ctx context.Context) error {
		return s.transact(ctx, func(ctx context.Context, tx pgx.Tx) (changes, error) {
			c, err := s.handle(ctx, tx, []Message{m})
			if err == nil {
				answer = c.send[0]
			}
			return c, err
		})
	})
	if err != nil && permanent(err) {
		answer, err = m.answer(s.no(m.Kind), err.Error()), nil
	}
	return Answer{answer.Kind, answer.Reason}, err
}

// no is the answer of a service that has not done what it was asked for.
func (s *service) no(asked Kind) Kind {
	if s.undoes[asked] {
		return s.Failed
	}
	return s.Refused
}

// toCaller is the departure of an answer that the caller waits for.
type toCaller struct{}

func (toCaller) beforeCommit(context.Context, pgx.Tx, []Message) error { return nil }
func (toCaller) afterCommit(context.Context, []Message) error          { return nil }
