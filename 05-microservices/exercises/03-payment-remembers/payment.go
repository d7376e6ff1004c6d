// Package payment charges once for each key.
package payment

import (
	"context"
	"net/http"
)

// Charge takes the money that a request asks for, and returns the receipt. It takes its time, and
// may be called for several requests at a time.
type Charge func(ctx context.Context, request []byte) (receipt []byte, err error)

// Handler serves POST /charges, and calls charge once for each Idempotency-Key.
func Handler(charge Charge) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, "not written yet", http.StatusNotImplemented)
	})
}
