package saga

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"course.example/shop"
	amqp "github.com/rabbitmq/amqp091-go"
)

// consumer takes the deliveries of a queue in batches, and acknowledges a batch
// after its commit.
type consumer struct {
	*participant
	kinds []Kind
	head  *delivery // the next one, whose work was not done yet
}

func (p *participant) newConsumer() *consumer {
	return &consumer{participant: p, kinds: p.bus.bindings[p.name]}
}

// delivery is a message in progress.
type delivery struct {
	amqp.Delivery
	message Message
	worked  chan bool // gets one: has its work been done?
}

// prefetch is how many messages a program may have before it has acknowledged any:
// enough for the next batches, where nothing takes time. Where a message takes
// time, it is what the workers do in a moment: the rest is for others.
func (p *participant) prefetch() int {
	if p.work == 0 {
		return 4 * p.settings.Batch
	}
	const moment = 100 * time.Millisecond
	return min(4*maxBatch, p.settings.Workers*max(2, int(moment/p.work)))
}

// consume runs until the deliveries end. When ctx ends it finishes what is in progress
// and leaves the rest to the next.
func (c *consumer) consume(ctx context.Context, deliveries <-chan amqp.Delivery) {
	arrived := make(chan *delivery, c.prefetch())
	toDo := make(chan *delivery, c.prefetch())
	var group sync.WaitGroup
	group.Go(func() {
		defer close(arrived)
		defer close(toDo)
		c.pump(ctx, deliveries, arrived, toDo)
	})
	for range c.settings.Workers {
		group.Go(func() {
			for d := range toDo {
				d.worked <- ctx.Err() == nil && c.workOn(context.WithoutCancel(ctx), d.message)
			}
		})
	}
	for {
		batch := c.next(ctx, arrived)
		if len(batch) == 0 {
			break
		}
		c.deliver(ctx, batch)
	}
	group.Wait()
}

// pump takes deliveries from the library, which hands them over one at a time:
// without it every batch would be of one.
func (c *consumer) pump(
	ctx context.Context, deliveries <-chan amqp.Delivery, arrived, toDo chan<- *delivery,
) {
	for d := range deliveries {
		m, err := decode(d.ContentType, d.Body)
		if err == nil && !slices.Contains(c.kinds, m.Kind) {
			err = fmt.Errorf("%.80q is no message for %s", m.Kind, c.name)
		}
		if err != nil {
			c.bus.setAside(ctx, d, err)
			continue
		}
		arrival := &delivery{d, m, make(chan bool, 1)}
		if c.work == 0 {
			arrival.worked <- true
		} else {
			toDo <- arrival
		}
		arrived <- arrival
	}
}

func (c *consumer) workOn(ctx context.Context, m Message) bool {
	return shop.Work(ctx, shop.Order{ID: m.Order.ID}, c.work) == nil
}

// next waits for a message whose work is done, and adds those behind it that are
// done as well. It keeps the order of the deliveries, so that one acknowledgement
// is enough for all of them. It returns nothing when there will be no more.
func (c *consumer) next(ctx context.Context, arrived <-chan *delivery) (batch []*delivery) {
	for len(batch) < c.settings.Batch {
		d := c.head
		if c.head = nil; d == nil && len(batch) == 0 {
			d = <-arrived
		} else if d == nil {
			select {
			case d = <-arrived:
			default:
			}
		}
		if d == nil {
			break
		}
		if len(batch) > 0 && len(d.worked) == 0 {
			c.head = d
			break
		}
		if !<-d.worked || c.work == 0 && ctx.Err() != nil {
			c.head = nil
			break // the program drains: the rest is delivered again, to whoever is there
		}
		batch = append(batch, d)
	}
	return batch
}

// deliver answers for a batch: committed, or set aside.
func (c *consumer) deliver(ctx context.Context, batch []*delivery) {
	messages := make([]Message, len(batch))
	for i, d := range batch {
		messages[i] = d.message
	}
	refused := map[int]bool{}
	err := c.attempt(ctx, messages, func(i int, err error) {
		refused[i] = true
		c.bus.setAside(ctx, batch[i].Delivery, err)
	})
	if err == nil {
		err = acknowledge(batch, refused)
	}
	if err != nil && ctx.Err() == nil {
		slog.WarnContext(ctx, "a batch will come again", "messages", len(batch),
			"reason", cut(explain(err).Error()))
	}
}

// acknowledge answers all at once, unless some have been answered for already.
func acknowledge(batch []*delivery, answered map[int]bool) error {
	if len(answered) == 0 {
		return batch[len(batch)-1].Ack(true)
	}
	for i, d := range batch {
		if answered[i] {
			continue
		}
		if err := d.Ack(false); err != nil {
			return err
		}
	}
	return nil
}
