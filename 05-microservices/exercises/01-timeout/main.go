// Command order calls payment for each order, and waits.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"

	"course.example/05-microservices/order"
	"course.example/shop"
)

func main() { shop.Main(run) }

func run(ctx context.Context) error {
	pay := func(ctx context.Context, o shop.Order) error {
		key, charge := order.ChargeFor(o)
		body, err := json.Marshal(charge)
		if err != nil {
			return err
		}
		request, err := http.NewRequest(http.MethodPost,
			os.Getenv("PAYMENT_URL")+"/charges", bytes.NewReader(body))
		if err != nil {
			return err
		}
		request.Header.Set("Idempotency-Key", key)
		answer, err := http.DefaultClient.Do(request)
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
