package main

import (
	"context"
	"strings"
	"testing"
	"time"

	"course.example/lab/labtest"
	"course.example/lab/services"
	"course.example/lab/services/servicestest"
	"github.com/twmb/franz-go/pkg/kfake"
)

func TestMain(m *testing.M) { servicestest.Main(m) }

func TestExperiments(t *testing.T) { labtest.Experiments(t) }

func check(t *testing.T, errs ...error) {
	t.Helper()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}

func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

var (
	once  = Fate{}
	lost  = Fate{Lost: few}
	twice = Fate{Doubled: few}
)

func TestKafka(t *testing.T) {
	t.Parallel()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1))
	check(t, err)
	t.Cleanup(cluster.Close)
	table, err := Measure(within(t, limit), Kafka(strings.Join(cluster.ListenAddrs(), ",")))
	check(t, err)
	check(t, table.Print(t.Output()))
	table.want(t, map[string][2]Fate{
		"acks=0": {lost, once}, "acks=1": {once, twice}, "acks=all": {once, twice},
		"acks=all, idempotent": {once, once},
	}, map[string]Fate{
		"commit before the work": {Lost: 6}, "commit after the work": {Doubled: 1},
	})
	traits := table.Traits[0].Traits
	if !traits.Ordered || traits.Replayed != many || traits.Shared[0] == 0 || traits.Shared[1] == 0 ||
		traits.Shared[0]+traits.Shared[1] != many {
		t.Errorf("Kafka: %+v", traits)
	}
}

// One broker for all that needs one: its start takes seconds.
func TestRabbitMQ(t *testing.T) {
	t.Parallel()
	broker := servicestest.Private(t, services.MQTT, 1)[0]
	amqp, mqtt := AMQP(broker.Env()["AMQP_URL"]), MQTT(broker.Env()["MQTT_URL"])
	// RabbitMQ 3 writes a moment later to its disk that there is a queue: these are for the end.
	doomed := openDoomed(t, amqp, MQTT(broker.Env()["MQTT_URL"])) // whose sessions the table does not end
	table, err := Measure(within(t, limit), amqp, mqtt)
	check(t, err)
	check(t, table.Print(t.Output()))
	table.want(t, map[string][2]Fate{
		"without confirms": {lost, once}, "confirms, transient": {once, twice},
		"confirms, persistent": {once, twice},
		"QoS 0":                {lost, once}, "QoS 1": {once, twice},
		"QoS 2": {once, twice}, // which would be once, where a broker has it
	}, map[string]Fate{
		"auto-ack": {Lost: 6}, "ack after the work": {Doubled: 1},
		"QoS 0": {Lost: 6}, "QoS 1, ack on arrival": {Lost: 6}, "QoS 1, ack after the work": {Doubled: 1},
	})
	for i, want := range []Traits{
		{Ordered: true, Shared: [2]int{many / 2, many / 2}}, {Ordered: true, Shared: [2]int{many, many}},
	} {
		if got := table.Traits[i]; got.Traits != want {
			t.Errorf("%s: %+v, want %+v", got.Protocol, got.Traits, want)
		}
	}
	t.Run("killed", func(t *testing.T) { kill(t, broker, doomed) })
}

// want compares with what the protocols' authors say, and the bytes with what cannot be otherwise.
func (table Table) want(t *testing.T, senders map[string][2]Fate, readers map[string]Fate) {
	t.Helper()
	if len(table.Senders) != len(senders) || len(table.Readers) != len(readers) {
		t.Errorf("%d modes of senders and %d of readers", len(table.Senders), len(table.Readers))
	}
	for _, r := range table.Senders {
		if got := [2]Fate{r.OrdersLost, r.AnswersLost}; got != senders[r.Mode] {
			t.Errorf("%s, %s: orders lost and answers lost %+v, want %+v",
				r.Protocol, r.Mode, got, senders[r.Mode])
		}
		answers := r.OrdersLost == once
		if r.AloneOut <= r.Body || r.AloneOut > r.Body+250 || r.TogetherOut <= r.Body ||
			r.TogetherOut > r.AloneOut || (r.AloneIn > 0) != answers || r.AloneIn > 100 ||
			r.Connect < r.AloneOut+4 || r.Connect > 4000 {
			t.Errorf("%s, %s: %+v", r.Protocol, r.Mode, r.Size)
		}
	}
	for _, r := range table.Readers {
		if r.Killed != readers[r.Mode] {
			t.Errorf("%s, %s: %+v, want %+v", r.Protocol, r.Mode, r.Killed, readers[r.Mode])
		}
	}
}

// doomedPlace is where orders wait while their broker is killed.
type doomedPlace struct {
	protocol Protocol
	mode     SenderMode
	place    string
	lost     int
}

func openDoomed(t *testing.T, amqp, mqtt Protocol) (all []doomedPlace) {
	t.Helper()
	for _, d := range []doomedPlace{
		{amqp, amqp.Senders[1], newPlace(), few}, {amqp, amqp.Senders[2], newPlace(), 0},
		{mqtt, mqtt.Senders[0], newPlace(), few}, {mqtt, mqtt.Senders[1], newPlace(), 0},
	} {
		reader, err := d.reader(within(t, limit))
		check(t, err)
		reader.Close() // the queue, or the session, stays
		all = append(all, d)
	}
	return all
}

func (d doomedPlace) reader(ctx context.Context) (Reader, error) {
	return d.protocol.Readers[len(d.protocol.Readers)-1].Open(ctx, NewWire(), d.place, "doomed")
}

// Orders wait at a broker, which has answered for them where that is asked, and is killed with -9.
func kill(t *testing.T, broker *services.Server, all []doomedPlace) {
	ctx := within(t, 2*limit)
	sent := make([][]Order, len(all))
	for i, d := range all {
		orders, err := NewOrders(few+1, 1)
		check(t, err)
		sent[i] = orders
		sender, err := d.mode.Open(ctx, NewWire(), d.place)
		check(t, err, sender.Send(ctx, orders[:few]...))
		sender.Close()
	}
	check(t, broker.Kill(ctx), broker.Start(ctx))
	for i, d := range all {
		reader, err := d.reader(ctx)
		check(t, err)
		sender, err := d.mode.Open(ctx, NewWire(), d.place)
		check(t, err, sender.Send(ctx, sent[i][few:]...))
		ids, err := readUntil(ctx, reader, sent[i][few])
		check(t, err)
		worked := map[string]int{}
		for _, id := range ids {
			worked[id]++
		}
		if got := fate(sent[i][:few], worked); got != (Fate{Lost: d.lost}) {
			t.Errorf("%s, %s: %+v, want %d lost", d.protocol.Name, d.mode.Name, got, d.lost)
		}
		sender.Close()
		reader.Close()
	}
}
