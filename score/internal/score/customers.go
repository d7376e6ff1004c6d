package score

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/valyala/fasthttp"

	"course.example/lab/internal/bench"
)

// customers place single orders at one front door, as many as can be. They are for
// throughput: each request of theirs costs half of what one of net/http does, on a machine
// that they share with the shop. Latency is measured with the bench's own customers.
type customers struct {
	client *fasthttp.HostClient
	url    string
}

// patience is how long a customer waits for an answer.
const patience = 15 * time.Second

func newCustomers(shop string) (*customers, error) {
	u, err := url.Parse(shop)
	if err != nil || u.Host == "" {
		return nil, fmt.Errorf("no customer finds the shop at %q", shop)
	}
	return &customers{
		client: &fasthttp.HostClient{
			Addr: u.Host, MaxConns: maxOpen, NoDefaultUserAgentHeader: true,
			MaxIdemponentCallAttempts: 1, // an order that may have been placed is not placed again
		},
		url: strings.TrimSuffix(shop, "/") + "/orders",
	}, nil
}

// customersOf are those of a bench's shop.
func customersOf(b *bench.Bench) (*customers, error) { return newCustomers(b.ShopURL()) }

// place places one order and returns its identity, if the shop has told it. It is safe for
// concurrent use.
func (c *customers) place(ctx context.Context) (order string, err error) {
	if ctx.Err() != nil {
		return "", context.Cause(ctx)
	}
	request, response := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
	defer fasthttp.ReleaseRequest(request)
	defer fasthttp.ReleaseResponse(response)
	request.SetRequestURI(c.url)
	request.Header.SetMethod(http.MethodPost)
	if err := c.client.DoTimeout(request, response, patience); err != nil {
		return "", fmt.Errorf("place an order: %w", err)
	}
	if code := response.StatusCode(); code/100 != 2 {
		return "", fmt.Errorf("place an order: %d: %.200s", code, response.Body())
	}
	if len(response.Body()) == 0 {
		return "", nil
	}
	var answer struct {
		OrderID string `json:"order_id"`
	}
	if err := json.Unmarshal(response.Body(), &answer); err != nil {
		return "", fmt.Errorf("place an order: read the answer: %w", err)
	}
	return answer.OrderID, nil
}

// due places an order for [Fire].
func (c *customers) due(ctx context.Context, _ time.Time) error {
	_, err := c.place(ctx)
	return err
}

// close gives the connections back.
func (c *customers) close() { c.client.CloseIdleConnections() }
