package microservices

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"
)

const (
	// keyHeader carries the idempotency key, as an IETF draft (draft-ietf-httpapi-
	// idempotency-key-header) and most payment providers have it. Go's transport
	// knows it too: with it, a POST that dies with a reused connection is sent
	// again without our doing.
	keyHeader = "Idempotency-Key"
	maxCharge = 16 << 10 // bytes of a body, in both directions
)

// overHTTP is the way to the payment service by JSON over HTTP.
type overHTTP struct {
	url    string
	client *http.Client
}

// OverHTTP returns the way to a payment service, or to a gateway in front of
// several, by JSON over HTTP.
func OverHTTP(url string) Payments {
	return &overHTTP{url: url + "/charges", client: &http.Client{
		// No Timeout here: each call brings a context that has one.
		Transport: &http.Transport{
			DialContext: (&net.Dialer{Timeout: time.Second}).DialContext,
			// The default keeps two idle connections: with more calls under way,
			// most of them would pay for a handshake.
			MaxIdleConnsPerHost: 256,
			IdleConnTimeout:     90 * time.Second,
		},
	}}
}

// Charge implements [Charger].
func (o *overHTTP) Charge(ctx context.Context, key string, c Charge) (Receipt, error) {
	body, err := json.Marshal(c)
	if err != nil {
		return Receipt{}, fmt.Errorf("charge: %w", err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, o.url, bytes.NewReader(body))
	if err != nil {
		return Receipt{}, fmt.Errorf("charge: %w", err)
	}
	r.Header.Set("Content-Type", "application/json")
	if key != "" {
		r.Header.Set(keyHeader, key)
	}
	resp, err := o.client.Do(r)
	if err != nil {
		return Receipt{}, lost(ctx, err)
	}
	// Read to the end, or the connection cannot be used again.
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxCharge))
	if err = errors.Join(err, resp.Body.Close()); err != nil {
		return Receipt{}, lost(ctx, err)
	}
	if resp.StatusCode != http.StatusOK {
		var refusal struct {
			Error string `json:"error"`
		}
		if err := json.Unmarshal(raw, &refusal); err != nil {
			refusal.Error = string(raw) // not one of ours: its own words must do
		}
		return Receipt{}, fromHTTP(resp.StatusCode, refusal.Error)
	}
	var receipt Receipt
	if err := json.Unmarshal(raw, &receipt); err != nil {
		return Receipt{}, fmt.Errorf("%w: its answer is no receipt: %w", ErrUnavailable, err)
	}
	return receipt, nil
}

// Close closes the connections that are idle.
func (o *overHTTP) Close() error {
	o.client.CloseIdleConnections()
	return nil
}

// lost is a call without an answer: because we stopped waiting, or because the
// connection could not be made, or broke.
func lost(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("charge: %w", ctx.Err())
	}
	return fmt.Errorf("%w: %w", ErrUnavailable, err)
}

// HTTPHandler serves charges as JSON over HTTP:
//
//	POST /charges   with Idempotency-Key; 200 with a receipt
//	GET  /healthz   ready
func HTTPHandler(payment Charger) *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /charges", func(w http.ResponseWriter, r *http.Request) {
		receipt, err := serveCharge(payment, w, r)
		if err != nil {
			status := outcomeOf(err).http
			if status == http.StatusServiceUnavailable {
				w.Header().Set("Retry-After", "1")
			}
			answer(w, status, map[string]any{"error": err.Error()})
			return
		}
		// The name is that of a well-known payment provider.
		w.Header().Set("Idempotent-Replayed", strconv.FormatBool(receipt.Repeated))
		answer(w, http.StatusOK, receipt)
	})
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, map[string]any{"status": "ready"})
	})
	return mux
}

func serveCharge(
	payment Charger, w http.ResponseWriter, r *http.Request,
) (Receipt, error) {
	var c Charge
	body := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxCharge))
	body.DisallowUnknownFields()
	if err := body.Decode(&c); err != nil {
		return Receipt{}, fmt.Errorf("%w: the body must be a JSON object with order_id, "+
			"user_email and amount_cents: %w", ErrInvalid, err)
	}
	// The context ends when the caller hangs up. That is all HTTP tells of his
	// patience; gRPC sends his deadline along.
	return payment.Charge(r.Context(), r.Header.Get(keyHeader), c)
}
