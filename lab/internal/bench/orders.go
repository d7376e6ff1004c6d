package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"course.example/lab/internal/history"
	"course.example/lab/internal/ledger"
	"course.example/lab/internal/manifest"
)

// placed is the shop's answer to POST /orders.
type placed struct {
	OrderID  string `json:"order_id"`
	Accepted int    `json:"accepted"`
	Error    string `json:"error"`
}

// Place places n sample orders in one request and returns how many the shop
// accepted. Those it did not are counted as refused, whether it said 503 or
// nothing at all.
func (b *Bench) Place(ctx context.Context, n int) (int, error) {
	return b.place(ctx, n, "")
}

// PlaceOne places one sample order and returns the identity that the shop gave it.
func (b *Bench) PlaceOne(ctx context.Context) (order string, err error) {
	answer, err := b.ask(ctx, 1, "")
	return answer.OrderID, err
}

func (b *Bench) place(ctx context.Context, n int, body string) (int, error) {
	answer, err := b.ask(ctx, n, body)
	return answer.Accepted, err
}

func (b *Bench) ask(ctx context.Context, n int, body string) (placed, error) {
	address, err := b.shopAddr()
	if err != nil {
		b.refuse(n)
		if n == 1 { // who finds the shop closed has been there all the same
			b.answered(history.Answer{Time: time.Now()})
		}
		return placed{}, err
	}
	target := url.URL{Scheme: "http", Host: address, Path: "/orders"}
	if n != 1 {
		target.RawQuery = "count=" + strconv.Itoa(n)
	}
	ctx, cancel := context.WithTimeout(ctx, b.patience(n))
	defer cancel()
	asked := time.Now()
	answer, answered, err := b.post(ctx, target.String(), body)
	if n == 1 {
		b.answered(history.Answer{
			Time: time.Now(), Took: time.Since(asked),
			Accepted: answer.OrderID != "", Order: answer.OrderID,
		})
	}
	if answer.OrderID != "" {
		answer.Accepted = 1
		// The customer's own word: a shop that answers 2xx and forgets to
		// write it down is found out.
		b.record(ledger.Event{
			Time: time.Now(), Kind: ledger.Accepted, Order: answer.OrderID,
			Process: ledger.Customer,
		})
	}
	switch {
	case answered && answer.Accepted < n:
		b.refuse(n - answer.Accepted)
	case !answered:
		// One customer got no answer. How many orders of a massive request
		// were accepted before that, the ledger knows better.
		b.refuse(1)
		b.mu.Lock()
		b.unanswered++
		b.mu.Unlock()
	}
	return answer, err
}

// patience is how long a customer waits for an answer. A massive request takes
// its time: a shop that waits for a disk per order still makes a thousand in two
// seconds.
func (b *Bench) patience(n int) time.Duration {
	if b.cfg.Patience > 0 && n == 1 {
		return b.cfg.Patience
	}
	return 15*time.Second + time.Duration(n)*2*time.Millisecond
}

// post sends one request and says besides whether it was answered at all.
func (b *Bench) post(ctx context.Context, target, body string) (
	answer placed, answered bool, err error,
) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, target, strings.NewReader(body))
	if err != nil {
		return answer, false, fmt.Errorf("place orders: %w", err)
	}
	resp, err := b.client.Do(r)
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

// shopAddr takes the processes that accept orders in turn. As a load balancer
// does, it passes over those that are not ready while another one is.
func (b *Bench) shopAddr() (string, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := len(b.procs)
	for _, takes := range []func(*proc) bool{
		func(p *proc) bool { return p.state == up },
		func(p *proc) bool { return p.state != down },
	} {
		for i := range n {
			p := b.procs[(b.nextShop+i)%n]
			if p.kind.Orders && p.addr != "" && takes(p) {
				b.nextShop = (b.nextShop + i + 1) % n
				return p.addr, nil
			}
		}
	}
	return "", errors.New("nobody takes orders: the process that does is down")
}

// ShopURL is where a student may place orders, or "".
func (b *Bench) ShopURL() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, p := range b.procs {
		if p.kind.Orders && p.addr != "" {
			return "http://" + p.addr
		}
	}
	return ""
}

func (b *Bench) answered(a history.Answer) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.cfg.Keep {
		b.history.Answers = append(b.history.Answers, a)
	}
}

func (b *Bench) refuse(n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.refused += n
	if b.cfg.Keep {
		// One for each customer, as the count has it: the picture shows them all.
		b.history.Refused = append(b.history.Refused,
			slices.Repeat([]time.Time{time.Now()}, n)...)
	}
}

// Trickle places single orders at a rate per second until ctx ends, and then
// waits for the answers. It is an open loop: a slow shop does not slow its
// customers down, they come when they come.
func (b *Bench) Trickle(ctx context.Context, rate float64) {
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
		if ctx.Err() != nil {
			return
		}
		// A request that is under way is seen to its end: whether an order was
		// accepted must not hang on when the run was told to end.
		requests.Go(func() error {
			_, err := b.Place(context.WithoutCancel(ctx), 1)
			b.complain(err)
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
func (b *Bench) complain(err error) {
	b.mu.Lock()
	before := b.turnedAway
	switch {
	case err != nil:
		b.turnedAway++
	default:
		b.turnedAway = 0
	}
	b.mu.Unlock()
	switch {
	case err != nil && before == 0:
		b.say("orders are not accepted: %v", err)
	case err == nil && before > 0:
		b.say("orders are accepted again, after %d that were not", before)
	}
}
