package saga

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"time"

	"course.example/shop"
	"github.com/jackc/pgx/v5"
)

// Website takes orders and shows how far they are. What it shows is a read model:
// it follows the events and is a little behind. That is eventual consistency, and
// the state Pending is how it is said to the customer.
type Website struct{ *participant }

// RunWebsite serves until ctx ends.
func RunWebsite(ctx context.Context, s Settings) error {
	p, err := newParticipant(ctx, "website", s)
	if err != nil {
		return err
	}
	w := &Website{p}
	return p.run(ctx, w.Handle, func(ctx context.Context) error {
		return shop.Serve(ctx, s.Addr, w.Handler())
	})
}

// Handler is the shop's counter and the pages for those who wait.
func (w *Website) Handler() http.Handler {
	mux := shop.Counter{Place: w.Place, Ready: w.Ready}.Handler()
	mux.HandleFunc("GET /orders/{id}", w.order)
	mux.HandleFunc("GET /sagas", w.sagas)
	mux.HandleFunc("POST /sagas/{id}/resume", w.resume)
	return mux
}

// Ready returns why no order can be taken now. A broker that is away is no
// reason: the outbox waits for it.
func (w *Website) Ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	return explain(w.pool.Ping(ctx))
}

// Place writes the order and the message that begins its saga, in one
// transaction.
func (w *Website) Place(ctx context.Context, order shop.Order) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), databaseTimeout)
	defer cancel()
	err := w.transact(ctx, func() string { return "placed" },
		func(tx pgx.Tx) ([]Message, error) {
			body, err := json.Marshal(order)
			if err != nil {
				return nil, err
			}
			_, err = tx.Exec(ctx, `INSERT INTO orders (order_id, body, cents, pieces)
				VALUES ($1, $2, $3, $4)`, order.ID, body, order.TotalCents(), pieces(order))
			return []Message{{ID: order.ID, Kind: OrderPlaced, Order: order}}, err
		})
	if err != nil {
		return shop.Unavailable(fmt.Errorf("order %s: %w", order.ID, explain(err)), time.Second)
	}
	return nil
}

// Handle takes an event into the read model, and says when an order has ended.
// It says so again if the event comes again: the process may have died between
// the commit and the line in the log. The effect's identity makes it one.
func (w *Website) Handle(ctx context.Context, m Message) error {
	if w.variant.choreography {
		seen := seenFrom[m.Kind]
		m.State, m.Version = seen.State, seen.Version
	}
	err := w.transact(ctx, func() string { return string(SagaMoved) },
		func(tx pgx.Tx) ([]Message, error) { return nil, w.note(ctx, tx, m) })
	if err != nil && !errors.Is(err, errSeen) {
		return fmt.Errorf("read model: %w", err)
	}
	switch m.State {
	case Accepted:
		shop.Processed(ctx, m.Order.ID, slog.String("effect", m.Order.ID))
	case Cancelled:
		shop.Failed(ctx, m.Order.ID, m.Reason)
	default:
	}
	return nil
}

// note ignores what is older than what it knows: events overtake each other.
func (w *Website) note(ctx context.Context, tx pgx.Tx, m Message) error {
	if err := w.seen(ctx, tx, m); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `INSERT INTO history (order_id, version, event, state, sent_at)
		VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING`,
		m.Order.ID, m.Version, m.Kind, m.State, m.SentAt); err != nil {
		return fmt.Errorf("history: %w", err)
	}
	if _, err := tx.Exec(ctx, `UPDATE orders SET state = $2, version = $3,
			reason = coalesce(nullif($4, ''), reason), moved_at = clock_timestamp()
		WHERE order_id = $1 AND version < $3`,
		m.Order.ID, m.State, m.Version, m.Reason); err != nil {
		return fmt.Errorf("orders: %w", err)
	}
	return nil
}

// Status is what a customer can know of an order.
type Status struct {
	OrderID  string    `json:"order_id"`
	State    State     `json:"state"`
	Reason   string    `json:"reason,omitempty"`
	PlacedAt time.Time `json:"placed_at"`
	MovedAt  time.Time `json:"moved_at"`
	History  []Moment  `json:"history,omitempty"`
}

// Moment is one line of an order's history.
type Moment struct {
	Event  string    `json:"event"`
	State  State     `json:"state"`
	SentAt time.Time `json:"sent_at"` // when it happened
	SeenAt time.Time `json:"seen_at"` // when the website knew
}

var errUnknownOrder = errors.New("there is no such order")

// Status returns the state and the history of one order.
func (w *Website) Status(ctx context.Context, id string) (Status, error) {
	rows, err := w.pool.Query(ctx, `SELECT order_id, state, reason, placed_at, moved_at
		FROM orders WHERE order_id = $1`, id)
	if err != nil {
		return Status{}, err
	}
	s, err := pgx.CollectExactlyOneRow(rows, scanStatus)
	if errors.Is(err, pgx.ErrNoRows) {
		return s, errUnknownOrder
	}
	if err != nil {
		return s, err
	}
	rows, err = w.pool.Query(ctx, `SELECT event, state, sent_at, seen_at
		FROM history WHERE order_id = $1 ORDER BY version`, id)
	if err != nil {
		return s, err
	}
	s.History, err = pgx.CollectRows(rows, pgx.RowToStructByPos[Moment])
	return s, err
}

func scanStatus(row pgx.CollectableRow) (Status, error) {
	var s Status
	err := row.Scan(&s.OrderID, &s.State, &s.Reason, &s.PlacedAt, &s.MovedAt)
	return s, err
}

func (w *Website) order(rw http.ResponseWriter, r *http.Request) {
	s, err := w.Status(r.Context(), r.PathValue("id"))
	if err != nil {
		refuse(rw, err)
		return
	}
	answer(rw, http.StatusOK, s)
}

// resume is for the operator: POST /sagas/{id}/resume?by_hand=true.
func (w *Website) resume(rw http.ResponseWriter, r *http.Request) {
	byHand := r.URL.Query().Get("by_hand") == "true"
	if _, err := w.Resume(r.Context(), r.PathValue("id"), byHand); err != nil {
		refuse(rw, err)
		return
	}
	answer(rw, http.StatusAccepted, map[string]string{"order_id": r.PathValue("id")})
}

func refuse(rw http.ResponseWriter, err error) {
	status := http.StatusServiceUnavailable
	switch {
	case errors.Is(err, errUnknownOrder):
		status = http.StatusNotFound
	case errors.Is(err, ErrNotParked):
		status = http.StatusConflict
	}
	answer(rw, status, map[string]string{"error": explain(err).Error()})
}

func answer(rw http.ResponseWriter, status int, body any) {
	rw.Header().Set("Content-Type", "application/json")
	rw.WriteHeader(status)
	if err := json.NewEncoder(rw).Encode(body); err != nil {
		slog.Debug("answer not delivered", "error", err)
	}
}

//go:embed sagas.html
var sagasHTML string

var sagasPage = template.Must(template.New("sagas").Parse(sagasHTML))

// sagas is the page for the lecture hall: how many are where, and the last ones.
func (w *Website) sagas(rw http.ResponseWriter, r *http.Request) {
	page, err := w.overview(r.Context())
	if err != nil {
		http.Error(rw, explain(err).Error(), http.StatusServiceUnavailable)
		return
	}
	rw.Header().Set("Content-Type", "text/html; charset=utf-8")
	if err := sagasPage.Execute(rw, page); err != nil {
		slog.Debug("page not delivered", "error", err)
	}
}

type overview struct {
	Variant string
	Counts  []count
	Last    []Status
}

type count struct {
	State State
	N     int
}

func (w *Website) overview(ctx context.Context) (overview, error) {
	page := overview{Variant: w.settings.Variant}
	rows, err := w.pool.Query(ctx, `SELECT state, count(*) FROM orders GROUP BY 1 ORDER BY 1`)
	if err != nil {
		return page, err
	}
	if page.Counts, err = pgx.CollectRows(rows, pgx.RowToStructByPos[count]); err != nil {
		return page, err
	}
	rows, err = w.pool.Query(ctx, `SELECT order_id, state, reason, placed_at, moved_at
		FROM orders ORDER BY moved_at DESC LIMIT 25`)
	if err != nil {
		return page, err
	}
	page.Last, err = pgx.CollectRows(rows, scanStatus)
	return page, err
}
