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
// waits for another's round trip. It returns nil after a drain, and otherwise
// why the session died. Either way every message it took has its answer.
func (p *Publisher) serve(ctx context.Context, s *session) error {
	w := openWindow(s, p.settings.Window)
	defer w.close()
	if p.confirms {
		if err := s.channel.Confirm(false); err != nil {
			return fmt.Errorf("ask for confirms: %w", err)
		}
	}
	p.setReady(nil)
	for {
		select {
		case m := <-w.admit(p.outgoing):
			w.send(m)
		case r, open := <-w.returns:
			w.note(r, open)
		case c, open := <-w.confirms:
			if !open {
				lost := s.cause()
				p.setReady(lost)
				return lost
			}
			w.settle(c)
		case b, open := <-w.blocked:
			if !open {
				w.blocked = nil
				continue
			}
			p.setBlocked(b)
		case <-w.look.C:
			if err := w.overdue(); err != nil && !errors.Is(p.Ready(ctx), ErrBlocked) {
				p.setReady(err)
				return err
			}
		case <-ctx.Done():
			p.setReady(errShuttingDown)
			return w.drain()
		}
	}
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

// window is what has been sent on one channel and not been answered for yet. It
// belongs to one goroutine.
type window struct {
	channel    *amqp.Channel
	size       int
	unanswered map[uint64]*outgoing // by delivery tag: the n-th message of the channel
	returned   map[string]int       // by message id; foreign ids need not be unique

	returns  <-chan amqp.Return
	confirms <-chan amqp.Confirmation
	blocked  <-chan amqp.Blocking
	look     *time.Ticker // for what is overdue
}

func openWindow(s *session, size int) *window {
	return &window{
		channel:    s.channel,
		size:       size,
		unanswered: map[uint64]*outgoing{},
		returned:   map[string]int{},
		// For a message that no queue takes the broker sends basic.return, and
		// then basic.ack all the same: it has dealt with it. So the return must
		// be seen first. It is, because it has no buffer: amqp091-go cannot read
		// on to the ack before this goroutine has received the return.
		returns:  s.channel.NotifyReturn(make(chan amqp.Return)),
		confirms: s.channel.NotifyPublish(make(chan amqp.Confirmation, size)),
		blocked:  s.conn.NotifyBlocked(make(chan amqp.Blocking, 1)),
		look:     time.NewTicker(publishTimeout / 10),
	}
}

// admit is where the next message comes from: nowhere while the window is full.
// Receiving from a nil channel blocks forever, which takes the case out of a
// select.
func (w *window) admit(outgoing <-chan *outgoing) <-chan *outgoing {
	if len(w.unanswered) >= w.size {
		return nil
	}
	return outgoing
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
		m.sent = time.Now()
		w.unanswered[confirm.DeliveryTag] = m
	}
}

// overdue is an error if the oldest message has waited for its confirm for too long.
// What is sent behind it on this connection would only wait as well. Under an alarm
// the broker has said so itself, and a new connection would be no better.
func (w *window) overdue() error {
	for _, m := range w.unanswered {
		if time.Since(m.sent) > publishTimeout {
			return fmt.Errorf("%d orders, and no answer within %s: %w",
				len(w.unanswered), publishTimeout, ErrUnconfirmed)
		}
	}
	return nil
}

func (w *window) note(r amqp.Return, open bool) {
	if !open {
		w.returns = nil
		return
	}
	w.returned[r.MessageId]++
}

func (w *window) settle(c amqp.Confirmation) {
	m, ours := w.unanswered[c.DeliveryTag]
	if !ours {
		return
	}
	delete(w.unanswered, c.DeliveryTag)
	switch {
	case w.wasReturned(m.message.MessageId):
		m.answer <- ErrUnroutable
	case c.Ack:
		m.answer <- nil
	default:
		m.answer <- ErrRefused
	}
}

func (w *window) wasReturned(id string) bool {
	times := w.returned[id]
	if times <= 1 {
		delete(w.returned, id)
	} else {
		w.returned[id] = times - 1
	}
	return times > 0
}

// drain waits for the answers that are still to come.
func (w *window) drain() error {
	for len(w.unanswered) > 0 {
		select {
		case r, open := <-w.returns:
			w.note(r, open)
		case c, open := <-w.confirms:
			if !open {
				return nil // the session died; abandon answers for the rest
			}
			w.settle(c)
		case <-w.look.C:
			if err := w.overdue(); err != nil {
				return err
			}
		}
	}
	return nil
}

// close answers for a broker that will not any more.
func (w *window) close() {
	w.look.Stop()
	for _, m := range w.unanswered {
		m.answer <- ErrUnconfirmed
	}
}
