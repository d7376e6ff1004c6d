package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
)

// MQTT is version 3.1.1: a subscription is to a topic, and a session, which has the name of its client,
// keeps what comes while that is away. So each reader is a group of its own.
//
// RabbitMQ answers to quality of service 2 as if it were 1.
func MQTT(url string) Protocol {
	var sessions []string
	sender := func(qos byte) func(context.Context, *Wire, string) (Sender, error) {
		return func(ctx context.Context, w *Wire, place string) (Sender, error) {
			s := &mqttSender{wire: w, place: place, qos: qos, connected: make(chan struct{}, 8)}
			options := mqttOptions(url, w, "producer-"+place).SetCleanSession(true).SetAutoReconnect(true).
				SetStore(mqtt.NewOrderedMemoryStore()). // of what has no answer yet
				SetOnConnectHandler(func(mqtt.Client) { s.connected <- struct{}{} })
			s.client = mqtt.NewClient(options)
			return s, wait(ctx, "connect by MQTT (MQTT_URL)", s.client.Connect())
		}
	}
	reader := func(qos byte, auto bool) func(context.Context, *Wire, string, string) (Reader, error) {
		return func(ctx context.Context, w *Wire, place, group string) (Reader, error) {
			session := group + "-" + place
			sessions = append(sessions, session)
			return openMQTTReader(ctx, mqttOptions(url, w, session), place, qos, auto)
		}
	}
	return Protocol{
		Name: "MQTT 3.1.1", Delivery: "push",
		Senders: []SenderMode{{"QoS 0", sender(0)}, {"QoS 1", sender(1)}, {"QoS 2", sender(2)}},
		Readers: []ReaderMode{
			{"QoS 0", reader(0, true)}, {"QoS 1, ack on arrival", reader(1, true)},
			{"QoS 1, ack after the work", reader(1, false)},
		},
		Tidy: func(ctx context.Context) error { return forget(ctx, url, sessions) },
	}
}

func mqttOptions(broker string, w *Wire, client string) *mqtt.ClientOptions {
	dial := func(u *url.URL, _ mqtt.ClientOptions) (net.Conn, error) {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		return w.Dial(ctx, "tcp", u.Host)
	}
	options := mqtt.NewClientOptions().AddBroker(broker).SetClientID(client).
		SetProtocolVersion(4).SetCleanSession(false).SetAutoReconnect(false).
		SetConnectTimeout(patience).SetCustomOpenConnectionFn(dial)
	if u, err := url.Parse(broker); err == nil { // AddBroker has read it
		password, _ := u.User.Password()
		options.SetUsername(u.User.Username()).SetPassword(password)
	}
	return options
}

// wait bounds what the client library does not.
func wait(ctx context.Context, what string, token mqtt.Token) error {
	select {
	case <-token.Done():
	case <-ctx.Done():
		return fmt.Errorf("%s: %w", what, ctx.Err())
	}
	if err := token.Error(); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

type mqttSender struct {
	client    mqtt.Client
	wire      *Wire
	place     string
	qos       byte
	connected chan struct{} // one for each connection
	count     int           // of connections
}

func (s *mqttSender) Send(ctx context.Context, orders ...Order) error {
	if err := s.reconnected(ctx); err != nil {
		return err
	}
	tokens := make([]mqtt.Token, len(orders))
	for i, order := range orders {
		tokens[i] = s.client.Publish(s.place, s.qos, false, order.Body)
	}
	for i, token := range tokens {
		if err := wait(ctx, "send order "+orders[i].ID, token); err != nil {
			return err
		}
	}
	return nil
}

// reconnected waits until the client has a connection that is whole. What is sent with QoS 0 before it has
// noticed that it has none is lost, too; how much, is luck, and not measured here.
func (s *mqttSender) reconnected(ctx context.Context) error {
	for s.count <= s.wire.Broken() {
		select {
		case <-s.connected:
			s.count++
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func (s *mqttSender) Close() { s.client.Disconnect(quiesce) }

// quiesce is how many milliseconds a client may take to say goodbye.
const quiesce = 250

type mqttReader struct {
	client  mqtt.Client
	auto    bool
	arrived chan mqtt.Message
}

func openMQTTReader(
	ctx context.Context, options *mqtt.ClientOptions, place string, qos byte, auto bool,
) (Reader, error) {
	r := &mqttReader{auto: auto, arrived: make(chan mqtt.Message, 10*many)}
	take := func(_ mqtt.Client, m mqtt.Message) { r.arrived <- m } // with auto it is done when this returns
	r.client = mqtt.NewClient(options.SetAutoAckDisabled(!auto).SetDefaultPublishHandler(take))
	err := wait(ctx, "connect by MQTT (MQTT_URL)", r.client.Connect())
	if err == nil {
		err = wait(ctx, "subscribe to "+place, r.client.Subscribe(place, qos, take))
	}
	if err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

func (r *mqttReader) Next(ctx context.Context) (Delivery, error) {
	select {
	case m := <-r.arrived:
		return delivered(m.Payload(), m)
	case <-ctx.Done():
		return Delivery{}, ctx.Err()
	}
}

func (r *mqttReader) Done(ctx context.Context, all ...Delivery) error {
	if !r.auto {
		for _, d := range all {
			d.raw.(mqtt.Message).Ack()
		}
	}
	// An acknowledgement has no answer. To leave a topic that nobody is subscribed to has one, after it.
	return wait(ctx, "acknowledge", r.client.Unsubscribe("nothing"))
}

func (r *mqttReader) Close() { r.client.Disconnect(quiesce) }

// forget ends sessions, which the broker would keep for a day.
func forget(ctx context.Context, broker string, sessions []string) (err error) {
	for _, id := range slices.Compact(slices.Sorted(slices.Values(sessions))) {
		client := mqtt.NewClient(mqttOptions(broker, NewWire(), id).SetCleanSession(true))
		err = errors.Join(err, wait(ctx, "end the session "+id, client.Connect()))
		client.Disconnect(quiesce)
	}
	return err
}

// patience bounds one attempt to connect.
const patience = 10 * time.Second
