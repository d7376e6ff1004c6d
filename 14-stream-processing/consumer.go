package streams

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"course.example/shop"
	"github.com/cenkalti/backoff/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Handler is the work for an order that is not in the database: to pack it, say. What it changes in the
// world must be safe to repeat: it happens again where a transaction does not come to its end.
type Handler func(ctx context.Context, order shop.Order) error

// Consumer reads the partitions that are its share, keeps the sums of their windows, and joins orders with
// their payments.
type Consumer struct {
	log      Log
	pool     *pgxpool.Pool
	settings Settings
	handle   Handler
	hands    chan struct{} // as many as orders may be in work at a time

	// What wrong variants change.
	process   func(ctx context.Context, p *share, records []Record) error
	eventTime func(Record, shop.Order) time.Time
	remembers bool // orders that were counted
	closes    bool // windows behind the watermark
	forgets   bool // orders of closed windows
	keeps     bool // what waits in the join, beside the position
}

// NewConsumer returns a consumer that uses the log and the pool, which stay the caller's.
func NewConsumer(log Log, pool *pgxpool.Pool, settings Settings, handle Handler) *Consumer {
	c := &Consumer{
		log: log, pool: pool, settings: settings, handle: handle,
		hands:     make(chan struct{}, settings.Workers),
		eventTime: eventTime, remembers: true, closes: true, forgets: true, keeps: true,
	}
	c.process = c.exactlyOnce
	if change := variants[settings.Variant].consumer; change != nil {
		change(c)
	}
	return c
}

// share is a partition in the hands of a reader: how far it has come, and the windows and the join up to
// there.
type share struct {
	partition int
	position  uint64
	windows   *Windows
	join      *Join
	told      time.Time // when the log was last told how much is kept
}

// exactlyOnce works off a batch. Its effects and the new position are one transaction: a crash leaves
// both or neither, and the next reader begins where the sums end.
func (c *Consumer) exactlyOnce(ctx context.Context, p *share, records []Record) error {
	done := c.work(ctx, p, records)
	return c.commit(ctx, p, done, true)
}

// readPartition reads until ctx ends or something fails. It begins with what the database knows, and
// believes nothing that is in memory after a failure.
func (c *Consumer) readPartition(ctx context.Context, partition int) error {
	p, err := c.load(ctx, partition)
	if err != nil {
		return err
	}
	reader, err := c.log.Read(ctx, partition, p.position)
	if err != nil {
		return err
	}
	defer reader.Close()
	for {
		records, err := reader.Batch(ctx, c.settings.batchSize())
		if err != nil {
			return err
		}
		c.hands <- struct{}{}
		// What was begun is finished when the program is asked to end; each step has its own limit.
		err = c.process(context.WithoutCancel(ctx), p, records)
		<-c.hands
		if err != nil {
			return err
		}
	}
}

// keepReading reads a partition, through any number of failures, until ctx ends.
func (c *Consumer) keepReading(ctx context.Context, partition int) {
	pauses := &backoff.ExponentialBackOff{
		InitialInterval: pause, MaxInterval: 2 * time.Second, Multiplier: 2, RandomizationFactor: 0.5,
	}
	for ctx.Err() == nil {
		began := time.Now()
		err := c.readPartition(ctx, partition)
		switch {
		case ctx.Err() != nil:
			return
		case errors.Is(err, errOvertaken):
			slog.InfoContext(ctx, "another reader has the partition", "partition", partition)
		default:
			slog.WarnContext(ctx, "the partition is not read", "partition", partition,
				"reason", explain(err))
		}
		if time.Since(began) > 5*time.Second {
			pauses.Reset()
		}
		sleep(ctx, pauses.NextBackOff())
	}
}

// done is what came of a batch.
type done struct {
	last     uint64 // the offset of its last record
	orders   []counted
	skipped  []counted // they stand in the log twice
	dead     []counted
	changed  map[cell]bool
	tooLate  []late
	fates    []Fate                  // of orders and payments, the latest one of each counts
	appended map[string][2]time.Time // by customer, the first and the last
	bought   map[string]Sum          // by customer
}

// cell is one sum of a window.
type cell struct {
	Window
	Product string
}

type counted struct {
	id     string
	offset uint64
	until  time.Time // the watermark at which its last window closes
	reason error     // of dead ones
}

type late struct {
	window Window
	counted
}

// work does what there is to do for each record, and counts it in memory.
func (c *Consumer) work(ctx context.Context, p *share, records []Record) done {
	d := done{
		changed: map[cell]bool{}, appended: map[string][2]time.Time{}, bought: map[string]Sum{},
	}
	for _, record := range records {
		d.last = record.Offset
		event, err := decode(record.Body)
		order := event.Order
		one := counted{id: order.ID, offset: record.Offset}
		switch _, twice := p.windows.Seen[order.ID]; {
		case err == nil && event.Payment != nil:
			c.joinPayment(p, &d, record, *event.Payment)
			continue
		case err == nil && twice && c.remembers:
			d.skipped = append(d.skipped, one)
			c.joinOrder(p, &d, record, order)
			continue
		case err == nil:
			c.say(func() { shop.Received(ctx, order.ID, 1) })
			err = c.safely(ctx, order)
		default:
			one.id = ""
		}
		if err != nil {
			one.reason = err
			d.dead = append(d.dead, one)
			continue
		}
		c.count(p, &d, record, order)
		c.joinOrder(p, &d, record, order)
	}
	d.fates = append(d.fates, p.join.Close()...)
	return d
}

func (c *Consumer) count(p *share, d *done, record Record, order shop.Order) {
	at := c.eventTime(record, order)
	one := counted{id: order.ID, offset: record.Offset, until: p.windows.until(at)}
	took, tooLate := p.windows.Add(at, order)
	for product := range sales(order) {
		for _, window := range took {
			d.changed[cell{window, product}] = true
		}
	}
	for _, window := range tooLate {
		d.tooLate = append(d.tooLate, late{window, one})
	}
	if c.remembers {
		p.windows.Seen[order.ID] = one.until
	}
	d.orders = append(d.orders, one)
	times, known := d.appended[order.UserEmail]
	if !known {
		times[0] = record.Appended
	}
	times[1] = record.Appended
	d.appended[order.UserEmail] = times
	sum := d.bought[order.UserEmail]
	sum.Orders++
	sum.Cents += order.TotalCents()
	d.bought[order.UserEmail] = sum
}

func (c *Consumer) joinOrder(p *share, d *done, record Record, order shop.Order) {
	if c.settings.PayWithin > 0 {
		d.fates = append(d.fates, p.join.AddOrder(Half{
			OrderID: order.ID, At: c.eventTime(record, order), Cents: order.TotalCents(),
			Offset: record.Offset,
		})...)
	}
}

func (c *Consumer) joinPayment(p *share, d *done, record Record, payment Payment) {
	if c.settings.PayWithin > 0 {
		d.fates = append(d.fates, p.join.AddPayment(Half{
			Payment: true, OrderID: payment.OrderID, At: believed(record, payment.PaidAt),
			Cents: payment.Cents, Offset: record.Offset,
		})...)
	}
}

// safely turns a handler's panic into an error: one bad order must not take the others with it.
func (c *Consumer) safely(ctx context.Context, order shop.Order) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("the handler panicked: %v", r)
		}
	}()
	return c.handle(ctx, order)
}

// say tells the lab of orders. A second group that reads them again serves no customer.
func (c *Consumer) say(what func()) {
	if c.settings.Group == DefaultGroup {
		what()
	}
}

// report tells what became of a batch, once it is committed.
func (c *Consumer) report(ctx context.Context, p *share, d done) {
	c.say(func() {
		for _, o := range d.orders {
			processed(ctx, o.id, p.partition, o.offset)
		}
		for _, o := range d.skipped {
			shop.Skipped(ctx, o.id, "it stands in the log twice")
		}
		for _, o := range d.dead {
			if o.id != "" {
				shop.Failed(ctx, o.id, o.reason.Error())
			}
		}
	})
	if time.Since(p.told) > 200*time.Millisecond {
		p.told = time.Now()
		slog.InfoContext(ctx, "progress", "partition", p.partition, "position", p.position,
			"open", len(p.windows.Open), "remembered", len(p.windows.Seen), "unjoined", p.join.Waiting())
	}
}

// processed says it with the identity of the effect: said again of the same record, after a crash, it is
// the same effect.
func processed(ctx context.Context, id string, partition int, offset uint64) {
	shop.Processed(ctx, id, slog.String("effect", fmt.Sprintf("%d/%d", partition, offset)))
}

// sleep waits, or returns early when ctx ends.
func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
