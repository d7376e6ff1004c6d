package deployment

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"course.example/shop"
)

// Handler is the deployer's HTTP API: the door for customers, and what an operator asks for. What it
// starts ends with ctx.
//
//	POST /orders                              goes to a replica
//	POST /deploy?version=v2                   writes the version into desired.yaml
//	GET  /plan                                what is not as desired
//	GET  /drift                               what was found to be changed by hand, and mended
//	GET  /replicas                            what runs
//	POST /start?program=producer&version=v1   one more, past desired.yaml
//	POST /switch?flag=discount&on=true        a flag, past desired.yaml
//	GET  /healthz                             whether orders can be taken
func (d *Deployer) Handler(ctx context.Context) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("POST /orders", d.door)
	mux.HandleFunc("POST /deploy", func(w http.ResponseWriter, r *http.Request) {
		say(w, d.Deploy(r.FormValue("version")))
	})
	mux.HandleFunc("POST /start", func(w http.ResponseWriter, r *http.Request) {
		say(w, d.Start(ctx, r.FormValue("program"), r.FormValue("version")))
	})
	mux.HandleFunc("POST /switch", func(w http.ResponseWriter, r *http.Request) {
		flag, on := r.FormValue("flag"), r.FormValue("on") == "true"
		err := checkFlag(flag)
		if err == nil {
			flags := d.door.Flags()
			flags[flag] = on
			d.door.Switch(flags)
		}
		say(w, err)
	})
	mux.HandleFunc("GET /plan", func(w http.ResponseWriter, _ *http.Request) {
		for _, c := range Plan(d.Desired(), d.State()) {
			_, _ = fmt.Fprintln(w, c)
		}
	})
	mux.HandleFunc("GET /drift", func(w http.ResponseWriter, _ *http.Request) {
		for _, line := range d.now().drift {
			_, _ = fmt.Fprintln(w, line)
		}
	})
	mux.HandleFunc("GET /replicas", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, d.having(func(*Replica) bool { return true }))
	})
	mux.HandleFunc("GET /healthz", d.health)
	return mux
}

func say(w http.ResponseWriter, err error) {
	usage := new(shop.UsageError)
	switch {
	case err == nil:
		answer(w, http.StatusAccepted, map[string]any{"status": "begun"})
	case errors.As(err, &usage):
		refuse(w, http.StatusBadRequest, err.Error())
	default:
		refuse(w, http.StatusConflict, err.Error())
	}
}

func (d *Deployer) health(w http.ResponseWriter, _ *http.Request) {
	rolling := 0
	d.mu.Lock()
	if d.rolling() {
		rolling = 1
	}
	trouble, version := d.trouble, d.desired.Version
	d.mu.Unlock()
	body := map[string]any{"status": "ready", "details": map[string]any{
		"rolling": rolling, "version": version,
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

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // who asked has gone
}
