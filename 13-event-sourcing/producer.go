package eventsourcing

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"course.example/shop"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
)

const retryAfter = time.Second

// Producer takes commands and appends what they decide to the log. All methods are safe for
// concurrent use.
type Producer struct {
	pool     *pgxpool.Pool
	settings Settings
	migrated atomic.Bool
	group    groupCommit
	bell     bell
	retries  atomic.Int64 // decisions that were made again
	held     atomic.Int64 // appends so far that Settings.Hold may slow down
	holding  sync.Mutex   // by the one that it slows down now
	// overtaken counts those of them that a later one was committed before.
	overtaken atomic.Int64

	// What a variant or a setting changes.
	keys   findKeys
	decide func(Order, request) ([]Event, error)
	append func(context.Context, *entry) (Place, error)
	insert func(context.Context, *rows) (map[[16]byte]Place, error)
}

// NewProducer returns a producer that uses the pool, which stays the caller's.
func NewProducer(pool *pgxpool.Pool, settings Settings) *Producer {
	p := &Producer{pool: pool, settings: settings, keys: readKeys}
	p.bell = bell{wanted: make(chan struct{}, 1), notify: p.notify}
	p.group = groupCommit{
		writers: make(chan struct{}, settings.Writers),
		waiting: make(chan *entry), most: settings.Group, write: p.writeBatch,
	}
	p.append = p.group.append
	p.decide = func(o Order, r request) ([]Event, error) { return o.Decide(r.command) }
	p.insert = p.inserter()
	if change := variants[settings.Variant].producer; change != nil {
		change(p)
	}
	return p
}

// request is a command for one order, and what identifies it.
type request struct {
	id      uuid.UUID // of the command: the same one twice is done once
	stream  uuid.UUID
	digest  string // of what the customer has sent
	command Command
	fresh   bool // nobody else can know of the stream yet
}

// Done is what became of a command.
type Done struct {
	Order    uuid.UUID
	Version  int   // of the order, with it
	Place    Place // of its last event: a query may wait for it
	Repeated bool  // it was in the log before
}

// Execute is the write side: load, fold, decide, append, and again from the start when
// another decider was faster. It answers within twice Settings.Timeout.
func (p *Producer) Execute(ctx context.Context, r request) (Done, error) {
	ctx, cancel := withTimeout(ctx, p.settings)
	defer cancel()
	for again := 0; ; again++ {
		done, err := p.try(ctx, r)
		switch {
		case errors.Is(err, errRepeated):
			return p.repeated(ctx, r)
		case !errors.Is(err, errConflict):
			return done, err
		}
		p.retries.Add(1)
		r.fresh = false // somebody knows of the stream: perhaps this command, sent before
		slog.DebugContext(ctx, "another was faster: deciding again", "order", r.stream,
			"again", again+1)
		// Those who have lost come back one after the other, not all at once.
		if !sleep(ctx, time.Duration(rand.Int64N(int64(min(again+1, 20))))*time.Millisecond) {
			return Done{}, fmt.Errorf("others were faster %d times: %w", again+1, context.Cause(ctx))
		}
	}
}

func (p *Producer) try(ctx context.Context, r request) (Done, error) {
	order, end := Order{ID: r.stream}, head{}
	if !r.fresh {
		var err error
		if order, end, _, err = p.current(ctx, r.stream); err != nil {
			return Done{}, err
		}
	}
	events, err := p.decide(order, r)
	if err != nil {
		return Done{}, p.refused(ctx, r, err)
	}
	place, err := p.append(ctx, &entry{
		stream: r.stream, owner: ownerOf(order), head: end, command: r.id, events: events,
		metadata: metadata{p.settings.Name, r.digest, p.now()},
		done:     make(chan appended, 1),
	})
	return Done{Order: r.stream, Version: end.version + len(events), Place: place}, err
}

// refused returns why a command is refused. One that was done before must get its first
// answer, and not this one: who cancels an order twice finds it cancelled.
func (p *Producer) refused(ctx context.Context, r request, no error) error {
	done, _, err := p.lookUp(ctx, r.id)
	switch {
	case err != nil:
		return err
	case done.Repeated:
		return errRepeated
	}
	return no
}

// now is this producer's clock, which may be wrong.
func (p *Producer) now() time.Time { return time.Now().Add(p.settings.ClockError).UTC() }

// Place places an order for the shop's counter. Once it returns nil the event is on the
// database's disk.
func (p *Producer) Place(ctx context.Context, order shop.Order) error {
	stream, err := shop.ParseID(order.ID)
	if err != nil {
		return fmt.Errorf("order %q: %w", order.ID, err)
	}
	r := request{stream: stream, command: PlaceOrder{order}, fresh: true}
	r.id, r.digest = commandOf(ctx)
	if r.id == uuid.Nil {
		r.id = stream // a customer without a key: the order is new, and so is the command
	}
	done, err := p.Execute(ctx, r)
	if err == nil && done.Order != stream { // the counter can answer with the new one only
		err = refuse(errors.New("another request with this key was faster: send it again "+
			"to learn its answer"), http.StatusConflict)
	} else {
		err = p.answer(stream, err)
	}
	if no := new(refusal); errors.As(err, &no) && no.status != http.StatusServiceUnavailable {
		return shop.Rejected(err, no.status)
	} else if err != nil {
		return shop.Unavailable(err, retryAfter)
	}
	tell(ctx, done.Place)
	return nil
}

// answer says what an error means to the customer.
func (p *Producer) answer(stream uuid.UUID, err error) error {
	if err == nil {
		return nil
	}
	if err = explain(err); stream != uuid.Nil {
		err = fmt.Errorf("order %s: %w", stream, err)
	}
	switch {
	case errors.Is(err, ErrNoOrder):
		return refuse(err, http.StatusNotFound)
	case errors.Is(err, ErrCancelled), errors.Is(err, ErrTooLarge), errors.Is(err, ErrPlaced):
		return refuse(err, http.StatusConflict)
	case errors.Is(err, errOtherCommand), badData(err):
		return refuse(err, http.StatusUnprocessableEntity)
	case errors.Is(err, ErrUnreadable), errors.Is(err, ErrHistory):
		return refuse(err, http.StatusInternalServerError)
	case errors.Is(err, errUnknown):
		return refuse(err, http.StatusGatewayTimeout)
	}
	return refuse(err, http.StatusServiceUnavailable)
}

// errOtherCommand: a key names one command, for good.
var errOtherCommand = errors.New("this Idempotency-Key belongs to another request")

// repeated finds the answer that the command got the first time.
func (p *Producer) repeated(ctx context.Context, r request) (Done, error) {
	done, digest, err := p.lookUp(ctx, r.id)
	if err == nil && digest != r.digest {
		err = errOtherCommand
	}
	return done, err
}

// lookUp returns what became of a command, or the zero Done if it is not in the log.
func (p *Producer) lookUp(ctx context.Context, command uuid.UUID) (Done, string, error) {
	var done Done
	var digest string
	found, err := p.pool.Query(ctx, `
		SELECT stream, version, txid, position, coalesce(metadata ->> 'request', '')
		FROM events WHERE command = $1 ORDER BY ordinal`, command)
	if err != nil {
		return done, "", fmt.Errorf("look the command up: %w", err)
	}
	defer found.Close()
	for found.Next() {
		done.Repeated = true
		err := found.Scan(&done.Order, &done.Version, &done.Place.TxID, &done.Place.Position, &digest)
		if err != nil {
			return done, "", fmt.Errorf("look the command up: %w", err)
		}
	}
	if err := found.Err(); err != nil {
		return done, "", fmt.Errorf("look the command up: %w", err)
	}
	return done, digest, nil
}

// Ready returns why no order can be accepted now, or nil. It appends an event and takes it
// back: a server that answers a ping may still take nothing, because its disk is full, or it
// is a standby, or a right is missing.
func (p *Producer) Ready(ctx context.Context) error {
	if !p.migrated.Load() {
		return errors.New("the tables are not there yet")
	}
	ctx, cancel := context.WithTimeout(ctx, p.settings.Timeout)
	defer cancel()
	return explain(p.tryInsert(ctx))
}

func (p *Producer) tryInsert(ctx context.Context) error {
	id, err := uuid.NewV7()
	if err != nil {
		return err
	}
	var one rows
	err = one.add(&entry{stream: id, command: id, events: []Event{OrderPlaced{
		UserEmail: shop.SampleEmail, Currency: "EUR", Items: shop.SampleItems()}}}, p.settings.Writes)
	if err != nil {
		return err
	}
	tx, err := p.pool.BeginTx(ctx, withLease(p.settings))
	if err != nil {
		return err
	}
	_, err = insert(ctx, tx, &one)
	return errors.Join(err, tx.Rollback(ctx))
}

// Run creates the tables, however long the database lets it wait, and then rings the bell
// until ctx ends. It returns an error when waiting cannot help.
func (p *Producer) Run(ctx context.Context) error {
	if err := Prepare(ctx, p.pool); err != nil {
		return err
	}
	p.migrated.Store(true)
	p.bell.run(ctx)
	if n := p.retries.Load(); n > 0 {
		slog.Info("others were faster, and a decision was made again", "retries", n)
	}
	return nil
}
