package payment

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
)

// Charger is what both protocols serve: [Payment].
type Charger interface {
	Charge(ctx context.Context, key string, c Charge) (Receipt, error)
}

// HTTPHandler serves a payment service as JSON over HTTP:
//
//	POST /charges   with Idempotency-Key; 200 with a receipt
//	GET  /charges   what stands in the book
//	GET  /audit     the same in two numbers
//	GET  /healthz   ready, or why nothing can be charged
func HTTPHandler(p *Payment) *http.ServeMux {
	mux := http.NewServeMux()
	mux.Handle("POST /charges", ChargeHandler(p))
	tell := func(what func(Audit) any) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			audit, err := p.Audit()
			if err != nil {
				refuse(w, err)
				return
			}
			answer(w, http.StatusOK, what(audit))
		}
	}
	mux.HandleFunc("GET /charges", tell(func(a Audit) any { return a }))
	mux.HandleFunc("GET /audit", tell(func(a Audit) any { return a.Sums }))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		if err := p.book.Check(); err != nil {
			answer(w, http.StatusServiceUnavailable,
				map[string]any{"status": "not ready", "reason": err.Error()})
			return
		}
		answer(w, http.StatusOK, map[string]any{"status": "ready"})
	})
	return mux
}

// ChargeHandler serves charges as JSON.
func ChargeHandler(p Charger) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		receipt, err := serveCharge(p, w, r)
		if receipt.Repeated {
			w.Header().Set("Idempotent-Replayed", "true") // as well-known providers call it
		}
		if err != nil {
			refuse(w, err)
			return
		}
		answer(w, http.StatusOK, receipt)
	})
}

func serveCharge(p Charger, w http.ResponseWriter, r *http.Request) (Receipt, error) {
	c, err := readCharge(w, r)
	if err != nil {
		return Receipt{}, err
	}
	key, err := readKey(r.Header)
	if err != nil {
		return Receipt{}, err
	}
	// The context ends when the caller hangs up. That is all HTTP tells of his
	// patience; gRPC sends his deadline along.
	return p.Charge(r.Context(), key, c)
}

// readKey reads the header Idempotency-Key. It is a string in quotes (RFC 8941); many
// send it without, and mean the same.
func readKey(header http.Header) (string, error) {
	values := header.Values("Idempotency-Key")
	if len(values) > 1 {
		return "", fmt.Errorf("%w: Idempotency-Key is there %d times", ErrInvalid, len(values))
	}
	key := header.Get("Idempotency-Key")
	if !strings.HasPrefix(key, `"`) {
		return key, nil
	}
	plain, err := strconv.Unquote(key)
	if err != nil {
		return "", fmt.Errorf("%w: Idempotency-Key is not a string in quotes", ErrInvalid)
	}
	return plain, nil
}

// readCharge reads the body, which must be one JSON object and nothing behind it.
// Fields that it does not know it skips: whoever wrote them is newer than we are.
func readCharge(w http.ResponseWriter, r *http.Request) (c Charge, err error) {
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxCharge))
	if tooLarge := new(http.MaxBytesError); errors.As(err, &tooLarge) {
		return c, ErrTooLarge
	}
	if err != nil {
		return c, fmt.Errorf("%w: the body cannot be read: %w", ErrInvalid, err)
	}
	err = json.Unmarshal(raw, &c)
	if wrong := new(json.UnmarshalTypeError); errors.As(err, &wrong) && wrong.Field != "" {
		return c, fmt.Errorf("%w: %s cannot be %.40s", ErrInvalid, wrong.Field, wrong.Value)
	}
	if err != nil {
		return c, fmt.Errorf("%w: the body must be a JSON object with order_id, "+
			"user_email and amount_cents: %w", ErrInvalid, err)
	}
	return c, nil
}

func refuse(w http.ResponseWriter, err error) {
	status, _ := statusOf(err)
	if status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "1")
	}
	answer(w, status, map[string]any{"error": err.Error()})
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(body); err != nil {
		slog.Debug("answer not delivered", "error", err) // the caller has gone
	}
}
