package eventsourcing

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"course.example/shop"
	"github.com/google/uuid"
)

const maxReason = 200 // characters of a customer's reason

// Handler is the HTTP API: the shop's counter, and what this step adds to it.
//
//	POST /orders                        place an order
//	POST /orders/{id}/items             add items: {"items": [...]}
//	POST /orders/{id}/cancel            cancel it: {"reason": "..."}
//	GET  /orders/{id}                   as it is; ?version=3 or ?at=TIME: as it was
//	GET  /orders/{id}/history           what has happened to it
//	GET  /customers/{email}/orders      read models; ?after=POSITION waits until
//	GET  /stock, GET /sales             they have come that far
//	DELETE /customers/{email}           forget the customer
//
// A customer may also be called by the name that the history shows.
//
// A command may bring an Idempotency-Key, which is a UUID: sent again with the same key it
// is not done again, and gets the same answer.
func (p *Producer) Handler() http.Handler {
	mux := shop.Counter{Place: p.Place, Ready: p.Ready}.Handler()
	mux.HandleFunc("POST /orders/{id}/items", p.addItems)
	mux.HandleFunc("POST /orders/{id}/cancel", p.cancel)
	mux.HandleFunc("GET /orders/{id}", p.getOrder)
	mux.HandleFunc("GET /orders/{id}/history", p.getHistory)
	mux.HandleFunc("GET /customers/{customer}/orders",
		p.query("customers", customerOrdersSQL, "customer"))
	mux.HandleFunc("DELETE /customers/{customer}", p.forget)
	mux.HandleFunc("GET /stock", p.query("stock", stockSQL))
	mux.HandleFunc("GET /sales", p.query("sales", salesSQL))
	return p.identify(mux)
}

// identified is what the counter cannot know of a request: the command's identity, and where
// its event stands.
type identified struct {
	command uuid.UUID
	digest  string

	mu    sync.Mutex // many orders of one request are placed side by side
	place Place      // of the last of them
}

type identifiedKey struct{}

func commandOf(ctx context.Context) (command uuid.UUID, digest string) {
	if i, ok := ctx.Value(identifiedKey{}).(*identified); ok {
		return i.command, i.digest
	}
	return uuid.Nil, ""
}

// tell lets the answer to a command carry its position.
func tell(ctx context.Context, place Place) {
	if i, ok := ctx.Value(identifiedKey{}).(*identified); ok {
		i.mu.Lock()
		defer i.mu.Unlock()
		if place.After(i.place) {
			i.place = place
		}
	}
}

// identify reads the Idempotency-Key of a command, and answers at once if it was done
// already. A command without a key is a new one, each time.
func (p *Producer) identify(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			next.ServeHTTP(w, r)
			return
		}
		i := &identified{}
		if r.Header.Get("Idempotency-Key") != "" {
			if done, err := p.keyed(w, r, i); err != nil || done.Repeated {
				if err == nil && r.URL.Path == "/orders" {
					// Whoever was to say so may have died between the commit and the line.
					shop.Accepted(r.Context(), done.Order.String())
				}
				p.reply(w, r, done, err)
				return
			}
		}
		ctx := context.WithValue(r.Context(), identifiedKey{}, i)
		next.ServeHTTP(placed{w, i}, r.WithContext(ctx))
	})
}

func (p *Producer) keyed(w http.ResponseWriter, r *http.Request, i *identified) (Done, error) {
	text, err := r.Header.Get("Idempotency-Key"), error(nil)
	if i.command, err = shop.ParseID(text); err != nil {
		return Done{}, refuse(fmt.Errorf("Idempotency-Key: %.60q is not a UUID", text),
			http.StatusBadRequest)
	}
	if r.URL.Query().Get("count") != "" {
		return Done{}, refuse(errors.New("count: many orders cannot share one "+
			"Idempotency-Key"), http.StatusBadRequest)
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, shop.MaxBody))
	if err != nil {
		return Done{}, refuse(fmt.Errorf("body: %w", err), http.StatusRequestEntityTooLarge)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	sum := sha256.Sum256([]byte(r.URL.Path + "\n" + string(body)))
	i.digest = hex.EncodeToString(sum[:])
	ctx, cancel := withTimeout(r.Context(), p.settings)
	defer cancel()
	done, digest, err := p.lookUp(ctx, i.command)
	if err == nil && done.Repeated && digest != i.digest {
		err = errOtherCommand
	}
	return done, p.answer(uuid.Nil, err)
}

// placed writes the header with the position just before the answer begins.
type placed struct {
	http.ResponseWriter
	i *identified
}

func (w placed) WriteHeader(status int) {
	w.i.mu.Lock()
	defer w.i.mu.Unlock()
	if w.i.place != (Place{}) {
		w.Header().Set("Position", w.i.place.String())
	}
	w.ResponseWriter.WriteHeader(status)
}

func (p *Producer) addItems(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Items []shop.Item `json:"items"`
	}
	err := readBody(w, r, &in)
	if err == nil {
		err = shop.ValidateItems(in.Items)
	}
	p.command(w, r, AddItems{in.Items}, err)
}

func (p *Producer) cancel(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Reason string `json:"reason"`
	}
	err := readBody(w, r, &in)
	if errors.Is(err, io.EOF) { // no body: no reason
		err = nil
	}
	if err == nil && (len(in.Reason) > maxReason || strings.ContainsRune(in.Reason, 0)) {
		err = fmt.Errorf("reason: must be at most %d bytes, without a NUL", maxReason)
	}
	p.command(w, r, CancelOrder{in.Reason}, err)
}

// command does what a customer asks for an order that is there.
func (p *Producer) command(w http.ResponseWriter, r *http.Request, c Command, bad error) {
	stream, err := shop.ParseID(r.PathValue("id"))
	if err = errors.Join(err, bad); err != nil {
		p.reply(w, r, Done{}, refuse(err, http.StatusBadRequest))
		return
	}
	ask := request{stream: stream, command: c}
	if ask.id, ask.digest = commandOf(r.Context()); ask.id == uuid.Nil {
		if ask.id, err = uuid.NewV7(); err != nil {
			p.reply(w, r, Done{}, err)
			return
		}
	}
	done, err := p.Execute(r.Context(), ask)
	p.reply(w, r, done, p.answer(stream, err))
}

// reply answers a command.
func (p *Producer) reply(w http.ResponseWriter, r *http.Request, done Done, err error) {
	if err != nil {
		fail(w, r, err)
		return
	}
	w.Header().Set("Position", done.Place.String())
	respond(w, http.StatusAccepted, map[string]any{
		"order_id": done.Order, "version": done.Version, "position": done.Place.String(),
	})
}

func (p *Producer) getOrder(w http.ResponseWriter, r *http.Request) {
	until, err := readUntil(r.URL.RawQuery)
	if err != nil {
		fail(w, r, refuse(err, http.StatusBadRequest))
		return
	}
	p.past(w, r, func(ctx context.Context, stream uuid.UUID, events []Recorded) (any, error) {
		order, _, err := fold(Order{ID: stream}, head{}, until(events), p.settings.Reads)
		if err == nil && order.Status == "" {
			err = fmt.Errorf("%w at that time", ErrNoOrder)
		}
		if err != nil {
			return nil, err
		}
		return p.shown(ctx, order)
	})
}

// readUntil reads which of the events are asked for.
func readUntil(raw string) (func([]Recorded) []Recorded, error) {
	query, err := url.ParseQuery(raw)
	if err != nil {
		return nil, fmt.Errorf("query: cannot be read: %w", err)
	}
	version, at := query.Get("version"), query.Get("at")
	switch {
	case version != "" && at != "":
		return nil, errors.New("version and at: one of them is enough")
	case version != "":
		n, err := strconv.Atoi(version)
		if err != nil || n < 1 {
			return nil, fmt.Errorf("version: must be a whole number from 1 on, is %.40q", version)
		}
		return func(events []Recorded) []Recorded { return events[:min(n, len(events))] }, nil
	case at != "":
		t, err := time.Parse(time.RFC3339, at)
		if err != nil {
			return nil, fmt.Errorf("at: must be a time such as 2026-11-28T10:00:00Z, is %.40q", at)
		}
		// Within a stream the times rise with the versions: who appends version 3 has seen
		// version 2 committed, and one clock, the database's, writes them all.
		return func(events []Recorded) []Recorded {
			for i, e := range events {
				if e.RecordedAt.After(t) {
					return events[:i]
				}
			}
			return events
		}, nil
	}
	return func(events []Recorded) []Recorded { return events }, nil
}

// Happened is an event as the history shows it.
type Happened struct {
	Version    int             `json:"version"`
	Event      string          `json:"event"`
	Schema     int             `json:"schema"`
	RecordedAt time.Time       `json:"recorded_at"`
	Position   string          `json:"position"`
	Command    uuid.UUID       `json:"command"`
	Body       json.RawMessage `json:"body"`               // as it was written, whatever the version
	Personal   string          `json:"personal,omitempty"` // what is sealed in it, or "forgotten"
}

func (p *Producer) getHistory(w http.ResponseWriter, r *http.Request) {
	p.past(w, r, func(ctx context.Context, stream uuid.UUID, events []Recorded) (any, error) {
		history, sealed := make([]Happened, len(events)), make([]Sealed, len(events))
		for i, e := range events {
			history[i] = Happened{e.Version, e.Kind.Name, e.Kind.Schema, e.RecordedAt,
				e.Place.String(), e.Command, e.Body, ""}
			event, err := e.decode(p.settings.Reads)
			if private, ok := event.(private); ok && err == nil {
				sealed[i] = private.sealed()
			}
		}
		keys, err := newOpener(ctx, p.keys, p.pool, sealed...)
		for i := range history {
			if err == nil {
				history[i].Personal, err = keys.show(stream, sealed[i], "")
			}
		}
		return history, err
	})
}

// past answers from the events of an order.
func (p *Producer) past(
	w http.ResponseWriter, r *http.Request,
	show func(context.Context, uuid.UUID, []Recorded) (any, error),
) {
	stream, err := shop.ParseID(r.PathValue("id"))
	if err != nil {
		fail(w, r, refuse(err, http.StatusBadRequest))
		return
	}
	ctx, cancel := withTimeout(r.Context(), p.settings)
	defer cancel()
	events, err := p.load(ctx, stream, 0)
	if err == nil && len(events) == 0 {
		err = ErrNoOrder
	}
	var shown any
	if err == nil {
		shown, err = show(ctx, stream, events)
	}
	if err != nil {
		fail(w, r, p.answer(stream, err))
		return
	}
	respond(w, http.StatusOK, shown)
}

func readBody(w http.ResponseWriter, r *http.Request, into any) error {
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, shop.MaxBody))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return fmt.Errorf("body: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("body: more follows after the JSON object")
	}
	return nil
}

func fail(w http.ResponseWriter, r *http.Request, err error) {
	slog.WarnContext(r.Context(), "request refused", "path", r.URL.Path, "reason", reason(err))
	status := http.StatusServiceUnavailable
	if no := new(refusal); errors.As(err, &no) {
		status = no.status
	}
	if status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "1")
	}
	respond(w, status, map[string]any{"error": reason(err)})
}

// refusal is an error with the HTTP status that it is answered with.
type refusal struct {
	error
	status int
}

func (r *refusal) Unwrap() error { return r.error }

func refuse(err error, status int) error { return &refusal{err, status} }

func respond(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(body); err != nil {
		slog.Debug("answer not delivered", "error", err)
	}
}
