package order

import (
	"fmt"
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
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusServiceUnavailable)
			_, err := fmt.Fprintln(w, `{"error":"too many orders at a time: come back later"}`)
			if err != nil {
				slog.Debug("answer not delivered", "error", err) // the customer has gone
			}
		}
	})
}
