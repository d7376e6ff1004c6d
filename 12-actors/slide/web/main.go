// Command web is the slide's: it calls a grain for every order.
package main

import (
	"context"
	"errors"
	"net/http"
	"os"

	actors "course.example/12-actors"
	"course.example/12-actors/engine"
	"course.example/shop"
)

func main() { shop.Main(run) }

func run(ctx context.Context) error {
	client, err := actors.Join(ctx)
	if err != nil {
		return err
	}
	defer client.Leave()

	place := func(ctx context.Context, order shop.Order) error {
		grain := actors.GetOrderGrainClient(client.Cluster(), order.ID)
		_, err := grain.Place(
			&actors.PlaceRequest{UserEmail: order.UserEmail}, engine.Until(ctx))
		return err
	}
	tally := actors.NewTally(client) // asks all orders in the end: are you done?
	counter := shop.Counter{Place: tally.Keep(place), Status: http.StatusOK}
	err = shop.Serve(ctx, os.Getenv("ADDR"), counter.Handler())
	return errors.Join(err, tally.Conclude())
}
