package microservices

import (
	"encoding/json"
	"log/slog"
	"net/http"
)

// Shed passes at most limit requests on at a time and answers the others at once
// with 503. A service that takes more than it can do does not do more, it does all
// of it too late: the memory and the time of a request that will be refused in the
// end are better spent on one that will not.
//
// What is only looked at, /healthz, always passes: a full service is not a sick one,
// and whoever took it out of the rotation would overload the next.
func Shed(limit int, next http.Handler) http.Handler {
	slots := make(chan struct{}, limit)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			next.ServeHTTP(w, r)
			return
		}
		select {
		case slots <- struct{}{}:
			defer func() { <-slots }()
			next.ServeHTTP(w, r)
		default:
			w.Header().Set("Retry-After", "1")
			answer(w, http.StatusServiceUnavailable,
				map[string]any{"error": "too many orders at a time: come back later"})
		}
	})
}

// answer writes a JSON answer.
func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(body); err != nil {
		slog.Debug("answer not delivered", "error", err) // the caller has gone
	}
}
