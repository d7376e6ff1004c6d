package eventsourcing

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Recorded is an event as it stands in the log.
type Recorded struct {
	Stream     uuid.UUID
	Version    int
	Place      Place
	Kind       Kind
	Body       []byte
	Command    uuid.UUID
	Metadata   []byte
	RecordedAt time.Time
	Hash       []byte
}

// Place is where an event stands in the whole log: first by its transaction, then by its
// position.
type Place struct {
	TxID     uint64
	Position int64
}

func (p Place) String() string { return fmt.Sprintf("%d-%d", p.TxID, p.Position) }

// After tells whether p comes later in the log than q.
func (p Place) After(q Place) bool {
	return p.TxID > q.TxID || p.TxID == q.TxID && p.Position > q.Position
}

// Why an append was not done.
var (
	// errConflict: another decider has appended to the stream since it was read.
	errConflict = errors.New("another was faster")
	// errRepeated: the command is in the log already.
	errRepeated = errors.New("the command was done already")
	// errUnknown: it was sent to the database, and no answer came.
	errUnknown = errors.New("nobody knows whether it was done: " +
		"send it again with the same Idempotency-Key")
)

// entry is what one command appends to one stream: all of it or nothing.
type entry struct {
	stream   uuid.UUID
	owner    owner // of the order, whose key seals what is personal
	head     head  // the last event that the decision knew of
	command  uuid.UUID
	metadata metadata
	events   []Event
	done     chan appended // has room for the answer, should the customer have left
}

// head is where a stream ends.
type head struct {
	version int
	hash    []byte
}

// metadata is what is known of an event besides what it says.
type metadata struct {
	Producer string    `json:"producer"`
	Request  string    `json:"request,omitempty"` // a digest of what was asked
	At       time.Time `json:"at"`                // by the producer's clock: for people only
}

// appended is the answer to an append: where its last event stands, or why it does not.
type appended struct {
	place Place
	err   error
}

const columns = `stream, version, txid, position, type, schema, body, command, metadata,
	recorded_at, hash`

// load returns the events of a stream behind a version, oldest first. An empty stream is no
// error.
func (p *Producer) load(ctx context.Context, stream uuid.UUID, behind int) ([]Recorded, error) {
	rows, err := p.pool.Query(ctx, `SELECT `+columns+` FROM events
		WHERE stream = $1 AND version > $2 ORDER BY version`, stream, behind)
	if err != nil {
		return nil, fmt.Errorf("read the events of %s: %w", stream, err)
	}
	events, err := pgx.CollectRows(rows, scanRecorded)
	if err != nil {
		return nil, fmt.Errorf("read the events of %s: %w", stream, err)
	}
	return events, nil
}

func scanRecorded(row pgx.CollectableRow) (r Recorded, err error) {
	err = row.Scan(&r.Stream, &r.Version, &r.Place.TxID, &r.Place.Position, &r.Kind.Name,
		&r.Kind.Schema, &r.Body, &r.Command, &r.Metadata, &r.RecordedAt, &r.Hash)
	return r, err
}

// fold adds events to an order, whose stream ends before them.
func fold(order Order, end head, events []Recorded, schema int) (Order, head, error) {
	for _, r := range events {
		event, err := r.decode(schema)
		if err == nil {
			order, err = order.Evolve(event)
		}
		if err != nil {
			return order, end, fmt.Errorf("event %d of order %s: %w", r.Version, r.Stream, err)
		}
		end = head{r.Version, r.Hash}
	}
	return order, end, nil
}

// decode reads the event. A program that is older than a version of order-placed cannot read
// that, nor what else came with it.
func (r Recorded) decode(schema int) (Event, error) {
	if r.Kind.Name == (OrderPlaced{}).Kind().Name && r.Kind.Schema > schema ||
		r.Kind == (OrderCancelled{}).Kind() && schema < sealedSince {
		return nil, fmt.Errorf("%w: %s is unknown to this program, which is old: "+
			"deploy the readers of a new version before its writers", ErrUnreadable, r.Kind)
	}
	return decode(r.Kind, r.Body)
}

// appendSQL writes the events of many commands. The version is the expected one: that the
// primary key takes each only once is the whole of optimistic concurrency control.
const appendSQL = `
	INSERT INTO events (stream, version, type, schema, body, command, ordinal, metadata, hash)
	SELECT stream, version, type, schema, body::json, command, ordinal, metadata::json, hash
	FROM unnest($1::uuid[], $2::int[], $3::text[], $4::int[], $5::text[], $6::uuid[],
		$7::smallint[], $8::text[], $9::bytea[]) WITH ORDINALITY
		AS e (stream, version, type, schema, body, command, ordinal, metadata, hash, n)
	ORDER BY n
	RETURNING stream, version, txid, position`

// rows are the parameters of appendSQL.
type rows struct {
	streams, commands    [][16]byte // UUIDs: pgx is slow with the named type
	versions, schemas    []int32
	types, bodies, metas []string
	ordinals             []int16
	hashes               [][]byte
}

// roomFor returns rows that need not grow for n commands of one event.
func roomFor(n int) *rows {
	return &rows{
		streams: make([][16]byte, 0, n), commands: make([][16]byte, 0, n),
		versions: make([]int32, 0, n), schemas: make([]int32, 0, n),
		types: make([]string, 0, n), bodies: make([]string, 0, n), metas: make([]string, 0, n),
		ordinals: make([]int16, 0, n), hashes: make([][]byte, 0, n),
	}
}

func (r *rows) args() []any {
	return []any{r.streams, r.versions, r.types, r.schemas, r.bodies, r.commands, r.ordinals,
		r.metas, r.hashes}
}

// add numbers and chains the events of an entry, behind the head that its decision knew.
func (r *rows) add(e *entry, placedSchema int) error {
	meta, err := json.Marshal(e.metadata)
	if err != nil {
		return fmt.Errorf("encode metadata: %w", err)
	}
	before := e.head.hash
	for i, event := range e.events {
		kind, body, err := encode(event, placedSchema)
		if err != nil {
			return err
		}
		version := e.head.version + 1 + i
		before = chain(before, e.stream, version, kind, body)
		r.streams, r.commands = append(r.streams, e.stream), append(r.commands, e.command)
		r.versions, r.schemas = append(r.versions, int32(version)), append(r.schemas, int32(kind.Schema))
		r.types, r.bodies = append(r.types, kind.Name), append(r.bodies, string(body))
		r.metas, r.ordinals = append(r.metas, string(meta)), append(r.ordinals, int16(i))
		r.hashes = append(r.hashes, before)
	}
	return nil
}

// insert writes the rows and returns where each stream's last event stands.
func insert(ctx context.Context, db querier, r *rows) (map[[16]byte]Place, error) {
	result, err := db.Query(ctx, appendSQL, r.args()...)
	if err != nil {
		return nil, err
	}
	return collectPlaces(result)
}

func collectPlaces(result pgx.Rows) (map[[16]byte]Place, error) {
	places := map[[16]byte]Place{}
	var stream [16]byte
	var version int
	var place Place
	_, err := pgx.ForEachRow(result, []any{&stream, &version, &place.TxID, &place.Position},
		func() error { places[stream] = place; return nil })
	return places, err
}

// whyNot names what an append that the database refused has met.
func whyNot(err error) error {
	answer := new(pgconn.PgError)
	switch {
	case err == nil:
		return nil
	case errors.As(err, &answer) && answer.ConstraintName == "events_pkey":
		return errConflict
	case errors.As(err, &answer) && answer.ConstraintName == "events_of_command":
		return errRepeated
	case !refused(err):
		err = fmt.Errorf("%w: %w", errUnknown, err)
	}
	return fmt.Errorf("append to the log: %w", err)
}
