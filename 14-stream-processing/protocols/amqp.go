package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// topicExchange is there in every RabbitMQ, and MQTT's topics are its routing keys.
const topicExchange = "amq.topic"

// AMQP is version 0-9-1: an exchange routes each order to the queues that are bound for it. A group is a
// queue.
func AMQP(url string) Protocol {
	sender := func(confirms bool, mode uint8) func(context.Context, *Wire, string) (Sender, error) {
		return func(_ context.Context, w *Wire, place string) (Sender, error) {
			s := &amqpSender{url: url, wire: w, place: place, confirms: confirms, mode: mode}
			return s, s.connect()
		}
	}
	reader := func(auto bool) func(context.Context, *Wire, string, string) (Reader, error) {
		return func(_ context.Context, w *Wire, place, group string) (Reader, error) {
			return openAMQPReader(url, w, place, group, auto)
		}
	}
	return Protocol{
		Name: "AMQP 0-9-1", Delivery: "push, as many as the prefetch", Groups: true,
		Senders: []SenderMode{
			{"without confirms", sender(false, amqp.Persistent)},
			{"confirms, transient", sender(true, amqp.Transient)},
			{"confirms, persistent", sender(true, amqp.Persistent)},
		},
		Readers: []ReaderMode{{"auto-ack", reader(true)}, {"ack after the work", reader(false)}},
	}
}

func dialAMQP(url string, w *Wire) (*amqp.Connection, *amqp.Channel, error) {
	conn, err := amqp.DialConfig(url, amqp.Config{
		Dial: func(network, address string) (net.Conn, error) {
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			return w.Dial(ctx, network, address)
		},
	})
	if err != nil {
		return nil, nil, fmt.Errorf("connect by AMQP (AMQP_URL): %w", err)
	}
	ch, err := conn.Channel()
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("open a channel: %w", err), conn.Close())
	}
	return conn, ch, nil
}

type amqpSender struct {
	url, place string
	wire       *Wire
	confirms   bool
	mode       uint8 // whether the broker writes an order to its disk
	conn       *amqp.Connection
	ch         *amqp.Channel
}

func (s *amqpSender) connect() (err error) {
	if s.conn, s.ch, err = dialAMQP(s.url, s.wire); err == nil && s.confirms {
		err = s.ch.Confirm(false)
	}
	return err
}

func (s *amqpSender) Send(ctx context.Context, orders ...Order) error {
	for len(orders) > 0 && ctx.Err() == nil {
		if s.conn == nil || s.conn.IsClosed() {
			if err := s.connect(); err != nil {
				return err
			}
		}
		orders = s.try(ctx, orders)
	}
	return ctx.Err()
}

// try returns the orders of which nobody knows whether the broker has them.
func (s *amqpSender) try(ctx context.Context, orders []Order) (open []Order) {
	answers := make([]*amqp.DeferredConfirmation, 0, len(orders))
	for _, order := range orders {
		answer, err := s.ch.PublishWithDeferredConfirm(topicExchange, s.place, false, false,
			amqp.Publishing{DeliveryMode: s.mode, Body: order.Body})
		if err != nil {
			break
		}
		answers = append(answers, answer)
	}
	if !s.confirms {
		return orders[len(answers):]
	}
	for i, answer := range answers {
		if ok, err := answer.WaitContext(ctx); err != nil || !ok { // false: the connection has ended
			open = append(open, orders[i])
		}
	}
	return append(open, orders[len(answers):]...)
}

func (s *amqpSender) Close() { _ = s.conn.Close() } // there is nothing left to lose

type amqpReader struct {
	conn    *amqp.Connection
	ch      *amqp.Channel
	queue   string
	auto    bool
	arrived <-chan amqp.Delivery
}

func openAMQPReader(url string, w *Wire, place, group string, auto bool) (Reader, error) {
	conn, ch, err := dialAMQP(url, w)
	if err != nil {
		return nil, err
	}
	r := &amqpReader{conn: conn, ch: ch, queue: place + "." + group, auto: auto}
	_, err = ch.QueueDeclare(r.queue, true, false, false, false,
		amqp.Table{"x-expires": time.Hour.Milliseconds()}) // when nobody has used it for so long
	if err == nil {
		err = ch.QueueBind(r.queue, place, topicExchange, false, nil)
	}
	if err == nil {
		err = ch.Qos(2*many, 0, false)
	}
	if err == nil {
		r.arrived, err = ch.Consume(r.queue, "", auto, false, false, false, nil)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("read the queue %s: %w", r.queue, err), conn.Close())
	}
	return r, nil
}

func (r *amqpReader) Next(ctx context.Context) (Delivery, error) {
	select {
	case d, open := <-r.arrived:
		if !open {
			return Delivery{}, fmt.Errorf("the queue %s: %w", r.queue, amqp.ErrClosed)
		}
		return delivered(d.Body, d)
	case <-ctx.Done():
		return Delivery{}, ctx.Err()
	}
}

func (r *amqpReader) Done(_ context.Context, all ...Delivery) error {
	if r.auto {
		return nil
	}
	for _, d := range all {
		if err := d.raw.(amqp.Delivery).Ack(false); err != nil {
			return fmt.Errorf("acknowledge %s: %w", d.ID, err)
		}
	}
	// An acknowledgement has no answer. A question on the same channel is answered after it.
	return r.ch.Qos(2*many, 0, false)
}

func (r *amqpReader) Close() { _ = r.conn.Close() }
