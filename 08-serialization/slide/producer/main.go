// Command producer is the slide's: every order becomes JSON in a queue.
package main

import (
	"context"
	"encoding/json"
	"os"

	serialization "course.example/08-serialization"
	"course.example/shop"
	amqp "github.com/rabbitmq/amqp091-go"
)

func main() { shop.Main(run) }

func run(ctx context.Context) error {
	conn, err := amqp.Dial(os.Getenv("AMQP_URL"))
	if err != nil {
		return err
	}
	defer conn.Close()
	channel, err := conn.Channel()
	if err != nil {
		return err
	}
	if err := serialization.Declare(channel); err != nil { // the queues
		return err
	}

	publish := func(ctx context.Context, order shop.Order) error {
		body, err := json.Marshal(order)
		if err != nil {
			return err
		}
		message := amqp.Publishing{Body: body}
		return channel.PublishWithContext(ctx, "", serialization.Queue, false, false, message)
	}
	counter := shop.Counter{Place: publish} // POST /orders
	return shop.Serve(ctx, os.Getenv("ADDR"), counter.Handler())
}
