package shop

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Bounds of what one request may ask for.
const (
	MaxBody  = 64 << 10 // bytes of a JSON body: more than MaxItems items need
	MaxCount = 100_000  // orders of one POST /orders?count=N
	// atOnce is how many orders of one request are being placed at a time. It
	// is what lets a step that waits for an answer per order (a broker's
	// confirm, a commit) work on many of them together.
	atOnce = 256
)

// Counter is where customers place their orders over HTTP.
//
//	POST /orders           place one order; an empty body buys a sample
//	POST /orders?count=N   place N of them
//	GET  /healthz          ready or not, and why not
//
// Place is the step's own part: it returns nil when the order is safe by the
// step's own promise, an [Unavailable] error when the shop cannot take it now,
// and any other error when it is lost for good. It is called concurrently.
type Counter struct {
	Place func(context.Context, Order) error

	// Ready returns why the shop cannot take orders now, or nil. A nil func
	// is a shop that is always ready. Whatever it says, a shop that has just had to
	// refuse an order is not ready.
	Ready func(context.Context) error

	// Details is what /healthz tells besides, ready or not: the depth of a
	// queue, the name of a leader. It must be possible to encode as JSON. A nil
	// func has nothing to tell.
	Details func(context.Context) map[string]any

	// AtOnce is how many orders of one massive request are placed at a time, 0 for
	// as many as suit a step that waits for a disk: 256.
	AtOnce int

	// Status is the answer to an order that was taken: 200 where Place
	// returns after the work was done, 202 (the default) where it was only
	// written down for later (RFC 9110, section 15.3.3).
	Status int

	last *refusal
}

// Unavailable wraps err to say that the shop cannot take an order now and that
// the customer may come back after the given time. The [Counter] answers 503
// with Retry-After (RFC 9110, section 10.2.3).
func Unavailable(err error, retryAfter time.Duration) error {
	return &unavailable{err: err, after: retryAfter}
}

// Rejected wraps err to say that this order was not taken, with an HTTP status of
// its own: 402 where the card was declined, 504 where somebody behind the shop did
// not answer in time. Wrapped in [Unavailable] besides, the answer has a
// Retry-After.
func Rejected(err error, status int) error { return &rejected{err: err, status: status} }

type rejected struct {
	err    error
	status int
}

func (r *rejected) Error() string { return r.err.Error() }
func (r *rejected) Unwrap() error { return r.err }

type unavailable struct {
	err   error
	after time.Duration
}

func (u *unavailable) Error() string { return u.err.Error() }
func (u *unavailable) Unwrap() error { return u.err }

// Handler is the HTTP API. A step may add routes of its own to it.
func (c Counter) Handler() *http.ServeMux {
	c.last = new(refusal)
	mux := http.NewServeMux()
	mux.HandleFunc("POST /orders", c.placeOrders)
	mux.HandleFunc("GET /healthz", c.health)
	return mux
}

func (c Counter) placeOrders(w http.ResponseWriter, r *http.Request) {
	count, err := readCount(r)
	if err != nil {
		reject(w, http.StatusBadRequest, err)
		return
	}
	order, err := readOrder(w, r)
	if tooLarge := new(http.MaxBytesError); errors.As(err, &tooLarge) {
		reject(w, http.StatusRequestEntityTooLarge,
			fmt.Errorf("the body is larger than %d bytes", tooLarge.Limit))
		return
	}
	if err != nil {
		reject(w, http.StatusBadRequest, err)
		return
	}
	if count == 1 {
		c.placeOne(w, r, order)
		return
	}
	c.placeMany(w, r, order, count)
}

func (c Counter) placeOne(w http.ResponseWriter, r *http.Request, like Order) {
	id, err := c.place(r.Context(), like)
	if err != nil {
		c.refuse(w, r, err, map[string]any{})
		return
	}
	answer(w, c.status(), map[string]any{"order_id": id})
}

// placeMany stops at the first order that cannot be placed: what ends one ends
// the rest. Only a request whose orders were all accepted gets a 2xx.
func (c Counter) placeMany(w http.ResponseWriter, r *http.Request, like Order, n int) {
	ctx, cancel := context.WithCancelCause(r.Context())
	defer cancel(nil)

	var (
		group    sync.WaitGroup
		accepted atomic.Int64
		tickets  = make(chan struct{})
	)
	for range min(n, cmp.Or(c.AtOnce, atOnce)) {
		group.Go(func() {
			for range tickets {
				if _, err := c.place(ctx, like); err != nil {
					cancel(err)
					return
				}
				accepted.Add(1)
			}
		})
	}
	for range n {
		select {
		case tickets <- struct{}{}:
			continue
		case <-ctx.Done():
		}
		break
	}
	close(tickets)
	group.Wait()

	result := map[string]any{"accepted": accepted.Load(), "requested": n}
	if accepted.Load() < int64(n) {
		c.refuse(w, r, context.Cause(ctx), result)
		return
	}
	answer(w, c.status(), result)
}

// place gives the order its identity and hands it to the step. The line in the
// log comes before the answer: a producer killed between the two has told the
// ledger of an order that is safe, and the customer, who got no answer, asks
// again. The other way round there would be answers that no one vouches for.
func (c Counter) place(ctx context.Context, like Order) (string, error) {
	order, err := NewOrder(like.UserEmail, like.Items...)
	if err != nil {
		return "", err
	}
	err = c.Place(ctx, order)
	c.last.note(ctx, err)
	if err != nil {
		return "", err
	}
	Accepted(ctx, order.ID)
	return order.ID, nil
}

func (c Counter) status() int {
	if c.Status == 0 {
		return http.StatusAccepted
	}
	return c.Status
}

func (c Counter) refuse(
	w http.ResponseWriter, r *http.Request, err error, body map[string]any,
) {
	slog.WarnContext(r.Context(), "order not accepted", "error", err)
	body["error"] = err.Error()
	status := http.StatusInternalServerError
	u := &unavailable{after: time.Second}
	if errors.As(err, &u) || errors.Is(err, context.DeadlineExceeded) ||
		errors.Is(err, context.Canceled) {
		status = http.StatusServiceUnavailable
		seconds := max(1, int(math.Ceil(u.after.Seconds())))
		w.Header().Set("Retry-After", strconv.Itoa(seconds))
	}
	if r := new(rejected); errors.As(err, &r) {
		status = r.status
	}
	answer(w, status, body)
}

func (c Counter) health(w http.ResponseWriter, r *http.Request) {
	status, body := http.StatusOK, map[string]any{"status": "ready"}
	err := c.last.recent()
	if c.Ready != nil && err == nil {
		err = c.Ready(r.Context())
	}
	if err != nil {
		w.Header().Set("Retry-After", "1")
		status = http.StatusServiceUnavailable
		body = map[string]any{"status": "not ready", "reason": err.Error()}
	}
	if c.Details != nil {
		body["details"] = c.Details(r.Context())
	}
	answer(w, status, body)
}

// refusal is the last order that the shop had to refuse, and no longer than until it
// has taken one. A server behind the shop may look well from outside (it answers a
// ping) and take no orders all the same: a queue is full, a table is locked. Only an
// order tells.
type refusal struct {
	mu  sync.Mutex
	err error
	at  time.Time
}

// fresh is for how long a refusal speaks for the present. Afterwards the shop is ready
// until it has to refuse the next one: without orders nobody would find out that it
// can take them again.
const fresh = 2 * time.Second

// note takes down what became of an order. A customer who has hung up, or who has sent
// what nobody can take, says nothing about the shop.
func (l *refusal) note(ctx context.Context, err error) {
	r := new(rejected)
	if err != nil && (ctx.Err() != nil || errors.As(err, &r) && r.status < 500) {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.err, l.at = err, time.Now()
}

func (l *refusal) recent() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err == nil || time.Since(l.at) > fresh {
		return nil
	}
	return fmt.Errorf("the last order was refused: %w", l.err)
}

func readCount(r *http.Request) (int, error) {
	// Not URL.Query, which leaves out what it cannot read: one order instead of a hundred.
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return 0, fmt.Errorf("query: cannot be read: %w", err)
	}
	if !query.Has("count") {
		return 1, nil
	}
	n, err := strconv.Atoi(query.Get("count"))
	if err != nil || n < 1 || n > MaxCount {
		return 0, fieldf("count", "must be a whole number from 1 to %d, is %q",
			MaxCount, shorten(query.Get("count")))
	}
	return n, nil
}

// readOrder takes what the customer may say of an order: who and what. The
// identity and the time are the shop's to give, so a body that brings them is
// told so rather than ignored.
func readOrder(w http.ResponseWriter, r *http.Request) (Order, error) {
	var in struct {
		UserEmail string `json:"user_email"`
		Items     []Item `json:"items"`
	}
	body := json.NewDecoder(http.MaxBytesReader(w, r.Body, MaxBody))
	body.DisallowUnknownFields()
	err := body.Decode(&in)
	if errors.Is(err, io.EOF) {
		return Order{UserEmail: SampleEmail, Items: SampleItems()}, nil
	}
	if err == nil {
		err = onlyOne(body)
	}
	if err != nil {
		return Order{}, explain(err)
	}
	order := Order{UserEmail: in.UserEmail, Items: in.Items}
	return order, order.Validate()
}

// onlyOne says whether the body ended with the object that was read from it.
func onlyOne(body *json.Decoder) error {
	_, err := body.Token()
	switch tooLarge := new(http.MaxBytesError); {
	case errors.Is(err, io.EOF):
		return nil
	case errors.As(err, &tooLarge):
		return err
	default:
		return errors.New("more follows after the JSON object")
	}
}

// explain turns the words of encoding/json into words for a customer.
func explain(err error) error {
	if tooLarge := new(http.MaxBytesError); errors.As(err, &tooLarge) {
		return err
	}
	if wrong := new(json.UnmarshalTypeError); errors.As(err, &wrong) {
		field := wrong.Field
		if field == "" {
			return fmt.Errorf("body: must be a JSON object, is %s", wrong.Value)
		}
		return fieldf(field, "must be %s, is %s", jsonName(wrong), shorten(wrong.Value))
	}
	if name, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		return fieldf(strings.Trim(shorten(name), `"`),
			"is not a field of an order: user_email and items are")
	}
	if syntax := new(json.SyntaxError); errors.As(err, &syntax) {
		return fmt.Errorf("body: not JSON at byte %d: %w", syntax.Offset, err)
	}
	return fmt.Errorf("body: not JSON: %w", err)
}

func jsonName(wrong *json.UnmarshalTypeError) string {
	switch name := wrong.Type.Kind().String(); name {
	case "string":
		return "a string"
	case "int", "int64":
		return "a whole number in range"
	case "slice":
		return "a list"
	case "struct":
		return "an object"
	default:
		return name
	}
}

func shorten(s string) string {
	if len(s) > 40 {
		return strings.ToValidUTF8(s[:40], "") + "..."
	}
	return s
}

func reject(w http.ResponseWriter, status int, err error) {
	answer(w, status, map[string]any{"error": err.Error()})
}

func answer(w http.ResponseWriter, status int, body map[string]any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(body); err != nil {
		// The customer has gone. What was accepted stays accepted.
		slog.Debug("answer not delivered", "error", err)
	}
}
