// Command order is the slide's: for each order it calls payment, and waits.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"

	"course.example/shop"
)

func main() { shop.Main(run) }

func run(ctx context.Context) error {
	pay := func(ctx context.Context, order shop.Order) error {
		body, err := json.Marshal(order)
		if err != nil {
			return err
		}
		answer, err := http.Post(os.Getenv("PAYMENT_URL")+"/charges",
			"application/json", bytes.NewReader(body))
		if err != nil {
			return err
		}
		defer answer.Body.Close()
		if answer.StatusCode != http.StatusOK {
			return fmt.Errorf("payment answers %s", answer.Status)
		}
		return nil
	}
	counter := shop.Counter{Place: pay, Status: http.StatusOK} // POST /orders
	return shop.Serve(ctx, os.Getenv("ADDR"), counter.Handler())
}
