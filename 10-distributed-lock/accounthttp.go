package lock

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"course.example/shop"
)

// visit is what a holder sends: who it is, and its token.
type visit struct {
	Owner string `json:"owner"`
	Token int64  `json:"token"`
	Why   string `json:"why,omitempty"` // for giving up
}

type reply struct {
	Error   string `json:"error,omitempty"`
	Settled bool   `json:"settled,omitempty"`
	Token   int64  `json:"token,omitempty"`
}

// Handler serves the account over HTTP.
//
//	POST /orders               an order, to be billed
//	GET  /orders               the oldest open orders
//	GET  /orders/{id}          the record of an order: every holder and its times
//	POST /orders/{id}/ACT      draw, enter, bill, give-up, leave
//	GET  /audit                what became of all orders
func (a *Account) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /orders", func(w http.ResponseWriter, r *http.Request) {
		var order shop.Order
		if readBody(w, r, &order) {
			respond(w, reply{}, a.Open(r.Context(), order))
		}
	})
	mux.HandleFunc("GET /orders", func(w http.ResponseWriter, r *http.Request) {
		orders, err := a.Pending(r.Context())
		respond(w, orders, err)
	})
	mux.HandleFunc("GET /orders/{id}", func(w http.ResponseWriter, r *http.Request) {
		entries, err := a.Entries(r.Context(), r.PathValue("id"))
		respond(w, entries, err)
	})
	mux.HandleFunc("POST /orders/{id}/{act}", func(w http.ResponseWriter, r *http.Request) {
		var v visit
		if readBody(w, r, &v) {
			answer, err := a.act(r.Context(), r.PathValue("act"), r.PathValue("id"), v)
			respond(w, answer, err)
		}
	})
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, r *http.Request) {
		all, err := a.totals(r.Context())
		if err != nil {
			send(w, http.StatusServiceUnavailable, map[string]any{"status": "not ready",
				"reason": err.Error(), "error": err.Error()})
			return
		}
		send(w, http.StatusOK, map[string]any{"status": "ready", "details": map[string]any{
			"open": all.open, "overlaps": all.overlaps, "rejected": all.rejected}})
	})
	mux.HandleFunc("GET /audit", func(w http.ResponseWriter, r *http.Request) {
		book, err := a.Audit(r.Context())
		respond(w, book, err)
	})
	return mux
}

var errNoSuchAct = errors.New("there is no such act: draw, enter, bill, give-up, leave")

func (a *Account) act(ctx context.Context, act, id string, v visit) (answer reply, err error) {
	switch act {
	case "draw":
		answer.Token, err = a.Draw(ctx, id, v.Owner)
	case "enter":
		answer.Settled, err = a.Enter(ctx, id, v.Owner, v.Token)
	case "bill":
		err = a.Bill(ctx, id, v.Owner, v.Token)
	case "give-up":
		err = a.GiveUp(ctx, id, v.Owner, v.Token, v.Why)
	case "leave":
		err = a.Leave(ctx, id, v.Owner)
	default:
		err = fmt.Errorf("%q: %w", act, errNoSuchAct)
	}
	return answer, err
}

// readBody wants one JSON object with known fields and nothing behind it.
func readBody(w http.ResponseWriter, r *http.Request, into any) bool {
	body := json.NewDecoder(http.MaxBytesReader(w, r.Body, shop.MaxBody))
	body.DisallowUnknownFields()
	err := body.Decode(into)
	if err == nil {
		if _, err = body.Token(); errors.Is(err, io.EOF) {
			return true
		}
		if err == nil {
			err = errors.New("more follows after the JSON object")
		}
	}
	status := http.StatusBadRequest
	if errors.As(err, new(*http.MaxBytesError)) {
		status = http.StatusRequestEntityTooLarge
	}
	send(w, status, reply{Error: "body: not what is wanted here: " + shop.Reason(err)})
	return false
}

// statuses are those of the account's refusals.
var statuses = map[error]int{
	ErrStale: http.StatusConflict, ErrForged: http.StatusForbidden,
	ErrOutside: http.StatusForbidden, ErrOther: http.StatusUnprocessableEntity,
	ErrUnknown: http.StatusNotFound, errNoSuchAct: http.StatusNotFound,
}

func respond(w http.ResponseWriter, answer any, err error) {
	if err == nil {
		send(w, http.StatusOK, answer)
		return
	}
	status := http.StatusServiceUnavailable // the database: whether it was written is unknown
	if errors.As(err, new(*badInput)) {
		status = http.StatusBadRequest
	}
	for own, code := range statuses {
		if errors.Is(err, own) {
			status = code
		}
	}
	send(w, status, reply{Error: shop.Reason(err)})
}

func send(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(body); err != nil {
		slog.Debug("answer not delivered", "error", err) // whoever asked has gone
	}
}

// Resource is the account as a holder sees it, near or far.
type Resource interface {
	Sequencer
	Ready(ctx context.Context) error
	Open(ctx context.Context, order shop.Order) error
	Pending(ctx context.Context) ([]shop.Order, error)
	Enter(ctx context.Context, id, owner string, token int64) (settled bool, err error)
	Bill(ctx context.Context, id, owner string, token int64) error
	GiveUp(ctx context.Context, id, owner string, token int64, why string) error
	Leave(ctx context.Context, id, owner string) error
}

// Remote is an account that another process serves. Safe for concurrent use.
type Remote struct {
	url    string
	client *http.Client
}

// NewRemote returns the account that is served at the address.
func NewRemote(address string) *Remote {
	return &Remote{address, &http.Client{
		Timeout:   3 * time.Second,
		Transport: &http.Transport{MaxIdleConnsPerHost: 256},
	}}
}

// Ready returns nil when the account and its database answer.
func (r *Remote) Ready(ctx context.Context) error {
	return r.call(ctx, http.MethodGet, "/healthz", nil, nil)
}

// Open writes down what a customer owes.
func (r *Remote) Open(ctx context.Context, order shop.Order) error {
	return r.call(ctx, http.MethodPost, "/orders", order, nil)
}

// Pending lists the oldest orders that are not settled.
func (r *Remote) Pending(ctx context.Context) (orders []shop.Order, err error) {
	return orders, r.call(ctx, http.MethodGet, "/orders", nil, &orders)
}

// Draw gives out the next fencing token of an order.
func (r *Remote) Draw(ctx context.Context, id, owner string) (int64, error) {
	answer, err := r.visit(ctx, id, "draw", visit{Owner: owner})
	return answer.Token, err
}

// Enter is a holder's first visit.
func (r *Remote) Enter(ctx context.Context, id, owner string, token int64) (bool, error) {
	answer, err := r.visit(ctx, id, "enter", visit{Owner: owner, Token: token})
	return answer.Settled, err
}

// Bill takes the customer's money. An error other than [ErrStale] leaves open
// whether it did: the next holder will learn it when it enters.
func (r *Remote) Bill(ctx context.Context, id, owner string, token int64) error {
	_, err := r.visit(ctx, id, "bill", visit{Owner: owner, Token: token})
	return err
}

// GiveUp settles an order that cannot be billed.
func (r *Remote) GiveUp(ctx context.Context, id, owner string, token int64, why string) error {
	_, err := r.visit(ctx, id, "give-up", visit{Owner: owner, Token: token, Why: why})
	return err
}

// Leave ends the stay of a holder that has written nothing.
func (r *Remote) Leave(ctx context.Context, id, owner string) error {
	_, err := r.visit(ctx, id, "leave", visit{Owner: owner})
	return err
}

func (r *Remote) visit(ctx context.Context, id, act string, v visit) (answer reply, err error) {
	path := "/orders/" + url.PathEscape(id) + "/" + act
	return answer, r.call(ctx, http.MethodPost, path, v, &answer)
}

func (r *Remote) call(ctx context.Context, method, path string, body, answer any) error {
	raw, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("ask the account: %w", err)
	}
	request, err := http.NewRequestWithContext(ctx, method, r.url+path, bytes.NewReader(raw))
	if err != nil {
		return fmt.Errorf("ask the account: %w", err)
	}
	response, err := r.client.Do(request)
	if err != nil {
		return fmt.Errorf("ask the account: %w", err)
	}
	raw, err = io.ReadAll(io.LimitReader(response.Body, 4<<20))
	if err = errors.Join(err, response.Body.Close()); err != nil {
		return fmt.Errorf("ask the account: %w", err)
	}
	if response.StatusCode != http.StatusOK {
		return refused(response.StatusCode, raw)
	}
	if answer == nil {
		return nil
	}
	if err := json.Unmarshal(raw, answer); err != nil {
		return fmt.Errorf("read the account's answer: %w", err)
	}
	return nil
}

// refused gives the errors that travelled as a status their identity back.
func refused(status int, raw []byte) error {
	var answer reply
	if err := json.Unmarshal(raw, &answer); err != nil {
		return fmt.Errorf("the account answers %d: %.200q", status, raw)
	}
	for own, code := range statuses {
		if code == status && strings.Contains(answer.Error, own.Error()) {
			return &refusal{answer.Error, own}
		}
	}
	return fmt.Errorf("the account refuses: %s", answer.Error)
}

// refusal is an error of the account, far from it.
type refusal struct {
	text string
	own  error
}

func (r *refusal) Error() string { return "the account refuses: " + r.text }
func (r *refusal) Unwrap() error { return r.own }
