package grid

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

const callTimeout = 5 * time.Second // of one request

// post sends a question and reads the answer. The status is 0 if there was none. Every
// status but 2xx is an error as well.
func (w *Worker) post(ctx context.Context, path string, in told, out any) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	body, err := json.Marshal(in)
	if err != nil {
		return 0, fmt.Errorf("ask the coordinator: %w", err)
	}
	q, err := http.NewRequestWithContext(ctx, http.MethodPost, w.URL+path, bytes.NewReader(body))
	if err != nil {
		return 0, fmt.Errorf("ask the coordinator: %w", err)
	}
	resp, err := w.HTTP.Do(q)
	if err != nil {
		return 0, fmt.Errorf("ask the coordinator: %w", err)
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxBody))
	err = errors.Join(err, resp.Body.Close())
	switch {
	case err != nil:
		return 0, fmt.Errorf("read the coordinator's answer: %w", err)
	case resp.StatusCode >= 300:
		return resp.StatusCode, fmt.Errorf("the coordinator says %s: %.200s", resp.Status, text)
	case out == nil || resp.StatusCode == http.StatusNoContent:
		return resp.StatusCode, nil
	}
	if err := json.Unmarshal(text, out); err != nil {
		return 0, fmt.Errorf("the coordinator's answer %.200q: %w", text, err)
	}
	return resp.StatusCode, nil
}

// outlive returns a context that ends so much later than ctx.
func outlive(ctx context.Context, later time.Duration) (context.Context, context.CancelFunc) {
	longer, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		pause(longer, later)
		cancel()
	})
	return longer, func() { stop(); cancel() }
}

// pause waits, and less if ctx ends.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
