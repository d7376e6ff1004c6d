package deployment

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"course.example/shop"
)

// Handler is the deployer's HTTP API: the door for customers, and what an operator asks for. A
// rollout that it begins ends with ctx.
//
//	POST /orders              goes to a replica
//	POST /deploy?version=v2   begins to bring another version in
//	GET  /plan                what is not as desired
//	GET  /healthz             whether orders can be taken
func (d *Deployer) Handler(ctx context.Context) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("POST /orders", d.door)
	mux.HandleFunc("POST /deploy", func(w http.ResponseWriter, r *http.Request) {
		usage := new(shop.UsageError)
		switch err := d.Deploy(ctx, r.URL.Query().Get("version")); {
		case err == nil:
			answer(w, http.StatusAccepted, map[string]any{"status": "begun"})
		case errors.As(err, &usage):
			refuse(w, http.StatusBadRequest, err.Error())
		default:
			refuse(w, http.StatusConflict, err.Error())
		}
	})
	mux.HandleFunc("GET /plan", func(w http.ResponseWriter, _ *http.Request) {
		for _, c := range Plan(d.Desired(), d.Running()) {
			_, _ = fmt.Fprintln(w, c)
		}
	})
	mux.HandleFunc("GET /healthz", d.health)
	return mux
}

func (d *Deployer) health(w http.ResponseWriter, _ *http.Request) {
	rolling := 0
	d.mu.Lock()
	if d.rolling {
		rolling = 1
	}
	trouble := d.trouble
	d.mu.Unlock()
	body := map[string]any{"status": "ready", "details": map[string]any{
		"rolling": rolling, "version": d.Desired().Version,
	}}
	status := http.StatusOK
	if trouble == nil {
		trouble = errors.New("none has been started yet")
	}
	if d.door.Behind() == 0 {
		status, body["status"], body["reason"] =
			http.StatusServiceUnavailable, "not ready", fmt.Sprintf("no producer is ready: %v", trouble)
	}
	answer(w, status, body)
}

func refuse(w http.ResponseWriter, status int, why string) {
	answer(w, status, map[string]any{"error": why})
}

func answer(w http.ResponseWriter, status int, body map[string]any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // who asked has gone
}
