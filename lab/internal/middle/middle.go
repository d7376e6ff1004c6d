// Package middle asks what lies between producer and consumer how much still waits in it. Only
// who is asked knows: an order that nobody talks of any more may be in a queue, or in the hands
// of a consumer that hangs.
package middle

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	amqp "github.com/rabbitmq/amqp091-go"

	"course.example/lab/internal/manifest"
)

// Middle is what lies between producer and consumer of one run. Its methods are safe for
// concurrent use.
type Middle struct {
	How     manifest.Waiting
	Address map[string]string // the variables that say where the servers are
	// Doors are where the processes of a kind serve that are running.
	Doors func(kind string) []string
	// Client asks the processes and the broker's management API.
	Client *http.Client
}

// Waiting is what waits.
type Waiting struct {
	N     int      // all together
	Where []string // place by place, in words
}

// String is what waits in one line, or "".
func (w Waiting) String() string { return strings.Join(w.Where, ", ") }

func (w *Waiting) add(n int, format string, args ...any) {
	if n > 0 {
		w.N += n
		w.Where = append(w.Where, fmt.Sprintf(format, args...))
	}
}

// askLimit bounds one question. A server that hangs does not answer.
const askLimit = 3 * time.Second

// Ask asks everybody whom the manifest names.
func (m *Middle) Ask(ctx context.Context) (Waiting, error) {
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	var w Waiting
	for _, ask := range []func(context.Context, *Waiting) error{
		m.askQueues, m.askTable, m.askProcesses,
	} {
		if err := ask(ctx, &w); err != nil {
			return Waiting{}, fmt.Errorf("ask what still waits: %w", err)
		}
	}
	slices.Sort(w.Where)
	return w, nil
}

// askQueues asks for the totals of the queues and not for the statistics, which are up to five
// seconds old: with disable_stats the broker asks the queues themselves
// (rabbitmq.com/docs/management: "Only queue totals").
func (m *Middle) askQueues(ctx context.Context, w *Waiting) error {
	if len(m.How.Queues) == 0 {
		return nil
	}
	uri, err := amqp.ParseURI(m.Address["AMQP_URL"])
	if err != nil {
		return fmt.Errorf("AMQP_URL: %w", err)
	}
	base := m.Address["RABBITMQ_MANAGEMENT_URL"]
	if base == "" {
		return errors.New("where is RabbitMQ's management API? Set RABBITMQ_MANAGEMENT_URL")
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/api/queues/"+
		url.PathEscape(uri.Vhost)+"?disable_stats=true&enable_queue_totals=true", nil)
	if err != nil {
		return err
	}
	if req.URL.User == nil {
		req.SetBasicAuth(uri.Username, uri.Password)
	}
	var queues []struct {
		Name           string `json:"name"`
		Ready          *int   `json:"messages_ready"`
		Unacknowledged int    `json:"messages_unacknowledged"`
	}
	if err := m.get(req, &queues); err != nil {
		return err
	}
	known := false
	for _, q := range queues {
		if !slices.Contains(m.How.Queues, q.Name) {
			continue
		}
		known = true
		if q.Ready == nil {
			return fmt.Errorf("the queue %s does not say how much is in it", q.Name)
		}
		w.add(*q.Ready+q.Unacknowledged, "%d ready and %d unacknowledged in the queue %s",
			*q.Ready, q.Unacknowledged, q.Name)
	}
	if !known {
		return fmt.Errorf("the broker has no queue %s", strings.Join(m.How.Queues, ", "))
	}
	return nil
}

func (m *Middle) askTable(ctx context.Context, w *Waiting) (err error) {
	if m.How.SQL == "" {
		return nil
	}
	conn, err := pgx.Connect(ctx, m.Address["DATABASE_URL"])
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close(context.WithoutCancel(ctx))) }()
	var n int
	if err := conn.QueryRow(ctx, m.How.SQL).Scan(&n); err != nil {
		return err
	}
	w.add(n, "%d in the database", n)
	return nil
}

// askProcesses asks those that run: what has waited in one that is down is gone.
func (m *Middle) askProcesses(ctx context.Context, w *Waiting) error {
	for kind, fields := range m.How.Health {
		for _, door := range m.Doors(kind) {
			req, err := http.NewRequestWithContext(ctx, http.MethodGet,
				"http://"+door+"/healthz", nil)
			if err != nil {
				return err
			}
			var told struct {
				Details map[string]any `json:"details"`
			}
			if err := m.get(req, &told); err != nil {
				return err
			}
			for _, field := range fields {
				n, ok := told.Details[field].(float64)
				if !ok {
					return fmt.Errorf("%s: /healthz has no number details.%s", kind, field)
				}
				w.add(int(n), "%.0f in %s (%s)", n, kind, field)
			}
		}
	}
	return nil
}

func (m *Middle) get(req *http.Request, into any) error {
	resp, err := m.Client.Do(req)
	if err != nil {
		return err
	}
	raw, err := io.ReadAll(io.LimitReader(resp.Body, 4<<20))
	if err = errors.Join(err, resp.Body.Close()); err != nil {
		return err
	}
	// A process that is not ready tells what waits in it all the same.
	if s := resp.StatusCode; s != http.StatusOK && s != http.StatusServiceUnavailable {
		return fmt.Errorf("%s: %s", req.URL.Redacted(), resp.Status)
	}
	if err := json.Unmarshal(raw, into); err != nil {
		return fmt.Errorf("read the answer of %s: %w", req.URL.Redacted(), err)
	}
	return nil
}
