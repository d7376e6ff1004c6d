package eventsourcing

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"course.example/shop"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Audit is what the log says, and where the read models say something else. It folds the log
// by itself: it reads old events with rules of its own, and shares no line with the
// projections and upcasters that it checks.
type Audit struct {
	Accepted   int `json:"accepted"`   // orders in the log, or in a read model all the same
	Processed  int `json:"processed"`  // of them, with a letter
	Failed     int `json:"failed"`     // of them, parked without one
	Lost       int `json:"lost"`       // of them, missing in the log, the letters or a read model
	Duplicated int `json:"duplicated"` // letters and orders counted beyond an order's first

	Events      int `json:"events"`
	Differences int `json:"differences"` // rows of read models that are not what the log adds up to
	Violations  int `json:"violations"`  // events that no decision can have led to
	Edited      int `json:"edited"`      // events whose hash does not fit
	Parked      int `json:"parked"`      // streams that wait for a person

	Findings []string `json:"findings,omitempty"` // the first of them, in words
}

// auditTime bounds an audit of a log with a million events.
const auditTime = 5 * time.Minute

// ReadAudit compares at any instant, also while everything runs: a read model must be what the
// log adds up to as far as its checkpoint goes, and one snapshot shows both.
func ReadAudit(ctx context.Context, pool *pgxpool.Pool) (Audit, error) {
	ctx, cancel := context.WithTimeout(ctx, auditTime)
	defer cancel()
	a := newAuditor()
	err := pgx.BeginTxFunc(ctx, pool, pgx.TxOptions{
		IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly,
	}, func(tx pgx.Tx) error {
		for _, step := range []func(context.Context, pgx.Tx) error{
			a.readCheckpoints, a.readParked, a.readLog, a.compareModels, a.countLetters,
		} {
			if err := step(ctx, tx); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return Audit{}, fmt.Errorf("audit: %w", explain(err))
	}
	a.judge()
	return a.Audit, nil
}

// model is one generation of a projection.
type model struct {
	name       string
	generation int
}

func (m model) String() string { return fmt.Sprintf("%s, generation %d", m.name, m.generation) }

type auditor struct {
	Audit
	live   map[string]int
	parts  map[model]map[int]Place     // checkpoints
	parked map[model]map[uuid.UUID]int // from which version on
	want   map[model]map[string][]any  // rows by key
	orders map[uuid.UUID]*story
	shown  map[uuid.UUID]bool // in the live customer_orders
	letter map[uuid.UUID]int
}

// story is what the auditor knows of a stream.
type story struct {
	order     bool // it begins as an order does
	version   int
	hash      []byte
	cancelled bool
	lines     []shop.Item
}

func newAuditor() *auditor {
	return &auditor{
		live: map[string]int{}, parts: map[model]map[int]Place{},
		parked: map[model]map[uuid.UUID]int{}, want: map[model]map[string][]any{},
		orders: map[uuid.UUID]*story{}, shown: map[uuid.UUID]bool{},
		letter: map[uuid.UUID]int{},
	}
}

func (a *auditor) find(format string, args ...any) {
	const most = 10
	if len(a.Findings) < most {
		a.Findings = append(a.Findings, shop.Reason(fmt.Errorf(format, args...)))
	}
}

func (a *auditor) readCheckpoints(ctx context.Context, tx pgx.Tx) error {
	rows, err := tx.Query(ctx, `SELECT projection, generation, part, txid, position, live
		FROM checkpoints JOIN projections ON name = projection`)
	if err != nil {
		return err
	}
	var m model
	var part, live int
	var at Place
	_, err = pgx.ForEachRow(rows, []any{&m.name, &m.generation, &part, &at.TxID, &at.Position, &live},
		func() error {
			if a.parts[m] == nil {
				a.parts[m], a.want[m] = map[int]Place{}, map[string][]any{}
				a.parked[m] = map[uuid.UUID]int{}
			}
			a.parts[m][part], a.live[m.name] = at, live
			return nil
		})
	return err
}

func (a *auditor) readParked(ctx context.Context, tx pgx.Tx) error {
	rows, err := tx.Query(ctx, `SELECT projection, generation, stream, version FROM parked
		JOIN (SELECT DISTINCT projection, generation FROM checkpoints) c
		USING (projection, generation)`)
	if err != nil {
		return err
	}
	var m model
	var stream uuid.UUID
	var version int
	_, err = pgx.ForEachRow(rows, []any{&m.name, &m.generation, &stream, &version}, func() error {
		a.parked[m][stream] = version
		a.Parked++
		return nil
	})
	return err
}

func (a *auditor) readLog(ctx context.Context, tx pgx.Tx) error {
	rows, err := tx.Query(ctx, `SELECT `+columns+` FROM events ORDER BY stream, version`)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		r, err := scanRecorded(rows)
		if err != nil {
			return err
		}
		a.event(r)
	}
	return rows.Err()
}

// body has the members of all events of all versions.
type body struct {
	Email     string      `json:"email"`
	UserEmail string      `json:"user_email"`
	Items     []shop.Item `json:"items"`
	Personal  struct {
		Customer string `json:"customer"` // what read models call him
	} `json:"personal"`
}

// readable are the newest versions that the auditor has rules for.
var readable = map[string]int{"order-placed": 4, "items-added": 1, "order-cancelled": 2}

func (a *auditor) event(r Recorded) {
	a.Events++
	s := a.orders[r.Stream]
	if s == nil {
		s = &story{}
		a.orders[r.Stream] = s
	}
	if r.Version != s.version+1 || !bytes.Equal(r.Hash,
		chain(s.hash, r.Stream, r.Version, r.Kind, r.Body)) {
		a.Edited++
		a.find("order %s, event %d was changed after it was written, or the one before it is missing",
			r.Stream, r.Version)
	}
	first := s.version == 0
	s.version, s.hash = r.Version, r.Hash
	var b body
	if err := json.Unmarshal(r.Body, &b); err != nil {
		a.find("order %s, event %d: %w", r.Stream, r.Version, err)
		return
	}
	if r.Kind.Schema < 1 || r.Kind.Schema > readable[r.Kind.Name] {
		return // nobody can read it: it must be parked
	}
	placed := r.Kind.Name == "order-placed"
	s.order = s.order || placed
	if placed != first || s.cancelled {
		a.Violations++
		a.find("order %s, event %d: %s, and that cannot follow", r.Stream, r.Version, r.Kind)
	}
	sign := int64(1)
	switch r.Kind.Name {
	case "order-cancelled":
		s.cancelled, sign = true, -1
		if pieces(b.Items) != pieces(s.lines) {
			a.Violations++
			a.find("order %s was cancelled with %d pieces, and it had %d", r.Stream,
				pieces(b.Items), pieces(s.lines))
		}
	default:
		s.lines = append(s.lines, b.Items...)
	}
	for m := range a.parts {
		if a.sees(m, r) {
			a.add(m, r, b, placed, sign)
		}
	}
}

// sees tells whether the model has the event behind it.
func (a *auditor) sees(m model, r Recorded) bool {
	at := a.parts[m][int(r.Stream[15])%len(a.parts[m])]
	from, parked := a.parked[m][r.Stream]
	return !r.Place.After(at) && (!parked || r.Version < from)
}

// add adds an event to what a model must hold.
func (a *auditor) add(m model, r Recorded, b body, placed bool, sign int64) {
	rows := a.want[m]
	plus := func(key string, values ...int64) {
		row := rows[key]
		if row == nil {
			row = make([]any, len(values))
			for i := range row {
				row[i] = int64(0)
			}
			rows[key] = row
		}
		for i, v := range values {
			row[i] = row[i].(int64) + v
		}
	}
	var money, orders int64
	for _, line := range b.Items {
		money += int64(line.Quantity) * line.PriceCents
	}
	if placed {
		orders = 1
	}
	switch m.name {
	case "stock":
		for _, line := range b.Items {
			plus(line.SKU, sign*int64(line.Quantity))
		}
	case "sales":
		plus(r.RecordedAt.UTC().Format("2006-01-02"), orders, sign*money)
	case "customers":
		key := r.Stream.String()
		if placed {
			customer := b.Email + b.UserEmail + b.Personal.Customer // one of them
			rows[key] = []any{customer, "placed", int64(0), int64(0), int64(0)}
		}
		if rows[key] == nil {
			rows[key] = []any{"", "", int64(0), int64(0), int64(0)}
		}
		if sign < 0 {
			rows[key][1] = "cancelled"
		} else {
			rows[key][2] = rows[key][2].(int64) + pieces(b.Items)
			rows[key][3] = rows[key][3].(int64) + money
		}
		rows[key][4] = int64(r.Version)
	}
}

// rowsOf reads a model: its key as text, and its values.
var rowsOf = map[string]string{
	"stock": `SELECT sku, ARRAY[reserved::text] FROM stock WHERE generation = $1`,
	"sales": `SELECT day::text, ARRAY[orders::text, cents::text] FROM sales WHERE generation = $1`,
	"customers": `SELECT order_id::text, ARRAY[customer, status, pieces::text, total_cents::text,
		version::text] FROM customer_orders WHERE generation = $1`,
}

func (a *auditor) compareModels(ctx context.Context, tx pgx.Tx) error {
	for m, want := range a.want {
		query, ok := rowsOf[m.name]
		if !ok {
			continue
		}
		rows, err := tx.Query(ctx, query, m.generation)
		if err != nil {
			return err
		}
		var key string
		var values []string
		_, err = pgx.ForEachRow(rows, []any{&key, &values}, func() error {
			a.compare(m, key, want[key], values)
			delete(want, key)
			return nil
		})
		if err != nil {
			return err
		}
		for _, key := range slices.Sorted(maps.Keys(want)) {
			a.Differences++
			a.find("%s: %s is missing, the log adds up to %s", m, key, text(want[key]))
		}
	}
	return nil
}

func (a *auditor) compare(m model, key string, want []any, got []string) {
	if m.name == "customers" && m.generation == a.live[m.name] {
		if id, err := uuid.Parse(key); err == nil {
			a.shown[id] = true
		}
	}
	if want == nil || text(want) != strings.Join(got, " ") {
		a.Differences++
		a.find("%s: %s is %s, the log adds up to %s", m, key, strings.Join(got, " "), text(want))
	}
	if m.name == "sales" && m.generation == a.live[m.name] && want != nil {
		var counted int64
		if _, err := fmt.Sscan(got[0], &counted); err == nil {
			a.Duplicated += int(max(0, counted-want[0].(int64)))
		}
	}
}

func text(row []any) string {
	if row == nil {
		return "nothing"
	}
	return strings.TrimSuffix(fmt.Sprintln(row...), "\n")
}

func (a *auditor) countLetters(ctx context.Context, tx pgx.Tx) error {
	rows, err := tx.Query(ctx, `SELECT order_id, count(*) FROM letters GROUP BY 1`)
	if err != nil {
		return err
	}
	var order uuid.UUID
	var n int
	_, err = pgx.ForEachRow(rows, []any{&order, &n}, func() error {
		a.letter[order] = n
		a.Duplicated += n - 1
		if n > 1 {
			a.find("%d letters were sent about order %s", n, order)
		}
		return nil
	})
	return err
}

// judge says what became of each order that anybody knows.
func (a *auditor) judge() {
	known := maps.Clone(a.shown)
	for id, s := range a.orders {
		if s.order {
			known[id] = true
		}
	}
	mail := model{"mail", a.live["mail"]}
	for id := range known {
		a.Accepted++
		_, logged := a.orders[id]
		_, parked := a.parked[mail][id]
		switch {
		case a.letter[id] > 0 && logged && a.shown[id]:
			a.Processed++
		case parked:
			a.Failed++
		default:
			a.Lost++
		}
	}
}

// Err is what is wrong whenever it is asked, also in the middle of a run.
func (a Audit) Err() error {
	if a.Differences+a.Violations+a.Edited+a.Duplicated == 0 {
		return nil
	}
	return errors.New(strings.Join(a.Findings, "; "))
}
