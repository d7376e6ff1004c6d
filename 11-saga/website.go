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
	"strings"
	"sync"
	"time"

	"course.example/shop"
	"github.com/jackc/pgx/v5"
)

// Website takes orders and shows how far they are. What it shows is a read model:
// it follows the events and is a little behind. That is eventual consistency, and
// the state Pending is how it is said to the customer.
type Website struct {
	*participant

	mu      sync.Mutex
	placing bool
	waiting []placed
}

// placed is an order whose customer waits at the counter.
type placed struct {
	order shop.Order
	done  chan error // gets one
}

// RunWebsite serves until ctx ends.
func RunWebsite(ctx context.Context, s Settings) error {
	w, err := newWebsite(ctx, s)
	if err != nil {
		return err
	}
	return w.run(ctx, func(ctx context.Context) error {
		return shop.Serve(ctx, s.Addr, w.Handler())
	})
}

func newWebsite(ctx context.Context, s Settings) (*Website, error) {
	p, err := newParticipant(ctx, "website", s)
	if err != nil {
		return nil, err
	}
	w := &Website{participant: p}
	p.handle, p.old = w.handle, oldOrders
	return w, nil
}

// Handler is the shop's counter and the pages for those who wait. What changes
// something is refused to the pages of other sites.
func (w *Website) Handler() http.Handler {
	mux := shop.Counter{Place: w.Place, Ready: w.Ready, Details: w.Details}.Handler()
	mux.HandleFunc("GET /orders/{id}", w.order)
	mux.HandleFunc("GET /sagas", w.sagas)
	mux.HandleFunc("POST /sagas/{id}/resume", w.resume)
	return http.NewCrossOriginProtection().Handler(mux)
}

// Ready returns why no order can be taken now. A broker that is away is no
// reason: the outbox waits for it. It is among the [Website.Details].
func (w *Website) Ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	return explain(w.pool.Ping(ctx))
}

// Details are what else an operator should know of the website's health.
func (w *Website) Details(ctx context.Context) map[string]any {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	details := map[string]any{"broker": "takes messages"}
	if err := w.bus.ready(); err != nil {
		details["broker"] = err.Error()
	}
	var unsent int
	if err := w.pool.QueryRow(ctx, `SELECT count(*) FROM website.outbox`).Scan(&unsent); err == nil {
		details["unsent"] = unsent
	}
	return details
}

// Place writes the order and the message that begins its saga, in one transaction.
// Orders that come meanwhile share the next one: this is group commit.
func (w *Website) Place(ctx context.Context, order shop.Order) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*databaseTimeout)
	defer cancel()
	p := placed{order, make(chan error, 1)}
	w.mu.Lock()
	w.waiting = append(w.waiting, p)
	if !w.placing {
		w.placing = true
		go w.placeAll()
	}
	w.mu.Unlock()
	select {
	case err := <-p.done:
		return err
	case <-ctx.Done():
		return shop.Unavailable(fmt.Errorf("order %s: outcome unknown: no answer within %s",
			order.ID, 2*databaseTimeout), time.Second)
	}
}

// placeAll ends when nobody waits any more.
func (w *Website) placeAll() {
	for {
		w.mu.Lock()
		batch := w.waiting[:min(len(w.waiting), w.settings.Batch)]
		w.waiting = w.waiting[len(batch):]
		if w.placing = len(batch) > 0; !w.placing {
			w.waiting = nil
		}
		w.mu.Unlock()
		if len(batch) == 0 {
			return
		}
		w.placeBatch(batch)
	}
}

func (w *Website) placeBatch(batch []placed) {
	ctx, cancel := context.WithTimeoutCause(context.Background(), databaseTimeout,
		fmt.Errorf("outcome unknown: no answer within %s", databaseTimeout))
	defer cancel()
	err := w.transact(ctx, func(ctx context.Context, tx pgx.Tx) (changes, error) {
		return insert(ctx, tx, batch)
	})
	if err != nil && w.permanent(err) && len(batch) > 1 {
		for i := range batch {
			w.placeBatch(batch[i : i+1])
		}
		return
	}
	for _, p := range batch {
		p.done <- Refusal(ctx, p.order, err)
	}
}

// Refusal is what the customer is told when an order could not be written, in the terms of
// [shop.Counter]; nil for a nil err. ctx is that of the attempt, whose cause says why it ended.
func Refusal(ctx context.Context, order shop.Order, err error) error {
	switch {
	case err == nil:
		return nil
	case permanent(err):
		slog.WarnContext(ctx, "an order cannot be stored", "order", order.ID, "reason", err)
		return shop.Rejected(errors.New("the order has something in it that cannot be stored"),
			http.StatusBadRequest)
	case ctx.Err() != nil:
		err = context.Cause(ctx)
	}
	return shop.Unavailable(fmt.Errorf("order %s: %w", order.ID, explain(err)), time.Second)
}

func insert(ctx context.Context, tx pgx.Tx, batch []placed) (c changes, err error) {
	var rows columns
	for _, p := range batch {
		body, err := json.Marshal(p.order)
		if err != nil {
			return c, err
		}
		rows.add(p.order.ID, string(body), p.order.PlacedAt)
		c.send = append(c.send, Message{ID: p.order.ID, Kind: OrderPlaced, Order: p.order})
		c.points = append(c.points, "placed")
	}
	return c, rows.exec(ctx, tx, `INSERT INTO website.orders (order_id, body, placed_at)
		SELECT id, body::json, at FROM unnest($1::text[], $2::text[], $3::timestamptz[])
			AS n (id, body, at)`)
}

// handle takes events into the read model, and says when an order has ended. It
// says so again if the event comes again: the process may have died between the
// commit and the line in the log. The effect's identity makes it one.
func (w *Website) handle(
	ctx context.Context, tx pgx.Tx, batch []Message,
) (c changes, err error) {
	var moves []Move
	for _, m := range batch {
		if seen, known := seenFrom[m.Kind]; known && w.variant.choreography {
			m.Moves = []Move{{m.Order.ID, seen.Version, m.Kind, seen.State, m.Reason, m.SentAt}}
		}
		moves = append(moves, m.Moves...)
	}
	for _, m := range moves {
		c.points = append(c.points, string(SagaMoved))
		c.log(func() { logEnd(ctx, m) })
	}
	return c, note(ctx, tx, moves)
}

func logEnd(ctx context.Context, m Move) {
	switch m.State {
	case Accepted:
		shop.Processed(ctx, m.OrderID, slog.String("effect", m.OrderID))
	case Cancelled:
		shop.Failed(ctx, m.OrderID, m.Reason)
	default:
	}
}

// note ignores what is older than what it knows: events overtake each other.
func note(ctx context.Context, tx pgx.Tx, moves []Move) error {
	if len(moves) == 0 {
		return nil
	}
	var all, last columns
	latest := map[string]Move{}
	for _, m := range moves {
		all.add(m.OrderID, m.Version, m.By, m.State, m.At)
		if m.Version > latest[m.OrderID].Version {
			latest[m.OrderID] = m
		}
	}
	for _, order := range sorted(latest) {
		m := latest[order]
		last.add(m.OrderID, m.State, m.Version, m.Reason)
	}
	if _, err := tx.Exec(ctx, `INSERT INTO website.history (order_id, version, event, state, sent_at)
		SELECT * FROM unnest($1::text[], $2::int[], $3::text[], $4::text[], $5::timestamptz[])
		ON CONFLICT DO NOTHING`, all.arrays...); err != nil {
		return fmt.Errorf("history: %w", err)
	}
	if _, err := tx.Exec(ctx, `UPDATE website.orders o SET state = n.state, version = n.version,
			reason = coalesce(nullif(n.reason, ''), o.reason),
			moved_at = clock_timestamp(), moved_by = pg_current_xact_id()
		FROM unnest($1::text[], $2::text[], $3::int[], $4::text[]) AS n (id, state, version, reason)
		WHERE o.order_id = n.id AND o.version < n.version`, last.arrays...); err != nil {
		return fmt.Errorf("orders: %w", err)
	}
	return nil
}

// oldOrders have ended long ago: they go, and what is known of their way.
const oldOrders = `WITH old AS (
		DELETE FROM website.orders WHERE order_id IN (SELECT order_id FROM website.orders
			WHERE state IN ('Accepted', 'Cancelled')
				AND placed_at < clock_timestamp() - $1::interval LIMIT $2)
		RETURNING order_id),
	moments AS (
		DELETE FROM website.history WHERE order_id IN (SELECT order_id FROM old))
	SELECT order_id FROM old`

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
	id, err := canonical(id)
	if err != nil {
		return Status{}, errUnknownOrder
	}
	rows, err := w.pool.Query(ctx, `SELECT order_id, state, reason, placed_at, moved_at
		FROM website.orders WHERE order_id = $1`, id)
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
		FROM website.history WHERE order_id = $1 ORDER BY version`, id)
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
	id, err := canonical(r.PathValue("id"))
	if err != nil {
		refuse(rw, errUnknownOrder)
		return
	}
	byHand := r.FormValue("by_hand") == "true"
	if _, err := w.Resume(r.Context(), id, byHand); err != nil {
		refuse(rw, err)
		return
	}
	if strings.Contains(r.Header.Get("Accept"), "text/html") { // a button of the page
		http.Redirect(rw, r, "/sagas", http.StatusSeeOther)
		return
	}
	answer(rw, http.StatusAccepted, map[string]string{"order_id": id})
}

func refuse(rw http.ResponseWriter, err error) {
	status := http.StatusServiceUnavailable
	switch {
	case errors.Is(err, errUnknownOrder):
		status = http.StatusNotFound
	case errors.Is(err, ErrNotParked):
		status = http.StatusConflict
	}
	text := explain(err).Error()
	if status == http.StatusServiceUnavailable {
		rw.Header().Set("Retry-After", "1")
		slog.Warn("not answered", "reason", text)
		text = "the database does not answer now"
	}
	answer(rw, status, map[string]string{"error": text})
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
	Parked  []Status // all that wait for a person, the oldest first
	Last    []Status
}

type count struct {
	State State
	N     int
}

func (w *Website) overview(ctx context.Context) (overview, error) {
	page := overview{Variant: w.settings.Variant}
	rows, err := w.pool.Query(ctx, `SELECT state, count(*) FROM website.orders GROUP BY 1 ORDER BY 1`)
	if err != nil {
		return page, err
	}
	if page.Counts, err = pgx.CollectRows(rows, pgx.RowToStructByPos[count]); err != nil {
		return page, err
	}
	const columns = `SELECT order_id, state, reason, placed_at, moved_at FROM website.orders `
	rows, err = w.pool.Query(ctx, columns+`WHERE state = 'Parked' ORDER BY placed_at LIMIT 200`)
	if err != nil {
		return page, err
	}
	if page.Parked, err = pgx.CollectRows(rows, scanStatus); err != nil {
		return page, err
	}
	rows, err = w.pool.Query(ctx, columns+`ORDER BY moved_by DESC, moved_at DESC LIMIT 25`)
	if err != nil {
		return page, err
	}
	page.Last, err = pgx.CollectRows(rows, scanStatus)
	return page, err
}
