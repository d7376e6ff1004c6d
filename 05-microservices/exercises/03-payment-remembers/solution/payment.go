// Package payment charges once for each key.
package payment

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"sync"
)

// Charge takes the money that a request asks for, and returns the receipt. It takes its time, and
// may be called for several requests at a time.
type Charge func(ctx context.Context, request []byte) (receipt []byte, err error)

// entry is what is known of a key.
type entry struct {
	request, receipt []byte // receipt is nil while the charge is under way
}

// payment is safe for concurrent use.
type payment struct {
	charge Charge
	mu     sync.Mutex
	known  map[string]entry
}

// Handler serves POST /charges, and calls charge once for each Idempotency-Key.
func Handler(charge Charge) http.Handler {
	p := &payment{charge: charge, known: map[string]entry{}}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /charges", p.serve)
	return mux
}

func (p *payment) serve(w http.ResponseWriter, r *http.Request) {
	key := r.Header.Get("Idempotency-Key")
	request, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 16<<10))
	if key == "" || err != nil {
		http.Error(w, "an Idempotency-Key and a body of at most 16 kB, please", http.StatusBadRequest)
		return
	}
	switch e, first := p.begin(key, request); {
	case first:
		p.chargeFirst(w, r, key, request)
	case !bytes.Equal(e.request, request):
		http.Error(w, "the key belongs to another charge", http.StatusUnprocessableEntity)
	case e.receipt == nil:
		http.Error(w, "the charge is under way: ask again", http.StatusConflict)
	default:
		_, _ = w.Write(e.receipt) // a caller that has gone will ask again
	}
}

func (p *payment) chargeFirst(w http.ResponseWriter, r *http.Request, key string, request []byte) {
	// A caller that hangs up does not end a charge that was begun.
	receipt, err := p.charge(context.WithoutCancel(r.Context()), request)
	p.end(key, request, receipt, err)
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	_, _ = w.Write(receipt)
}

// begin says whether the key is new, and enters it.
func (p *payment) begin(key string, request []byte) (e entry, first bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	e, known := p.known[key]
	if !known {
		p.known[key] = entry{request: request}
	}
	return e, !known
}

func (p *payment) end(key string, request, receipt []byte, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err != nil {
		delete(p.known, key) // nothing was charged: the next one may try
		return
	}
	p.known[key] = entry{request, receipt}
}
