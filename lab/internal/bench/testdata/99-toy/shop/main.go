// Command shop is a step in one process for the tests of the bench. It keeps
// the shop's contract, or breaks it as its variant says.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

func main() {
	slog.SetDefault(slog.New(slog.NewJSONHandler(os.Stdout, nil)))
	if err := run(); err != nil {
		slog.Error("stopped", "error", err)
		os.Exit(1)
	}
}

var (
	orders  atomic.Int64
	working sync.WaitGroup
	waiting atomic.Int64 // what will still happen
	effects atomic.Int64 // the shop's book
)

// audit reads the book. It is told what the log cannot know: that the effect of an order happened
// of which the shop has not told.
func audit(w http.ResponseWriter, _ *http.Request) {
	if os.Getenv("VARIANT") == "burnt" {
		http.Error(w, "the book has burnt", http.StatusInternalServerError)
		return
	}
	n, done := orders.Load(), effects.Load()
	tell(w, map[string]any{
		"accepted": n, "processed": min(n, done), "lost": max(0, n-done),
		"duplicated": max(0, done-n), "pages": 1,
	})
}

func tell(w http.ResponseWriter, what map[string]any) {
	if err := json.NewEncoder(w).Encode(what); err != nil {
		slog.Warn("no answer", "error", err)
	}
}

func run() error {
	if os.Getenv("VARIANT") == "dies" {
		return errors.New("it dies, as it was told")
	}
	fmt.Println("this line is no log record")
	if at := os.Getenv("LAB_CONTROL"); at != "" {
		fmt.Println("it may act on the run at " + at)
	}
	work, err := time.ParseDuration(os.Getenv("WORK"))
	if err != nil {
		work = time.Millisecond
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		tell(w, map[string]any{"details": map[string]any{"waiting": waiting.Load()}})
	})
	mux.HandleFunc("GET /audit", audit)
	mux.HandleFunc("POST /orders", func(w http.ResponseWriter, r *http.Request) { take(w, r, work) })
	server := &http.Server{Addr: os.Getenv("ADDR"), Handler: mux}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- server.ListenAndServe() }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	err = server.Shutdown(context.Background())
	working.Wait()
	return err
}

func take(w http.ResponseWriter, r *http.Request, work time.Duration) {
	var body struct {
		UserEmail string `json:"user_email"`
	}
	if json.NewDecoder(r.Body).Decode(&body) == nil && body.UserEmail == "refused@example.com" {
		http.Error(w, `{"error": "not you"}`, http.StatusInternalServerError)
		return
	}
	n, err := strconv.Atoi(r.URL.Query().Get("count"))
	if err != nil {
		n = 1
	}
	id := ""
	for range n {
		id = accept(work)
	}
	answer := map[string]any{"order_id": id}
	if n > 1 {
		answer = map[string]any{"accepted": n}
	}
	w.WriteHeader(http.StatusAccepted)
	if err := json.NewEncoder(w).Encode(answer); err != nil {
		slog.Warn("no answer", "error", err)
	}
}

func accept(work time.Duration) string {
	n := orders.Add(1)
	id := fmt.Sprintf("%d-%d", os.Getpid(), n)
	variant := os.Getenv("VARIANT")
	if variant == "crashes" && n == 3 {
		os.Exit(3)
	}
	if variant == "silent" {
		return id
	}
	slog.Info("order accepted", "order", id, "n", n)
	if variant == "loses" && n%2 == 0 {
		return id
	}
	waiting.Add(1)
	working.Go(func() {
		defer waiting.Add(-1)
		time.Sleep(work)
		switch variant {
		case "fails":
			slog.Error("order failed", "order", id, "reason", "told to")
			return
		case "untold": // killed between its book and its log, as it were
			if n == 1 {
				effects.Add(1)
				return
			}
		case "twice":
			process(id)
		case "stuck":
			waiting.Add(1) // forever
		case "again":
			process(id)
			time.Sleep(time.Second)
		}
		process(id)
	})
	return id
}

func process(id string) {
	effects.Add(1)
	slog.Info("order processed", "order", id)
}
