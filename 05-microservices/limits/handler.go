package limits

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"net"
	"net/http"
	"strconv"
)

// KeyHeader names the customer. A real gateway verifies the key first: who may choose
// it has as many limits as names.
const KeyHeader = "X-Api-Key"

const maxKey = 64 // bytes

// Handler lets pass to next what the limiter lets through. The others get 429, or
// 503 if nobody can count, with Retry-After (RFC 6585, section 4).
func Handler(limiter Limiter, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		who := customer(r)
		switch {
		case len(who) > maxKey:
			say(w, http.StatusBadRequest, KeyHeader+" has more than 64 bytes")
			return
		case r.URL.Query().Has("count"): // it would pass for one request
			say(w, http.StatusBadRequest, "count: this gateway counts requests; send one for each order")
			return
		}
		answer := limiter.Take(r.Context(), who)
		if answer.Wait > 0 {
			refuse(w, answer)
			return
		}
		if answer.Done != nil {
			defer answer.Done()
		}
		next.ServeHTTP(w, r)
	})
}

// customer is the key of a request, or the address of one that has none.
func customer(r *http.Request) string {
	if key := r.Header.Get(KeyHeader); key != "" {
		return "key:" + key
	}
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	return "ip:" + host
}

func refuse(w http.ResponseWriter, a Answer) {
	// Whole seconds are all that the header has. Rounded down, the customer would
	// come too early.
	seconds := int(math.Ceil(a.Wait.Seconds()))
	w.Header().Set("Retry-After", strconv.Itoa(seconds))
	if a.Away {
		say(w, http.StatusServiceUnavailable, "the limit cannot be checked now; come again later")
		return
	}
	say(w, http.StatusTooManyRequests, fmt.Sprintf(
		"too many requests; the next one may come in %.0f ms", math.Ceil(a.Wait.Seconds()*1000)))
}

func say(w http.ResponseWriter, status int, problem string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(map[string]string{"error": problem}); err != nil {
		slog.Debug("the customer has gone", "err", err)
	}
}
