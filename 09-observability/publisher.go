package observability

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	amqp "github.com/rabbitmq/amqp091-go"
)

// Why a message was not published. With errUnconfirmed it may be in the queue or not, with the
// others it is not.
var (
	errUnconfirmed  = errors.New("outcome unknown: the broker did not confirm")
	errRefused      = errors.New("the broker refused the message")
	errUnroutable   = errors.New("the broker has no queue for the message")
	errBlocked      = errors.New("the broker takes no messages now")
	errNotConnected = errors.New("not connected to the broker")
)

// Publisher is Watermill's [message.Publisher] on one channel that stays open. Watermill's own
// opens a channel for each message, asks for confirms, publishes, waits without limit and closes
// the channel: five round trips where this one needs the confirm alone, and many messages may
// wait for theirs at a time.
type Publisher struct {
	settings Settings
	stop     context.CancelFunc
	ended    chan struct{}

	mu       sync.Mutex
	line     *line         // nil while there is none
	notReady error         // nil while messages can be sent
	changed  chan struct{} // closed when one of the two changes
}

func newPublisher(s Settings) *Publisher {
	ctx, cancel := context.WithCancel(context.Background())
	p := &Publisher{settings: s, stop: cancel, ended: make(chan struct{}),
		notReady: errNotConnected, changed: make(chan struct{})}
	go func() {
		defer close(p.ended)
		_ = keepConnected(ctx, "publisher", p.session) // it ends with ctx alone
	}()
	return p
}

// Publish returns nil once a queue has every message on disk, and after [confirmTimeout] at the
// latest. It implements [message.Publisher] and is safe for concurrent use.
func (p *Publisher) Publish(topic string, messages ...*message.Message) error {
	p.mu.Lock()
	l, err := p.line, p.notReady
	p.mu.Unlock()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), confirmTimeout)
	defer cancel()
	confirms := make([]*amqp.DeferredConfirmation, len(messages))
	for i, m := range messages {
		const mandatory, immediate = true, false // mandatory: return it, do not drop it
		confirms[i], err = l.channel.PublishWithDeferredConfirm(
			amqp.DefaultExchange, topic, mandatory, immediate, marshal(m))
		if err != nil {
			return fmt.Errorf("%w: %w", errUnconfirmed, err)
		}
	}
	for i, confirm := range confirms {
		if err := l.settled(ctx, short(messages[i].UUID), confirm); err != nil {
			return err
		}
	}
	return nil
}

// Close leaves it to [Broker.Close]: the router's handlers share the publisher.
func (p *Publisher) Close() error { return nil }

func (p *Publisher) end() error {
	p.stop()
	<-p.ended
	return nil
}

func (p *Publisher) ready() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.notReady
}

func (p *Publisher) set(l *line, notReady error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.line, p.notReady = l, notReady
	close(p.changed)
	p.changed = make(chan struct{})
}

// untilConnected waits for a connection, and returns why there is none when ctx ends before. One
// that is blocked counts: it is the consumers who free memory.
func (p *Publisher) untilConnected(ctx context.Context) error {
	for {
		p.mu.Lock()
		l, notReady, changed := p.line, p.notReady, p.changed
		p.mu.Unlock()
		if l != nil {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return errors.Join(notReady, ctx.Err())
		}
	}
}

// session is the life of one connection, until ctx ends or the broker is gone.
func (p *Publisher) session(ctx context.Context) (err error) {
	defer func() {
		if err == nil {
			err = errNotConnected
		}
		p.set(nil, err)
	}()
	on, err := connect(ctx, p.settings, "publish")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, on.close()) }()
	died := on.channel.NotifyClose(make(chan *amqp.Error, 1))
	alarms := on.conn.NotifyBlocked(make(chan amqp.Blocking, 1))
	l, err := newLine(ctx, on)
	if err != nil {
		return err
	}
	p.set(l, nil)
	for {
		select {
		case alarm, open := <-alarms:
			switch {
			case !open:
				alarms = nil
			case alarm.Active:
				p.set(l, fmt.Errorf("%w: %s", errBlocked, alarm.Reason))
			default:
				p.set(l, nil)
			}
		case err := <-died:
			return lost(err)
		case <-ctx.Done():
			return nil
		}
	}
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

// listen keeps what no queue wanted. For such a message the broker sends basic.return, and then
// basic.ack all the same. As the channel has no buffer, amqp091-go cannot read on to the ack
// before this goroutine has received the return: whoever asks after the ack is told.
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

// settled waits for the broker's word on one message.
func (l *line) settled(ctx context.Context, id string, confirm *amqp.DeferredConfirmation) error {
	ok, err := confirm.WaitContext(ctx)
	switch {
	case ok:
		l.note(true)
		return l.routed(id)
	case err == nil && !l.channel.IsClosed(): // a connection that dies answers false, too
		l.note(false)
		return errRefused
	default:
		return errors.Join(errUnconfirmed, err)
	}
}

// note gives the session up once the broker has refused everything for [refusedFor]. A queue that
// was full does not always tell the channels that refuse on its behalf when it has room again
// (RabbitMQ 3.10, when the limit is taken away while it is full): a new channel asks it.
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
