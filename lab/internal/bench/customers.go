package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"course.example/lab/internal/history"
	"course.example/lab/internal/ledger"
	"course.example/lab/internal/manifest"
)

// customers place orders. Their methods are safe for concurrent use, and call nobody with the lock
// held.
type customers struct {
	record  *record
	printer *printer
	client  *http.Client
	doors   func() []string // where orders are taken
	patient time.Duration   // see Config.Patience

	mu   sync.Mutex
	next int // of the doors
	// turnedAway counts the refusals since an order was last accepted.
	turnedAway int

	// home is held by whoever keeps the customers of a trickle at home.
	home sync.RWMutex
}

// Hold keeps the customers of a trickle at home until the returned function is called.
func (c *customers) Hold() (release func()) {
	c.home.Lock()
	return c.home.Unlock
}

// held waits while customers are to stay at home, and returns for how long that was.
func (c *customers) held() time.Duration {
	if c.home.TryRLock() {
		c.home.RUnlock()
		return 0
	}
	began := time.Now()
	c.home.RLock()
	defer c.home.RUnlock()
	return time.Since(began)
}

// placed is the shop's answer to POST /orders.
type placed struct {
	OrderID  string `json:"order_id"`
	Accepted int    `json:"accepted"`
	Error    string `json:"error"`
}

// Place places n sample orders in one request and returns how many the shop
// accepted. Those it did not are counted as refused, whether it said 503 or
// nothing at all.
func (c *customers) Place(ctx context.Context, n int) (int, error) {
	return c.place(ctx, n, "")
}

// PlaceOne places one sample order and returns the identity that the shop gave it.
func (c *customers) PlaceOne(ctx context.Context) (order string, err error) {
	answer, err := c.ask(ctx, 1, "")
	return answer.OrderID, err
}

func (c *customers) place(ctx context.Context, n int, body string) (int, error) {
	answer, err := c.ask(ctx, n, body)
	return answer.Accepted, err
}

func (c *customers) ask(ctx context.Context, n int, body string) (placed, error) {
	address, err := c.door()
	if err != nil {
		c.record.refuse(n, true)
		if n == 1 { // who finds the shop closed has been there all the same
			c.record.answered(history.Answer{Time: time.Now()})
		}
		return placed{}, err
	}
	target := url.URL{Scheme: "http", Host: address, Path: "/orders"}
	if n != 1 {
		target.RawQuery = "count=" + strconv.Itoa(n)
	}
	ctx, cancel := context.WithTimeout(ctx, c.patience(n))
	defer cancel()
	asked := time.Now()
	answer, answered, err := c.post(ctx, target.String(), body)
	if n == 1 {
		c.record.answered(history.Answer{
			Time: time.Now(), Took: time.Since(asked),
			Accepted: answer.OrderID != "", Order: answer.OrderID,
		})
	}
	if answer.OrderID != "" {
		answer.Accepted = 1
		// The customer's own word: a shop that answers 2xx and forgets to
		// write it down is found out.
		c.record.add(ledger.Event{
			Time: time.Now(), Kind: ledger.Accepted, Order: answer.OrderID,
			Process: ledger.Customer,
		})
	}
	switch {
	case answered && answer.Accepted < n:
		c.record.refuse(n-answer.Accepted, true)
	case !answered:
		// One customer got no answer. How many orders of a massive request
		// were accepted before that, the ledger knows better.
		c.record.refuse(1, false)
	}
	return answer, err
}

// patience is how long a customer waits for an answer. A massive request takes
// its time: a shop that waits for a disk per order still makes a thousand in two
// seconds.
func (c *customers) patience(n int) time.Duration {
	if c.patient > 0 && n == 1 {
		return c.patient
	}
	return 15*time.Second + time.Duration(n)*2*time.Millisecond
}

// post sends one request and says besides whether it was answered at all.
func (c *customers) post(ctx context.Context, target, body string) (
	answer placed, answered bool, err error,
) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, target, strings.NewReader(body))
	if err != nil {
		return answer, false, fmt.Errorf("place orders: %w", err)
	}
	resp, err := c.client.Do(r)
	if err != nil {
		return answer, false, fmt.Errorf("place orders: %w", err)
	}
	raw, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	err = errors.Join(err, resp.Body.Close())
	if err == nil {
		err = json.Unmarshal(raw, &answer)
	}
	if err != nil {
		return placed{}, false,
			fmt.Errorf("place orders: read the answer (%s): %w", resp.Status, err)
	}
	if resp.StatusCode/100 != 2 {
		answer.OrderID = ""
		return answer, true, fmt.Errorf("place orders: %s: %s", resp.Status, answer.Error)
	}
	return answer, true, nil
}

// door takes the processes that accept orders in turn. As a load balancer does, it passes over
// those that are not ready while another one is.
func (c *customers) door() (string, error) {
	doors := c.doors()
	if len(doors) == 0 {
		return "", errors.New("nobody takes orders: the process that does is down")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.next++
	return doors[(c.next-1)%len(doors)], nil
}

// Ask places one order, whose body is given. That the shop refuses it is in the ledger.
func (c *customers) Ask(ctx context.Context, body string) {
	_, err := c.place(ctx, 1, body)
	c.complain(err)
}

// Trickle places single orders at a rate per second until ctx ends, and then
// waits for the answers. It is an open loop: a slow shop does not slow its
// customers down, they come when they come.
func (c *customers) Trickle(ctx context.Context, rate float64) {
	if rate <= 0 {
		return
	}
	var requests errgroup.Group // for its limit alone
	requests.SetLimit(maxCustomers)
	defer func() { _ = requests.Wait() }() // they return no errors
	start := time.Now()
	for i := 0; ; i++ {
		next := start.Add(time.Duration(float64(i) / rate * float64(time.Second)))
		select {
		case <-time.After(time.Until(next)):
		case <-ctx.Done():
			return
		}
		start = start.Add(c.held())
		if ctx.Err() != nil {
			return
		}
		// A request that is under way is seen to its end: whether an order was
		// accepted must not hang on when the run was told to end.
		requests.Go(func() error {
			c.Ask(context.WithoutCancel(ctx), "")
			return nil
		})
	}
}

// maxCustomers is how many may wait for an answer at a time. It is what keeps a
// rate that no shop can serve from taking all memory.
const maxCustomers = 5_000

// MaxRate is the highest rate that Trickle is made for, in orders a second.
const MaxRate = manifest.MaxRate

// complain says when the shop begins to refuse orders, and when it takes them
// again: the hundred refusals in between are in the ledger.
func (c *customers) complain(err error) {
	c.mu.Lock()
	before := c.turnedAway
	switch {
	case err != nil:
		c.turnedAway++
	default:
		c.turnedAway = 0
	}
	c.mu.Unlock()
	switch {
	case err != nil && before == 0:
		c.printer.say("orders are not accepted: %v", err)
	case err == nil && before > 0:
		c.printer.say("orders are accepted again, after %d that were not", before)
	}
}
