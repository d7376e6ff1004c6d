package durable

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	saga "course.example/11-saga"
	"course.example/shop"
	"github.com/dbos-inc/dbos-transact-golang/dbos"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// answerTimeout bounds a transaction of the website.
const answerTimeout = 5 * time.Second

// Website takes orders and shows how far they are. It runs no saga: it only puts them into the
// queue of the workers.
type Website struct {
	pool   *pgxpool.Pool
	engine dbos.Client
}

// RunWebsite serves until ctx ends.
func RunWebsite(ctx context.Context, s Settings) error {
	w, err := OpenWebsite(ctx, s)
	if err != nil {
		return err
	}
	err = shop.Serve(ctx, s.Addr, w.Handler())
	if left := w.Close(); left != nil { // a server that is silent keeps nobody
		slog.WarnContext(ctx, "connections are left open", "reason", left)
	}
	return err
}

// OpenWebsite connects a website to the database.
func OpenWebsite(ctx context.Context, s Settings) (*Website, error) {
	pool, err := openDatabase(ctx, s, "website", engineConnections)
	if err != nil {
		return nil, err
	}
	engine, err := dbos.NewClient(context.WithoutCancel(ctx), dbos.ClientConfig{
		AppName: app, SystemDBPool: pool, Logger: slog.Default(),
		SystemDBStartupTimeout: startTimeout})
	if err != nil {
		shop.Close("the database", pool.Close)
		return nil, fmt.Errorf("open the engine: %w", err)
	}
	return &Website{pool, engine}, nil
}

// Close ends the connections.
func (w *Website) Close() error { return dbos.Shutdown(w.engine, stopTimeout) }

// Handler is the shop's counter, the state of an order, and the operator's door.
func (w *Website) Handler() http.Handler {
	mux := shop.Counter{Place: w.Place, Ready: w.ready}.Handler()
	mux.HandleFunc("GET /orders/{id}", w.order)
	mux.HandleFunc("POST /sagas/{id}/resume", w.resume)
	return http.NewCrossOriginProtection().Handler(mux)
}

func (w *Website) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	return w.pool.Ping(ctx)
}

// Place writes the order and puts its saga into the queue, in one transaction. The saga has the
// order's identity: the same order twice is one saga.
func (w *Website) Place(ctx context.Context, order shop.Order) error {
	ctx, cancel := context.WithTimeoutCause(context.WithoutCancel(ctx), answerTimeout,
		fmt.Errorf("outcome unknown: no answer within %s", answerTimeout))
	defer cancel()
	body, err := json.Marshal(order)
	if err != nil {
		return fmt.Errorf("order %s: %w", order.ID, err)
	}
	return saga.Refusal(ctx, order, w.transact(ctx, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `INSERT INTO website.orders (order_id, body, placed_at)
			VALUES ($1, $2, $3)`, order.ID, string(body), order.PlacedAt); err != nil {
			return err
		}
		_, err := dbos.Enqueue[saga.State](w.engine, queueName, workflowName, order,
			dbos.WithEnqueueWorkflowID(order.ID), dbos.WithEnqueueTransaction(tx))
		return err
	}))
}

// transact bounds what the engine does in a transaction: its own statements have no deadline.
func (w *Website) transact(ctx context.Context, do func(pgx.Tx) error) error {
	conn, err := w.pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	wire := conn.Conn().PgConn().Conn() // the func below may run when conn is given back
	stop := context.AfterFunc(ctx, func() { _ = wire.SetDeadline(time.Now()) })
	defer func() {
		if !stop() { // nobody else must get this connection
			_ = conn.Conn().Close(ctx)
		}
	}()
	return pgx.BeginFunc(ctx, conn, do)
}

// Status is what a customer can know of an order: its row, and the record of its steps.
type Status struct {
	OrderID string     `json:"order_id"`
	State   saga.State `json:"state"`
	Reason  string     `json:"reason,omitempty"`
	Steps   []Done     `json:"steps"`
}

// Done is a step whose answer is recorded.
type Done struct {
	Step string    `json:"step"`
	At   time.Time `json:"at"`
}

var errUnknownOrder = errors.New("there is no such order")

// Status reads the tables of the engine directly: a row for each saga, and one for each step.
func (w *Website) Status(ctx context.Context, id string) (Status, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	s := Status{OrderID: id}
	err := w.pool.QueryRow(ctx, `SELECT o.state, o.reason, coalesce(json_agg(json_build_object(
			'step', d.function_name, 'at', to_timestamp(d.completed_at_epoch_ms / 1000.0))
			ORDER BY d.function_id) FILTER (WHERE d.function_id IS NOT NULL), '[]')
		FROM website.orders o LEFT JOIN dbos.operation_outputs d ON d.workflow_uuid = o.order_id
		WHERE o.order_id = $1 GROUP BY o.order_id`, id).Scan(&s.State, &s.Reason, &s.Steps)
	if errors.Is(err, pgx.ErrNoRows) {
		return s, errUnknownOrder
	}
	return s, err
}

// Resume tells a parked saga to go on. With byHand somebody has done in another way what the
// service could not. It returns [saga.ErrNotParked] of any other saga.
func (w *Website) Resume(ctx context.Context, id string, byHand bool) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), answerTimeout)
	defer cancel()
	return w.transact(ctx, func(tx pgx.Tx) error {
		var state saga.State
		err := tx.QueryRow(ctx, `SELECT state FROM website.orders
			WHERE order_id = $1 FOR UPDATE`, id).Scan(&state)
		switch {
		case errors.Is(err, pgx.ErrNoRows):
			return errUnknownOrder
		case err != nil:
			return err
		case state != saga.Parked:
			return fmt.Errorf("order %s %w", id, saga.ErrNotParked)
		}
		return dbos.Send(w.engine, id, byHand, resumeTopic, dbos.WithSendTransaction(tx))
	})
}

func (w *Website) order(rw http.ResponseWriter, r *http.Request) {
	id, err := shop.ParseID(r.PathValue("id"))
	if err != nil {
		answer(rw, nil, errUnknownOrder)
		return
	}
	status, err := w.Status(r.Context(), id.String())
	answer(rw, status, err)
}

func (w *Website) resume(rw http.ResponseWriter, r *http.Request) {
	id, err := shop.ParseID(r.PathValue("id"))
	if err != nil {
		answer(rw, nil, errUnknownOrder)
		return
	}
	err = w.Resume(r.Context(), id.String(), r.FormValue("by_hand") == "true")
	answer(rw, map[string]string{"order_id": id.String()}, err)
}

// answer writes JSON: what was asked for, or why not.
func answer(rw http.ResponseWriter, body any, err error) {
	status := http.StatusOK
	switch {
	case err == nil:
	case errors.Is(err, errUnknownOrder):
		status = http.StatusNotFound
	case errors.Is(err, saga.ErrNotParked):
		status = http.StatusConflict
	default:
		slog.Warn("not answered", "reason", err)
		status, err = http.StatusServiceUnavailable, errors.New("the database does not answer now")
		rw.Header().Set("Retry-After", "1")
	}
	if err != nil {
		body = map[string]string{"error": err.Error()}
	}
	rw.Header().Set("Content-Type", "application/json")
	rw.WriteHeader(status)
	if err := json.NewEncoder(rw).Encode(body); err != nil {
		slog.Debug("answer not delivered", "error", err)
	}
}
