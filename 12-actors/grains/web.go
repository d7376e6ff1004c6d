package main

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"time"

	"github.com/asynkron/protoactor-go/cluster"

	"course.example/12-actors/engine"
)

// Web is the way in from outside: the path names the grain. The web app holds no
// list of grains and asks for none. It waits for an answer as long as patience.
func Web(silo *cluster.Cluster, patience time.Duration) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /hello/{id}", func(w http.ResponseWriter, r *http.Request) {
		id, greeting := r.PathValue("id"), r.URL.Query().Get("greeting")
		if len(id) > 64 || len(greeting) > 256 {
			answer(w, http.StatusBadRequest, map[string]any{
				"error": "id: at most 64 bytes, greeting: at most 256"})
			return
		}
		if greeting == "" {
			greeting = "good morning"
		}
		reply, err := GetHelloGrainClient(silo, id).SayHello(
			&HelloRequest{Greeting: greeting}, engine.Within(patience))
		if err != nil {
			answer(w, http.StatusServiceUnavailable, map[string]any{
				"error": engine.Reason(err)})
			return
		}
		answer(w, http.StatusOK, map[string]any{
			"text": reply.GetText(), "calls": reply.GetCalls()})
	})
	return mux
}

func answer(w http.ResponseWriter, status int, body map[string]any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false) // the answer is no part of a page
	if err := encoder.Encode(body); err != nil {
		slog.Debug("answer not delivered", "error", err)
	}
}
