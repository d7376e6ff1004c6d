// Command order calls payment for each order, up to three times.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"time"

	"course.example/05-microservices/order"
	"course.example/shop"
)

const tries = 3

func main() { shop.Main(run) }

func run(ctx context.Context) error {
	counter := shop.Counter{Place: pay, Status: http.StatusOK} // POST /orders
	return shop.Serve(ctx, os.Getenv("ADDR"), counter.Handler())
}

func pay(ctx context.Context, o shop.Order) (err error) {
	for range tries {
		key := o.ID // the same in every try, in this process and in the next
		if err = charge(ctx, key, o); err == nil {
			return nil
		}
	}
	return err
}

var client = &http.Client{Timeout: 300 * time.Millisecond}

// charge is one try.
func charge(ctx context.Context, key string, o shop.Order) error {
	_, asked := order.ChargeFor(o)
	body, err := json.Marshal(asked)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost,
		os.Getenv("PAYMENT_URL")+"/charges", bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Idempotency-Key", key)
	answer, err := client.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("payment answers %s", answer.Status)
	}
	return nil
}
