package serialization

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// Why a message is not safe. With errUnconfirmed it may be in the queue or not, with
// the others it is not.
var (
	errUnconfirmed  = errors.New("outcome unknown: the broker did not confirm")
	errRefused      = errors.New("the broker refused the message")
	errUnroutable   = errors.New("the broker has no queue for the message")
	errBlocked      = errors.New("the broker takes no messages now")
	errNotConnected = errors.New("not connected to the broker")
)

// sender publishes on a connection of its own: a broker that is low on memory or disk
// stops reading from connections that publish, and the acknowledgements of a consumer
// must not be stuck behind its messages. It is safe for concurrent use.
type sender struct {
	address, name string

	mu       sync.Mutex
	line     *line         // nil while there is none
	notReady error         // nil while messages can be sent
	changed  chan struct{} // closed when notReady changes
}

func newSender(address, name string) *sender {
	return &sender{address: address, name: name, notReady: errNotConnected,
		changed: make(chan struct{})}
}

// run keeps the sender connected until ctx ends.
func (s *sender) run(ctx context.Context) error {
	return keepConnected(ctx, s.name, func(ctx context.Context) error {
		on, err := connect(ctx, s.address, s.name)
		if err != nil {
			s.set(nil, err)
			return err
		}
		err = s.serve(ctx, on)
		return errors.Join(err, on.close())
	})
}

func (s *sender) serve(ctx context.Context, on *session) error {
	died := on.channel.NotifyClose(make(chan *amqp.Error, 1))
	alarms := on.conn.NotifyBlocked(make(chan amqp.Blocking, 1))
	l, err := newLine(ctx, on)
	s.set(l, err)
	if err != nil {
		return err
	}
	for {
		select {
		case alarm, open := <-alarms:
			switch {
			case !open:
				alarms = nil
			case alarm.Active:
				s.set(l, fmt.Errorf("%w: %s", errBlocked, alarm.Reason))
			default:
				s.set(l, nil)
			}
		case err := <-died:
			s.set(nil, lost(err))
			return lost(err)
		case <-ctx.Done():
			s.set(nil, errNotConnected)
			return nil
		}
	}
}

func (s *sender) set(l *line, notReady error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.line, s.notReady = l, notReady
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *sender) state() (l *line, changed <-chan struct{}, notReady error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.line, s.changed, s.notReady
}

// ready returns why nothing can be sent now, or nil.
func (s *sender) ready() error {
	_, _, notReady := s.state()
	return notReady
}

// untilConnected waits for a connection, and returns why there is none when ctx ends
// before. One that is blocked counts: it is the consumers who free memory.
func (s *sender) untilConnected(ctx context.Context) error {
	for {
		l, changed, notReady := s.state()
		if l != nil {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return notReady
		}
	}
}

// put returns nil once the message is safe in the queue, and an error from the list
// above otherwise: at once while nothing can be sent, and after [confirmTimeout] at
// the latest.
func (s *sender) put(ctx context.Context, queue string, m amqp.Publishing) error {
	l, _, notReady := s.state()
	if notReady != nil {
		return notReady
	}
	return l.put(ctx, queue, m)
}

// line is a session in confirm mode.
type line struct {
	*session
	ended chan struct{}      // when the session has
	asks  chan returnedQuery // to the goroutine that knows what was returned

	mu      sync.Mutex
	refused time.Time // since when nothing was taken, zero if something was
}

type returnedQuery struct {
	id     string
	answer chan<- bool
}

func newLine(ctx context.Context, on *session) (*line, error) {
	l := &line{session: on, ended: make(chan struct{}), asks: make(chan returnedQuery)}
	returns := on.channel.NotifyReturn(make(chan amqp.Return))
	go l.listen(returns)
	defer on.closeUnless(ctx)()
	if err := on.channel.Confirm(false); err != nil {
		return nil, fmt.Errorf("ask for confirms: %w", err)
	}
	return l, nil
}

// listen keeps what no queue wanted. For such a message the broker sends basic.return,
// and then basic.ack all the same. As the channel has no buffer, amqp091-go cannot
// read on to the ack before this goroutine has received the return: whoever asks after
// the ack is told.
func (l *line) listen(returns <-chan amqp.Return) {
	defer close(l.ended)
	times := map[string]int{} // by message id; foreign ids need not be unique
	for {
		select {
		case r, open := <-returns:
			if !open {
				return
			}
			times[r.MessageId]++
		case q := <-l.asks:
			q.answer <- times[q.id] > 0
			if times[q.id]--; times[q.id] <= 0 {
				delete(times, q.id)
			}
		}
	}
}

// note gives the session up once the broker has refused everything for [refusedFor].
// A queue that was full does not always tell the channels that refuse on its behalf
// when it has room again (RabbitMQ 3.10, when the limit is taken away while it is
// full): a new channel asks it.
func (l *line) note(taken bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case taken:
		l.refused = time.Time{}
	case l.refused.IsZero():
		l.refused = time.Now()
	case time.Since(l.refused) > refusedFor:
		l.refused = time.Now()
		go func() { _ = l.close() }()
	}
}

// routed says whether a queue has the message that the broker has confirmed.
func (l *line) routed(id string) error {
	answer := make(chan bool, 1)
	select {
	case l.asks <- returnedQuery{id, answer}:
		if <-answer {
			return errUnroutable
		}
		return nil
	case <-l.ended:
		return errUnconfirmed
	}
}

// put publishes and waits for the confirm.
func (l *line) put(ctx context.Context, queue string, m amqp.Publishing) error {
	ctx, cancel := context.WithTimeout(ctx, confirmTimeout)
	defer cancel()
	const mandatory, immediate = true, false // mandatory: return it, do not drop it
	confirm, err := l.channel.PublishWithDeferredConfirm(
		amqp.DefaultExchange, queue, mandatory, immediate, m)
	if err != nil {
		return fmt.Errorf("%w: %w", errUnconfirmed, err)
	}
	ok, err := confirm.WaitContext(ctx)
	switch {
	case ok:
		l.note(true)
		return l.routed(m.MessageId)
	case err == nil && !l.channel.IsClosed(): // a connection that dies answers false, too
		l.note(false)
		return errRefused
	default:
		return errors.Join(errUnconfirmed, err)
	}
}
