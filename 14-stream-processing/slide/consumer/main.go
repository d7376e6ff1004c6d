// Command consumer adds up the sales of each minute. Kill it, start it: it goes on where its sums end.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

type state struct { // the sums and how far they go, in one file: they change together
	Read  uint64
	Cents map[string]int // by minute
}

func main() {
	s := state{Cents: map[string]int{}}
	if raw, err := os.ReadFile("sums.json"); err == nil {
		check(json.Unmarshal(raw, &s))
	}
	conn, err := nats.Connect(nats.DefaultURL)
	check(err)
	js, err := jetstream.New(conn)
	check(err)
	consumer, err := js.OrderedConsumer(context.Background(), "SLIDE", jetstream.OrderedConsumerConfig{
		DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: s.Read + 1,
	})
	check(err)
	records, err := consumer.Messages()
	check(err)
	for {
		record, err := records.Next()
		check(err)
		meta, err := record.Metadata()
		check(err)
		var order struct {
			Cents  int
			Placed time.Time
		}
		check(json.Unmarshal(record.Data(), &order))
		s.Cents[order.Placed.UTC().Format("15:04")] += order.Cents // event time, not time.Now()
		s.Read = meta.Sequence.Stream
		fmt.Println(s.Read, s.Cents)
		raw, err := json.Marshal(s)
		check(err)
		check(os.WriteFile("sums.new", raw, 0o644))
		check(os.Rename("sums.new", "sums.json")) // all or nothing
	}
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
