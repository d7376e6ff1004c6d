// Command producer appends orders to a log, each to the partition of its customer.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"log"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

type order struct {
	ID       string
	Customer string
	Cents    int
	Placed   time.Time
}

func main() {
	ctx := context.Background()
	conn, err := nats.Connect(nats.DefaultURL)
	check(err)
	defer conn.Close()
	js, err := jetstream.New(conn)
	check(err)
	_, err = js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{
		Name: "SLIDE", Subjects: []string{"slide.*"}, MaxAge: 24 * time.Hour,
	})
	check(err)
	for i := range 100 {
		now := time.Now()
		o := order{fmt.Sprint(now.UnixNano()), fmt.Sprint("customer-", i%7), 100 + i, now}
		body, err := json.Marshal(o)
		check(err)
		key := fnv.New32a()
		key.Write([]byte(o.Customer))
		subject := fmt.Sprint("slide.", key.Sum32()%4)
		// The same id twice is one record. The answer says where it stands.
		ack, err := js.Publish(ctx, subject, body, jetstream.WithMsgID(o.ID))
		check(err)
		fmt.Println("order of", o.Customer, "is record", ack.Sequence, "in", subject)
	}
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
