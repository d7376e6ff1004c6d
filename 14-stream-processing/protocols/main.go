// Command protocols sends the same orders by AMQP 0-9-1, MQTT 3.1.1 and Kafka's protocol, and prints what
// each costs on the wire, and what its modes of acknowledgement lose or do twice when a line breaks or a
// reader dies. AMQP and MQTT lead to the same RabbitMQ. For Kafka there is kfake, a stand-in in this
// process, unless KAFKA_BROKERS names a real one.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"course.example/shop"
	"github.com/twmb/franz-go/pkg/kfake"
)

func main() { shop.Main(run) }

// limit bounds the whole run.
const limit = 2 * time.Minute

func run(ctx context.Context) error {
	flags := shop.NewFlags("protocols")
	var amqpURL, mqttURL, brokers string
	flags.StringVar(&amqpURL, "amqp-url", "amqp://guest:guest@localhost:5673/", "AMQP of the broker")
	flags.StringVar(&mqttURL, "mqtt-url", "tcp://guest:guest@localhost:1883", "MQTT of the same broker")
	flags.StringVar(&brokers, "kafka-brokers", "", "brokers of a real Kafka, separated by commas")
	flags.Env("amqp-url", "AMQP_URL")
	flags.Env("mqtt-url", "MQTT_URL")
	flags.Env("kafka-brokers", "KAFKA_BROKERS")
	if err := flags.Parse(os.Args[1:]); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	kafka := "the brokers of KAFKA_BROKERS"
	if brokers == "" {
		cluster, err := kfake.NewCluster(kfake.NumBrokers(1))
		if err != nil {
			return fmt.Errorf("start the stand-in for Kafka: %w", err)
		}
		defer cluster.Close()
		brokers = strings.Join(cluster.ListenAddrs(), ",")
		kafka = "kfake, a stand-in in this process"
	}
	table, err := Measure(ctx, AMQP(amqpURL), MQTT(mqttURL), Kafka(brokers))
	if err != nil {
		return err
	}
	fmt.Printf("AMQP and MQTT: RabbitMQ. Kafka: %s.\n", kafka)
	return table.Print(os.Stdout)
}

// Table is what a run has measured.
type Table struct {
	Senders []SenderRow
	Readers []ReaderRow
	Traits  []TraitsRow
}

// SenderRow is a mode in which orders are sent.
type SenderRow struct {
	Protocol, Mode string
	Size
	// OrdersLost is what became of orders that the line lost, AnswersLost of those that arrived and
	// whose answers it lost.
	OrdersLost, AnswersLost Fate
}

// ReaderRow is a mode in which orders are read.
type ReaderRow struct {
	Protocol, Mode string
	Killed         Fate
}

// TraitsRow is what a protocol does with orders.
type TraitsRow struct {
	Protocol, Delivery string
	Traits
}

// Measure measures one protocol after the other.
func Measure(ctx context.Context, all ...Protocol) (t Table, err error) {
	for _, p := range all {
		if err := t.add(ctx, p); err != nil {
			return t, err
		}
	}
	return t, nil
}

func (t *Table) add(ctx context.Context, p Protocol) (err error) {
	if p.Tidy != nil {
		defer func() { err = errors.Join(err, p.Tidy(context.WithoutCancel(ctx))) }()
	}
	for _, m := range p.Senders {
		row := SenderRow{Protocol: p.Name, Mode: m.Name}
		if row.Size, err = MeasureSize(ctx, p, m, newPlace()); err != nil {
			return fmt.Errorf("%s, %s: its size: %w", p.Name, m.Name, err)
		}
		if row.OrdersLost, err = BreakSender(ctx, p, m, newPlace(), Out); err != nil {
			return fmt.Errorf("%s, %s, orders lost: %w", p.Name, m.Name, err)
		}
		if row.AnswersLost, err = BreakSender(ctx, p, m, newPlace(), In); err != nil {
			return fmt.Errorf("%s, %s, answers lost: %w", p.Name, m.Name, err)
		}
		t.Senders = append(t.Senders, row)
	}
	for _, m := range p.Readers {
		killed, err := KillReader(ctx, p, m, newPlace())
		if err != nil {
			return fmt.Errorf("%s, %s: %w", p.Name, m.Name, err)
		}
		t.Readers = append(t.Readers, ReaderRow{p.Name, m.Name, killed})
	}
	traits, err := MeasureTraits(ctx, p, newPlace())
	if err != nil {
		return fmt.Errorf("%s: %w", p.Name, err)
	}
	t.Traits = append(t.Traits, TraitsRow{p.Name, p.Delivery, traits})
	slog.DebugContext(ctx, "measured", "protocol", p.Name)
	return nil
}

// Print writes it for people.
func (t Table) Print(to io.Writer) error {
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "\nsending; an order is %d bytes of JSON\n\n", t.Senders[0].Body)
	fmt.Fprintln(w, "protocol\tacknowledgement\tconnect\talone\tits answer\tone of 100\torder lost\tanswer lost")
	for _, r := range t.Senders {
		fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%d\t%d\t%s\t%s\n", r.Protocol, r.Mode, r.Connect,
			r.AloneOut, r.AloneIn, r.TogetherOut, r.OrdersLost, r.AnswersLost)
	}
	fmt.Fprintf(w, "\nreading; a reader dies with ten orders in progress, four of them done, three acknowledged\n\n")
	fmt.Fprintln(w, "protocol\tacknowledgement\tits orders")
	for _, r := range t.Readers {
		fmt.Fprintf(w, "%s\t%s\t%s\n", r.Protocol, r.Mode, r.Killed)
	}
	fmt.Fprintf(w, "\n\nprotocol\tdelivery\tin order\ta new group gets, of 100\ttwo readers get, of 100\n")
	for _, r := range t.Traits {
		fmt.Fprintf(w, "%s\t%s\t%t\t%d\t%d and %d\n", r.Protocol, r.Delivery, r.Ordered, r.Replayed,
			r.Shared[0], r.Shared[1])
	}
	return w.Flush()
}

// String says it in words.
func (f Fate) String() string {
	switch {
	case f.Lost > 0 && f.Doubled > 0:
		return fmt.Sprintf("%d lost, %d twice", f.Lost, f.Doubled)
	case f.Lost > 0:
		return fmt.Sprintf("%d lost", f.Lost)
	case f.Doubled > 0:
		return fmt.Sprintf("%d twice", f.Doubled)
	}
	return "once"
}
