package outbox

import (
	"context"

	"course.example/shop"
	"github.com/google/uuid"
)

// entry is an order in the hands of the producer, and where its customer waits.
type entry struct {
	id    uuid.UUID
	order shop.Order
	body  []byte     // of the message about it
	done  chan error // has room for the answer, should the customer have left
}

// groupCommit writes the orders of many customers with one statement and one
// commit. A commit waits for the disk, for one order as long as for a hundred. So
// the orders that come while a commit is under way wait for its end, and go
// together in the next.
//
// Nobody waits for others to come: an order that finds a writer free is written at
// once, alone. A batch is as large as the database is slow.
type groupCommit struct {
	writers chan struct{} // holds one for each batch on its way to the database
	waiting chan entry    // has no room: its senders are the customers who wait
	most    int           // orders in one batch
	write   func([]entry) // answers each of them, within a limit of its own
}

// place returns when the order is committed or refused. When ctx ends before a writer
// works on the order, nothing was written. From then on the writer's clock counts.
func (g *groupCommit) place(ctx context.Context, mine entry) error {
	select {
	case g.writers <- struct{}{}:
		go g.commit(mine)
	case g.waiting <- mine: // a writer takes it along
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	return <-mine.done
}

// commit writes an order, and with it the orders of all who wait.
func (g *groupCommit) commit(first entry) {
	defer func() { <-g.writers }()
	batch := []entry{first}
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
