// Command payment is the slide's: it takes the money for an order.
package main

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"time"

	"course.example/shop"
)

func main() { shop.Main(run) }

func run(ctx context.Context) error {
	charge := func(w http.ResponseWriter, r *http.Request) {
		var order shop.Order
		if err := json.NewDecoder(r.Body).Decode(&order); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		shop.Received(ctx, order.ID, 1)
		if err := shop.Work(r.Context(), order, 100*time.Millisecond); err != nil {
			http.Error(w, err.Error(), http.StatusPaymentRequired)
			return
		}
		shop.Processed(ctx, order.ID)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /charges", charge)
	mux.HandleFunc("GET /healthz", func(http.ResponseWriter, *http.Request) {}) // for the gateway
	return shop.Serve(ctx, os.Getenv("ADDR"), mux)
}
