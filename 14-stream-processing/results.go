package streams

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Results shows what the readers have found out so far, and how far behind they are.
type Results struct {
	Log      Log
	Pool     *pgxpool.Pool
	Settings Settings
}

// Handler is its HTTP API.
//
//	GET /sales?shape=tumbling&group=sales&product=   the latest windows, the newest first
//	GET /payments?group=sales                        orders by what became of their payment
//	GET /healthz                                     ready or not, and the lag: records that wait
func (r Results) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /sales", r.sales)
	mux.HandleFunc("GET /payments", r.payments)
	mux.HandleFunc("GET /healthz", r.health)
	return mux
}

// shown is a window as people see it.
type shown struct {
	Starts time.Time `json:"starts"`
	Ends   time.Time `json:"ends"`
	Orders int64     `json:"orders"`
	Pieces int64     `json:"pieces"`
	Cents  int64     `json:"cents"`
	Late   int64     `json:"late"`
	Final  bool      `json:"final"` // every partition has closed it; before that it may still change
}

const shownWindows = 20

func (r Results) sales(w http.ResponseWriter, req *http.Request) {
	query := req.URL.Query()
	shape, group := query.Get("shape"), query.Get("group")
	if shape == "" {
		shape = Tumbling
	}
	if group == "" {
		group = DefaultGroup
	}
	if shape != Tumbling && shape != Sliding {
		answer(w, http.StatusBadRequest, map[string]any{
			"error": fmt.Sprintf("shape: want %s or %s, is %.40q", Tumbling, Sliding, shape)})
		return
	}
	ctx, cancel := context.WithTimeout(req.Context(), r.Settings.Timeout)
	defer cancel()
	rows, err := r.Pool.Query(ctx, `SELECT starts, ends, sum(orders)::bigint AS orders,
			sum(pieces)::bigint AS pieces, sum(cents)::bigint AS cents, sum(late)::bigint AS late,
			bool_and(closed_at IS NOT NULL) AS final
		FROM windows WHERE reader_group = $1 AND shape = $2 AND product = $3
		GROUP BY 1, 2 ORDER BY 1 DESC LIMIT $4`, group, shape, query.Get("product"), shownWindows)
	var all []shown
	if err == nil {
		all, err = pgx.CollectRows(rows, pgx.RowToStructByName[shown])
	}
	if err != nil {
		answer(w, http.StatusServiceUnavailable, map[string]any{"error": explain(err).Error()})
		return
	}
	answer(w, http.StatusOK, map[string]any{"windows": all})
}

// joined are the orders, or the payments, of one outcome.
type joined struct {
	Outcome Outcome `json:"outcome"`
	Records int64   `json:"records"`
	Cents   int64   `json:"cents"`
}

// payments tells of each order once: a payment that has found its order is not counted beside it.
func (r Results) payments(w http.ResponseWriter, req *http.Request) {
	ctx, cancel := context.WithTimeout(req.Context(), r.Settings.Timeout)
	defer cancel()
	rows, err := r.Pool.Query(ctx, `SELECT outcome, count(*) AS records, sum(cents)::bigint AS cents
		FROM joined WHERE reader_group = $1 AND (NOT payment OR outcome = $2)
		GROUP BY 1 ORDER BY 1`, cmp.Or(req.URL.Query().Get("group"), DefaultGroup), string(Unmatched))
	var all []joined
	if err == nil {
		all, err = pgx.CollectRows(rows, pgx.RowToStructByName[joined])
	}
	if err != nil {
		answer(w, http.StatusServiceUnavailable, map[string]any{"error": explain(err).Error()})
		return
	}
	answer(w, http.StatusOK, map[string]any{"outcomes": all})
}

func (r Results) health(w http.ResponseWriter, req *http.Request) {
	lag, err := r.lag(req.Context())
	if err != nil {
		answer(w, http.StatusServiceUnavailable,
			map[string]any{"status": "not ready", "reason": explain(err).Error()})
		return
	}
	answer(w, http.StatusOK,
		map[string]any{"status": "ready", "details": map[string]any{"lag": lag}})
}

// lag is how many records the groups have not read yet, all together.
func (r Results) lag(ctx context.Context) (lag int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, r.Settings.Timeout)
	defer cancel()
	// Positions first: what is appended meanwhile waits.
	rows, err := r.Pool.Query(ctx, `SELECT g.reader_group, n, coalesce(p.position, 0)
		FROM (SELECT $1::text AS reader_group UNION SELECT reader_group FROM progress) g
		CROSS JOIN generate_series(0, $2::int - 1) n
		LEFT JOIN progress p ON p.reader_group = g.reader_group AND p.partition = n`,
		DefaultGroup, r.Settings.Partitions)
	if err != nil {
		return 0, err
	}
	var group string
	var partition int
	var position int64
	read := make([][]int64, r.Settings.Partitions)
	_, err = pgx.ForEachRow(rows, []any{&group, &partition, &position}, func() error {
		read[partition] = append(read[partition], position)
		return nil
	})
	if err != nil {
		return 0, err
	}
	ends, err := r.Log.Ends(ctx)
	if err != nil {
		return 0, err
	}
	for partition, end := range ends {
		for _, position := range read[partition] {
			lag += max(0, int64(end)-position)
		}
	}
	return lag, nil
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(body); err != nil {
		slog.Debug("answer not delivered", "error", err) // the reader has gone
	}
}
