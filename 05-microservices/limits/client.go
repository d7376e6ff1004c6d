package limits

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Client sends requests again that were refused with 429. Nothing was done for such a
// request, so it needs no idempotency key.
type Client struct {
	HTTP *http.Client
	// Pause is how long it waits before the next try, by what Retry-After says.
	Pause func(retryAfter time.Duration) time.Duration
}

// Patient waits as long as it was asked to, and up to half as long again: those who
// were refused together must not come back together.
func Patient(retryAfter time.Duration) time.Duration {
	return retryAfter + rand.N(retryAfter/2+1)
}

// Post returns the status of the first answer that is not 429, and how many requests
// it took. It gives up when ctx ends.
func (c Client) Post(ctx context.Context, url, body string) (status, tries int, err error) {
	for {
		tries++
		status, again, err := c.try(ctx, url, body)
		if err != nil || status != http.StatusTooManyRequests {
			return status, tries, err
		}
		select {
		case <-time.After(c.Pause(again)):
		case <-ctx.Done():
			return status, tries, fmt.Errorf("refused %d times: %w", tries, context.Cause(ctx))
		}
	}
}

func (c Client) try(
	ctx context.Context, url, body string,
) (status int, again time.Duration, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		return 0, 0, fmt.Errorf("place an order: %w", err)
	}
	resp, err := c.HTTP.Do(r)
	if err != nil {
		return 0, 0, fmt.Errorf("place an order: %w", err)
	}
	_, err = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10)) // or it cannot be used again
	if err = errors.Join(err, resp.Body.Close()); err != nil {
		return 0, 0, fmt.Errorf("read the answer: %w", err)
	}
	seconds, err := strconv.Atoi(resp.Header.Get("Retry-After"))
	if err != nil || seconds < 1 {
		seconds = 1 // not every server says it
	}
	return resp.StatusCode, time.Duration(seconds) * time.Second, nil
}
