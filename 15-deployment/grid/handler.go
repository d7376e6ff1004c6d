package grid

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"

	"course.example/shop"
)

const (
	maxBody = 4 << 10 // bytes
	maxName = 64      // of a worker, bytes
)

// told is what a worker sends: its name, and with a result the order that it is for.
type told struct {
	Worker string `json:"worker"`
	Order  string `json:"order"`
	Result
}

// Handler is the coordinator for workers, and the shop for customers: each order is the
// next exponent.
//
//	POST /units     {"worker"}: a unit, or 204 if there is none now
//	POST /results   {"worker", "order", "prime", "residue"}
//	GET  /primes    what has been found
//
// A worker who is not trusted gets 403.
func (c *Coordinator) Handler() http.Handler {
	mux := shop.Counter{Place: c.Add, Details: c.details}.Handler()
	mux.HandleFunc("POST /units", c.takeUnit)
	mux.HandleFunc("POST /results", c.takeResult)
	mux.HandleFunc("GET /primes", func(w http.ResponseWriter, _ *http.Request) {
		n := c.Counts()
		answer(w, http.StatusOK, map[string]any{"primes": n.Primes, "tested": n.Done})
	})
	return mux
}

func (c *Coordinator) details(context.Context) map[string]any {
	n := c.Counts()
	return map[string]any{"open": n.Open, "done": n.Done, "banned": n.Banned}
}

func (c *Coordinator) takeUnit(w http.ResponseWriter, r *http.Request) {
	in, err := read(w, r)
	if err != nil {
		refuse(w, http.StatusBadRequest, err)
		return
	}
	u, err := c.Take(in.Worker)
	switch {
	case errors.Is(err, ErrNothing):
		w.WriteHeader(http.StatusNoContent)
	case err != nil:
		refuse(w, http.StatusForbidden, err)
	default:
		answer(w, http.StatusOK, u)
	}
}

func (c *Coordinator) takeResult(w http.ResponseWriter, r *http.Request) {
	in, err := read(w, r)
	if err == nil && in.Prime && in.Residue != 0 {
		err = errors.New("residue: must be 0 for a prime")
	}
	if err != nil {
		refuse(w, http.StatusBadRequest, err)
		return
	}
	v, err := c.Report(in.Worker, in.Order, in.Result)
	switch {
	case errors.Is(err, ErrUnknown):
		refuse(w, http.StatusNotFound, err)
	case errors.Is(err, ErrBanned), errors.Is(err, ErrNotGiven):
		refuse(w, http.StatusForbidden, err)
	case err != nil: // it may be told again
		refuse(w, http.StatusServiceUnavailable, err)
	default:
		v.log(r.Context())
		answer(w, http.StatusOK, map[string]any{"settled": v.Settled})
	}
}

// log says what the lab reads. The effect of an order is that its result stands.
func (v Verdict) log(ctx context.Context) {
	for _, worker := range v.Banned {
		slog.WarnContext(ctx, "a worker has told a wrong result: what it told is done again",
			"worker", worker, "exponent", v.Unit.Exponent)
	}
	switch {
	case v.Again:
		shop.Skipped(ctx, v.Unit.Order, "its result is known")
	case v.Settled:
		shop.Processed(ctx, v.Unit.Order,
			slog.String("effect", fmt.Sprintf("M%d", v.Unit.Exponent)),
			slog.Bool("prime", v.Result.Prime), slog.Int("primes", len(v.Counts.Primes)),
			slog.Int("banned", v.Counts.Banned), slog.Int("thrown", v.Counts.Thrown),
			slog.Int("at_once", v.Counts.AtOnce), slog.Int("per_second", v.Counts.PerSecond))
	}
}

// read reads what a worker has sent, which may be anything.
func read(w http.ResponseWriter, r *http.Request) (told, error) {
	var in told
	body := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	body.DisallowUnknownFields()
	if err := body.Decode(&in); err != nil {
		return in, fmt.Errorf("body: want {\"worker\": \"name\"} and what was found: %w", err)
	}
	if in.Worker == "" || len(in.Worker) > maxName {
		return in, fmt.Errorf("worker: must be a name of 1 to %d bytes", maxName)
	}
	return in, nil
}

func refuse(w http.ResponseWriter, status int, err error) {
	answer(w, status, map[string]any{"error": shop.Reason(err)})
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(body); err != nil {
		slog.Debug("the worker has gone", "error", err)
	}
}
