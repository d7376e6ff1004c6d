package eventsourcing

import (
	"context"
	"errors"
	"runtime"
	"slices"
)

// groupCommit appends what many customers ask for with one statement and one commit, as
// step 06 does: a commit waits for the disk, for one event as long as for a hundred. Nobody
// waits for others to come. What comes while the writers are busy goes along with the next.
type groupCommit struct {
	writers chan struct{}  // holds one for each batch on its way to the database
	waiting chan *entry    // has no room: its senders are the customers who wait
	most    int            // entries in one batch
	write   func([]*entry) // answers each of them, within a limit of its own
}

// append returns when the events are committed or refused. When ctx ends before a writer
// has them in progress, nothing was written. From then on the writer's clock counts.
func (g *groupCommit) append(ctx context.Context, e *entry) (Place, error) {
	select {
	case g.writers <- struct{}{}:
		go g.commit(e)
	case g.waiting <- e: // a writer takes it along
	case <-ctx.Done():
		return Place{}, context.Cause(ctx)
	}
	answer := <-e.done
	return answer.place, answer.err
}

// commit writes an entry, and with it those of all who wait. Customers of the batch before have
// just had their answers, and some of them want something else at once: whoever can run
// goes first, so that this commit is for them, too. Nobody is waited for.
func (g *groupCommit) commit(first *entry) {
	defer func() { <-g.writers }()
	runtime.Gosched()
	batch := []*entry{first}
	for len(batch) < g.most {
		select {
		case next := <-g.waiting:
			batch = append(batch, next)
			continue
		default:
		}
		break
	}
	g.write(batch)
}

// once keeps one entry of each stream. Of two that were decided about the same version only one
// can win: there is no need to ask the database.
func once(batch []*entry) []*entry {
	seen := map[[16]byte]bool{}
	return slices.DeleteFunc(batch, func(e *entry) bool {
		lost := seen[e.stream]
		seen[e.stream] = true
		if lost {
			e.done <- appended{err: errConflict}
		}
		return lost
	})
}

// writeBatch appends the entries and answers each. One that meets another decider's event,
// or that the database cannot take, must not be the others' loss: the statement fails as a
// whole, and then each is written by itself.
func (p *Producer) writeBatch(batch []*entry) {
	ctx, cancel := withTimeout(context.Background(), p.settings)
	defer cancel()
	batch = once(batch)
	p.settings.crash.at(beforeWrite)
	answers, err := p.write(ctx, batch)
	p.settings.crash.at(afterWrite)
	alone := len(batch) > 1 && (badData(err) || errors.Is(err, errConflict) ||
		errors.Is(err, errRepeated))
	for i, e := range batch {
		if alone {
			answers, err := p.write(ctx, batch[i:i+1])
			e.done <- appended{answers[e.stream], err}
		} else {
			e.done <- appended{answers[e.stream], err}
		}
	}
}

func (p *Producer) write(ctx context.Context, batch []*entry) (map[[16]byte]Place, error) {
	if err := p.seal(ctx, batch); err != nil {
		return nil, err
	}
	all := roomFor(len(batch))
	for _, e := range batch {
		if err := all.add(e, p.settings.Writes); err != nil {
			return nil, err
		}
	}
	places, err := p.insert(ctx, all)
	if err != nil {
		return nil, whyNot(err)
	}
	p.bell.ring()
	return places, nil
}
