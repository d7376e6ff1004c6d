package order

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strconv"
	"sync/atomic"
	"time"
)

const (
	maxAnswer = 16 << 10 // bytes that are read of an answer
	maxReason = 300      // bytes that are told of its reason
)

// overHTTP is the way to payment by JSON over HTTP.
type overHTTP struct {
	url       string
	transport *http.Transport
}

// OverHTTP returns the way to a payment service, or to a gateway in front of
// several, by JSON over HTTP.
func OverHTTP(url string) Payments {
	return &overHTTP{url: url + "/charges", transport: &http.Transport{
		// No timeout for answers here: each call brings a context that has one.
		DialContext: (&net.Dialer{Timeout: time.Second}).DialContext,
		// The default keeps two idle connections: with more calls under way, most of
		// them would pay for a handshake.
		MaxIdleConnsPerHost: 256,
		IdleConnTimeout:     90 * time.Second,
		DisableCompression:  true,
	}}
}

// Charge implements [Charger].
func (o *overHTTP) Charge(ctx context.Context, key string, c Charge) (Receipt, error) {
	body, err := json.Marshal(c)
	if err != nil {
		return Receipt{}, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	// Before there is a connection nothing can have been sent. Afterwards anything
	// can: bytes that we have written may have arrived.
	var sent atomic.Bool
	traced := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) { sent.Store(true) },
	})
	r, err := http.NewRequestWithContext(traced, http.MethodPost, o.url, bytes.NewReader(body))
	if err != nil {
		return Receipt{}, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Idempotency-Key", strconv.Quote(key))
	// Not an http.Client, which follows redirects: a charge goes where we send it.
	resp, err := o.transport.RoundTrip(r)
	if err != nil {
		return Receipt{}, unanswered(ctx, sent.Load(), err)
	}
	// Read to the end, or the connection cannot be used again.
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err = errors.Join(err, resp.Body.Close()); err != nil {
		return Receipt{}, unanswered(ctx, true, err)
	}
	if resp.StatusCode != http.StatusOK {
		return Receipt{}, refusal(resp, raw)
	}
	var receipt Receipt
	if err := json.Unmarshal(raw, &receipt); err != nil || receipt.ID == "" {
		return Receipt{}, fmt.Errorf("%w: its answer is no receipt: %.40q", ErrUnknown, raw)
	}
	return receipt, nil
}

// Close closes the connections that are idle.
func (o *overHTTP) Close() error {
	o.transport.CloseIdleConnections()
	return nil
}

// refusal makes an error of an answer that is not 200. A 503 says that nothing was
// charged only if it says when to come back, as payment and its gateway do: a proxy on
// the way may say 503 after it has sent the request on.
func refusal(resp *http.Response, raw []byte) error {
	kind := ErrUnknown // 409: it is under way; 500, 502, 504: it may have been done
	switch resp.StatusCode {
	case http.StatusPaymentRequired:
		kind = ErrDeclined
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge,
		http.StatusUnprocessableEntity:
		kind = ErrInvalid
	case http.StatusServiceUnavailable:
		if resp.Header.Get("Retry-After") != "" {
			kind = ErrUnavailable
		}
	}
	var said struct {
		Error string `json:"error"`
	}
	if err := json.Unmarshal(raw, &said); err != nil {
		said.Error = string(raw) // not one of ours: its own words must do
	}
	return fmt.Errorf("%w: %d: %.*s", kind, resp.StatusCode, maxReason, said.Error)
}

// unanswered is the error of a call without an answer: because we stopped waiting, or
// because a connection could not be made, or broke.
func unanswered(ctx context.Context, sent bool, err error) error {
	kind := ErrUnavailable
	if sent {
		kind = ErrUnknown
	}
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	return fmt.Errorf("%w: %w", kind, err)
}
