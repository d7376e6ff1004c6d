// Command bare is what step 05 is compared with: the same hops in bare net/http. It
// has no policies, no keys, no book, no log and no health checks; it breaks at the
// first fault.
//
//	bare payment
//	bare gateway http://payment-1 http://payment-2
//	bare order   http://gateway
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"course.example/shop"
)

func main() { shop.Main(run) }

func run(ctx context.Context) error {
	if len(os.Args) < 2 {
		return &shop.UsageError{Problem: "want order, gateway or payment, and the next hop's URLs"}
	}
	handlers := map[string]http.HandlerFunc{
		"order": order, "gateway": forward, "payment": payment,
	}
	handler := handlers[os.Args[1]]
	if handler == nil {
		return &shop.UsageError{Problem: fmt.Sprintf("%q is none of the three", os.Args[1])}
	}
	mux := http.NewServeMux()
	mux.Handle("POST /", handler)
	mux.HandleFunc("GET /healthz", func(http.ResponseWriter, *http.Request) {})
	return shop.Serve(ctx, os.Getenv("ADDR"), mux)
}

type charge struct {
	OrderID     string `json:"order_id"`
	UserEmail   string `json:"user_email"`
	AmountCents int64  `json:"amount_cents"`
}

type receipt struct {
	ID          string    `json:"receipt_id"`
	OrderID     string    `json:"order_id"`
	AmountCents int64     `json:"amount_cents"`
	ChargedAt   time.Time `json:"charged_at"`
}

var (
	client = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 256}}
	turn   atomic.Uint64
)

// next is the next hop: of several, they take turns.
func next() string {
	urls := os.Args[2:]
	return urls[turn.Add(1)%uint64(len(urls))] + "/charges"
}

func order(w http.ResponseWriter, r *http.Request) {
	var in struct {
		UserEmail string      `json:"user_email"`
		Items     []shop.Item `json:"items"`
	}
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	o, err := shop.NewOrder(in.UserEmail, in.Items...)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	body, err := json.Marshal(charge{o.ID, o.UserEmail, o.TotalCents()})
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	if charged, ok := ask(w, r, body); ok {
		var paid receipt
		if err := json.Unmarshal(charged, &paid); err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		answer(w, map[string]string{"order_id": o.ID})
	}
}

func forward(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if charged, ok := ask(w, r, body); ok {
		w.Header().Set("Content-Type", "application/json")
		if _, err := w.Write(charged); err != nil {
			slog.Debug("answer not delivered", "error", err)
		}
	}
}

func payment(w http.ResponseWriter, r *http.Request) {
	var c charge
	if err := json.NewDecoder(r.Body).Decode(&c); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	answer(w, receipt{"0199c1d2-7d3b-7cc0-8a31-5b6c7d8e9f00", c.OrderID, c.AmountCents, time.Now()})
}

// ask makes a call to the next hop. What is not 200 is passed on.
func ask(w http.ResponseWriter, r *http.Request, body []byte) (answer []byte, ok bool) {
	out, err := http.NewRequestWithContext(r.Context(), http.MethodPost, next(),
		bytes.NewReader(body))
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return nil, false
	}
	out.Header.Set("Content-Type", "application/json")
	resp, err := client.Do(out)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return nil, false
	}
	defer func() { _ = resp.Body.Close() }() // it is read to its end
	answer, err = io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		http.Error(w, string(answer), http.StatusBadGateway)
		return nil, false
	}
	return answer, true
}

func answer(w http.ResponseWriter, body any) {
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(body); err != nil {
		slog.Debug("answer not delivered", "error", err)
	}
}
