package main

import (
	_ "embed"
	"encoding/json"
	"net/http"
	"strconv"
)

// page is all there is to it: no library, no font, nothing from elsewhere, so that it works in a
// lecture hall without a network.
//
//go:embed page.html
var page []byte

// mostSeries is how many series of a metric the page gets to show.
const mostSeries = 30

func addPage(mux *http.ServeMux, s *store) {
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Security-Policy", "default-src 'none'; connect-src 'self'; "+
			"style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:")
		write(w, "text/html; charset=utf-8", http.StatusOK, page)
	})
	mux.HandleFunc("GET /api/traces", func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		keep := func(t Summary) bool {
			return (q.Get("failed") == "" || t.Failed) &&
				(q.Get("orders") == "" || len(t.Orders) > 0)
		}
		answerJSON(w, s.search(q.Get("q"), keep, whole(q.Get("limit"), 200, 5000)))
	})
	mux.HandleFunc("GET /api/traces/{id}", func(w http.ResponseWriter, r *http.Request) {
		t, ok := s.find(r.PathValue("id"))
		if !ok {
			http.Error(w, "there is no such trace, or not any more", http.StatusNotFound)
			return
		}
		answerJSON(w, t)
	})
	mux.HandleFunc("GET /api/logs", func(w http.ResponseWriter, r *http.Request) {
		answerJSON(w, s.looseLogs(r.URL.Query().Get("q")))
	})
	mux.HandleFunc("GET /api/metrics", func(w http.ResponseWriter, _ *http.Request) {
		answerJSON(w, s.listMetrics(mostSeries))
	})
	mux.HandleFunc("GET /api/workers", func(w http.ResponseWriter, r *http.Request) {
		answerJSON(w, s.workers(since(r)))
	})
	mux.HandleFunc("GET /api/figures", func(w http.ResponseWriter, r *http.Request) {
		answerJSON(w, s.figures(since(r)))
	})
	mux.HandleFunc("GET /api/counts", func(w http.ResponseWriter, _ *http.Request) {
		s.mu.Lock()
		counts := s.counts
		counts.Traces, counts.Bytes = len(s.traces), s.bytes
		s.mu.Unlock()
		answerJSON(w, counts)
	})
}

// whole reads a number of the query.
func whole(text string, usual, most int) int {
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		return usual
	}
	return min(n, most)
}

// since is the moment from which on somebody asks, in nanoseconds since 1970.
func since(r *http.Request) int64 {
	n, err := strconv.ParseInt(r.URL.Query().Get("since"), 10, 64)
	if err != nil {
		return 0
	}
	return n
}

func answerJSON(w http.ResponseWriter, v any) {
	raw, err := json.Marshal(v)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	write(w, "application/json", http.StatusOK, raw)
}
