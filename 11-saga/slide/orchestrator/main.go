// Command orchestrator is the slide's: it leads the saga of each order from state to state.
package main

import (
	"context"
	"encoding/json"
	"os"

	saga "course.example/11-saga"
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
	if err := saga.Declare(channel); err != nil { // the exchange and the queues
		return err
	}
	messages, err := channel.ConsumeWithContext(ctx,
		"orchestrator", "", true, false, false, false, nil)
	if err != nil {
		return err
	}
	shop.Ready(ctx)
	sagas := map[string]saga.Saga{} // of each order
	for message := range messages {
		var m saga.Message
		if err := json.Unmarshal(message.Body, &m); err != nil {
			return err
		}
		s := sagas[m.Order.ID]
		next, known := machine[s.State][m.Kind]
		if !known {
			continue // it means nothing in this state
		}
		s.State, s.Version = next.to, s.Version+1
		sagas[m.Order.ID] = s
		for _, out := range say(m, s, next.send) {
			body, err := json.Marshal(out)
			if err != nil {
				return err
			}
			if err := channel.PublishWithContext(ctx, "shop", string(out.Kind), false, false,
				amqp.Publishing{ContentType: "application/json", Body: body}); err != nil {
				return err
			}
		}
	}
	return nil
}
