package eventsourcing

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"course.example/shop"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// variant is what a wrong way changes in the right one, from outside.
type variant struct {
	producer     func(*Producer)
	projector    func(*Projector)
	rebuildsMail bool
}

var variants = map[string]variant{
	"":                  {},
	"right":             {},
	"by-position":       {projector: byPosition},
	"clock-order":       {projector: clockOrder},
	"not-idempotent":    {projector: notIdempotent},
	"event-after-state": {producer: eventAfterState},
	"edited-history":    {producer: editedHistory},
	"no-version":        {producer: noVersion},
	"emails-on-rebuild": {projector: emailsOnRebuild, rebuildsMail: true},
	"key-cache": {
		producer:  func(p *Producer) { p.keys = keyCache(p.keys) },
		projector: func(p *Projector) { p.keys = keyCache(p.keys) },
	},
}

func variantNames() string {
	names := slices.Sorted(maps.Keys(variants))
	return strings.Join(names[1:], ", ") // without the empty one, which sorts first
}

// byPosition reads what has a greater position than the last that was read. It is how most
// event stores that somebody builds in SQL begin, and the tests of an idle machine are green.
//
// What goes wrong: an append that is committed late has a position that was passed already.
// The read model never sees it, and nothing says so. Experiment: hold commits for a moment.
func byPosition(p *Projector) {
	p.order = order{after: `e.position > c.position`, by: `e.position`}
}

// clockOrder reads in the order of the producers' clocks: the time says what came first, so
// no sequence is needed.
//
// What goes wrong: no two clocks agree. What a producer whose clock is late appends is, by
// that order, in a past that was read already. Experiment: two producers, one of them late.
func clockOrder(p *Projector) {
	p.order = order{
		after: `(e.metadata ->> 'at')::timestamptz > coalesce((
			SELECT (last.metadata ->> 'at')::timestamptz FROM events last
			WHERE last.txid = c.txid AND last.position = c.position), '-infinity')`,
		by: `(e.metadata ->> 'at')::timestamptz`,
	}
}

// notIdempotent commits what is projected, and then the checkpoint.
//
// What goes wrong: killed between the two, the next life projects the same events again, and
// each is counted twice. Experiment: die there.
func notIdempotent(p *Projector) {
	p.finish = func(ctx context.Context, tx pgx.Tx, c checkpoint, to Place) error {
		if err := tx.Commit(ctx); err != nil {
			return err
		}
		p.settings.crash.at(beforeCheckpoint)
		return p.moveOn(ctx, p.pool, c, to)
	}
}

// eventAfterState writes the order where customers see it, and then the event: a dual write.
// It is quick to read, without any projector.
//
// What goes wrong: the producer dies between the two. The order is there, and it has never
// happened: no letter, no stock, and the next rebuild takes it away. Experiment: die there.
func eventAfterState(p *Producer) {
	append := p.append
	p.append = func(ctx context.Context, e *entry) (Place, error) {
		for _, event := range e.events {
			placed, ok := event.(OrderPlaced)
			if !ok {
				continue
			}
			customer := owner{email: placed.UserEmail}
			keys, err := p.keysOf(ctx, map[owner]bool{customer: true})
			if err != nil {
				return Place{}, err
			}
			_, err = p.pool.Exec(ctx, `
				INSERT INTO customer_orders SELECT live, $1, $2, 'placed', 0, 0, 1
				FROM projections WHERE name = 'customers'`, e.stream,
				keys[customer].customer.String())
			if err != nil {
				return Place{}, err
			}
			shop.Accepted(ctx, e.stream.String())
			p.settings.crash.at(afterState)
		}
		return append(ctx, e)
	}
}

// editedHistory adds items by changing the event that placed the order. One event less, and
// the fold of the stream is the same.
//
// What goes wrong: who has read that event already does not read it again. Read models and
// log disagree from now on. The hash of the event does not fit any more, which is how an
// audit finds the place.
func editedHistory(p *Producer) {
	append := p.append
	p.append = func(ctx context.Context, e *entry) (Place, error) {
		added, ok := e.events[0].(ItemsAdded)
		if !ok {
			return append(ctx, e)
		}
		items, err := json.Marshal(added.Items)
		if err != nil {
			return Place{}, err
		}
		_, err = p.pool.Exec(ctx, `
			UPDATE events SET body = jsonb_set(body::jsonb, '{items}',
				(body::jsonb -> 'items') || $2::text::jsonb)::json
			WHERE stream = $1 AND version = 1`, e.stream, string(items))
		return Place{TxID: 1}, err
	}
}

// noVersion decides once. If the version is taken, the same events get the next one.
//
// What goes wrong: the decision was about an order that is not so any more. Items are added
// to an order that was cancelled in between: of two decisions one is lost. Experiment: two
// commands at once.
func noVersion(p *Producer) {
	var mu sync.Mutex
	decided := map[uuid.UUID][]Event{}
	decide := p.decide
	p.decide = func(o Order, r request) ([]Event, error) {
		mu.Lock()
		before, again := decided[r.id]
		mu.Unlock()
		if again {
			return before, nil
		}
		events, err := decide(o, r)
		mu.Lock()
		defer mu.Unlock()
		if err == nil && !r.fresh {
			decided[r.id] = events
		}
		return events, err
	}
}

// emailsOnRebuild takes the letters for a read model like the others, which may be built
// again: each building sends them, as letters of its own.
//
// What goes wrong: customers get a letter about an order of last year. Experiment: rebuild.
func emailsOnRebuild(p *Projector) {
	p.messageID = func(c checkpoint, f *fresh) string {
		return fmt.Sprintf("%s/%d", f.Stream, c.generation)
	}
}

// keyCache keeps every key that it has read: the same customers come again and again, and a
// question to the database is saved each time.
//
// What goes wrong: a customer is forgotten, his key is deleted, and whoever has it in memory still
// reads his address and writes to him. A backup of the keys is such a cache as well.
// Experiment: read an order, forget its customer, read it again.
func keyCache(find findKeys) findKeys {
	var mu sync.Mutex
	kept := map[uuid.UUID]key{}
	return func(
		ctx context.Context, db querier, emails []string, customers [][16]byte,
	) ([]key, error) {
		mu.Lock()
		defer mu.Unlock()
		var found []key
		var missing [][16]byte
		for _, customer := range customers {
			if k, ok := kept[customer]; ok {
				found = append(found, k)
			} else {
				missing = append(missing, customer)
			}
		}
		read, err := find(ctx, db, emails, missing)
		for _, k := range read {
			kept[k.customer] = k
		}
		return append(found, read...), err
	}
}
