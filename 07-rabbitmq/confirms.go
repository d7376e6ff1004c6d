package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

var errShuttingDown = errors.New("shutting down")

// serve is the one goroutine that owns the session's channel: it publishes, and
// it reads the broker's answers. Many messages are under way at a time, and none
// waits for another's round trip. It returns nil after a drain, and why the
// session died otherwise; either way every message it took has its answer.
func (p *Publisher) serve(ctx context.Context, s *session) error {
	// The order of these two answers decides. For a message without a queue the
	// broker sends basic.return first and basic.ack after it ("I have dealt with
	// it", rabbitmq.com/docs/confirms#when-publishes-are-confirmed). No buffer
	// for returns: amqp091-go cannot go on to the ack before the return is here.
	returns := s.channel.NotifyReturn(make(chan amqp.Return))
	confirms := s.channel.NotifyPublish(make(chan amqp.Confirmation, p.settings.Window))
	blocked := s.conn.NotifyBlocked(make(chan amqp.Blocking, 1))
	if p.confirms {
		if err := s.channel.Confirm(false); err != nil {
			return fmt.Errorf("ask for confirms: %w", err)
		}
	}
	w := &window{
		channel:    s.channel,
		unanswered: map[uint64]*outgoing{},
		returned:   map[string]int{},
	}
	defer w.abandon()
	p.setReady(nil)

	stop := ctx.Done()
	var drained <-chan time.Time
	for stop != nil || len(w.unanswered) > 0 {
		outgoing := p.outgoing
		if stop == nil || len(w.unanswered) >= p.settings.Window {
			outgoing = nil // a nil channel is never ready: take no more for now
		}
		select {
		case m := <-outgoing:
			w.send(m)
		case r, open := <-returns:
			if !open {
				returns = nil
				continue
			}
			w.returned[r.MessageId]++
		case c, open := <-confirms:
			if !open {
				err := s.cause()
				p.setReady(err)
				return err
			}
			w.settle(c)
		case b, open := <-blocked:
			if !open {
				blocked = nil
				continue
			}
			p.setBlocked(b)
		case <-stop:
			p.setReady(errShuttingDown)
			stop, blocked, drained = nil, nil, time.After(publishTimeout)
		case <-drained:
			return nil
		}
	}
	return nil
}

// setBlocked: a broker with a memory or disk alarm reads nothing more from a
// connection that publishes (rabbitmq.com/docs/connection-blocked).
func (p *Publisher) setBlocked(b amqp.Blocking) {
	if b.Active {
		p.setReady(fmt.Errorf("%w: %s", ErrBlocked, b.Reason))
		return
	}
	p.setReady(nil)
}

// window is what the broker has not answered for yet.
type window struct {
	channel    *amqp.Channel
	unanswered map[uint64]*outgoing // by delivery tag: the n-th message of the channel
	returned   map[string]int       // by message id; foreign ids need not be unique
}

func (w *window) send(m *outgoing) {
	const mandatory, immediate = true, false // mandatory: return it, do not drop it
	confirm, err := w.channel.PublishWithDeferredConfirm(
		m.exchange, m.key, mandatory, immediate, m.message)
	switch {
	case err != nil:
		// Part of it may have reached the broker.
		m.answer <- fmt.Errorf("%w: %w", ErrUnconfirmed, err)
	case confirm == nil:
		m.answer <- nil // no confirms on this channel: see wrong.go
	default:
		w.unanswered[confirm.DeliveryTag] = m
	}
}

func (w *window) settle(c amqp.Confirmation) {
	m, ours := w.unanswered[c.DeliveryTag]
	if !ours {
		return
	}
	delete(w.unanswered, c.DeliveryTag)
	id := m.message.MessageId
	switch {
	case !c.Ack:
		m.answer <- ErrRefused
	case w.returned[id] > 0:
		if w.returned[id]--; w.returned[id] == 0 {
			delete(w.returned, id)
		}
		m.answer <- ErrUnroutable
	default:
		m.answer <- nil
	}
}

// abandon answers for the broker that will not: the session is over.
func (w *window) abandon() {
	for _, m := range w.unanswered {
		m.answer <- ErrUnconfirmed
	}
}
