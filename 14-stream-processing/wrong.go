package streams

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"course.example/shop"
	"github.com/nats-io/nats.go/jetstream"
)

// variant is what a wrong way changes in the right one.
type variant struct {
	settings func(*Settings)
	producer func(*Producer)
	consumer func(*Consumer)
}

var variants map[string]variant

func init() {
	variants = map[string]variant{
		"":                 {},
		"right":            {},
		"commit-first":     {consumer: commitFirst},
		"auto-commit":      {consumer: autoCommit},
		"work-first":       {consumer: workFirst},
		"processing-time":  {consumer: processingTime},
		"no-watermark":     {consumer: noWatermark},
		"unbounded-state":  {consumer: unboundedState},
		"hot-key":          {producer: hotKey},
		"random-partition": {producer: randomPartition},
		"join-in-memory":   {consumer: joinInMemory},
		"one-replica":      {settings: oneReplica},
	}
}

func variantNames() string {
	names := slices.Sorted(maps.Keys(variants))
	return strings.Join(names[1:], ", ") // without the empty one, which sorts first
}

// commitFirst writes down that a batch was read, then works on it. It looks careful: nothing is done
// twice.
//
// What goes wrong: kill the consumer, and what it had in progress is done by nobody (at most once).
func commitFirst(c *Consumer) {
	c.process = func(ctx context.Context, p *share, records []Record) error {
		if err := c.savePosition(ctx, p, records[len(records)-1].Offset); err != nil {
			return err
		}
		return c.commit(ctx, p, c.work(ctx, p, records), false)
	}
}

// autoCommit has the position of what was read written down now and then, by a clock of its own. It is
// the default of many clients of Kafka.
//
// What goes wrong: the clock does not know what is done. What is in work when the consumer is killed is
// lost.
func autoCommit(c *Consumer) {
	c.process = func(ctx context.Context, p *share, records []Record) error {
		const often = 5 * time.Millisecond
		saved := make(chan error, 1)
		clock := time.AfterFunc(often, func() {
			saved <- c.savePosition(ctx, p, records[len(records)-1].Offset)
		})
		done := c.work(ctx, p, records)
		if clock.Stop() {
			saved <- c.savePosition(ctx, p, done.last)
		}
		if err := <-saved; err != nil {
			return err
		}
		return c.commit(ctx, p, done, false)
	}
}

// workFirst writes the effect of each order as soon as it is done, and the position when the batch is,
// and does not look whether an order was counted before.
//
// What goes wrong: kill the consumer in between, and the next one counts the same orders again (at least
// once).
func workFirst(c *Consumer) {
	c.remembers = false
	c.process = func(ctx context.Context, p *share, records []Record) error {
		for _, record := range records {
			if err := c.commit(ctx, p, c.work(ctx, p, []Record{record}), false); err != nil {
				return err
			}
		}
		return c.savePosition(ctx, p, records[len(records)-1].Offset)
	}
}

// savePosition sets the position whatever it was, in a transaction of its own.
func (c *Consumer) savePosition(ctx context.Context, p *share, offset uint64) error {
	ctx, cancel := context.WithTimeout(ctx, c.settings.Timeout)
	defer cancel()
	_, err := c.pool.Exec(ctx, `UPDATE progress SET position = $3
		WHERE reader_group = $1 AND partition = $2`, c.settings.Group, p.partition, int64(offset))
	if err != nil {
		return fmt.Errorf("save the position of partition %d: %w", p.partition, err)
	}
	return nil
}

// processingTime counts an order in the minute in which it is read.
//
// What goes wrong: the sums tell of the consumer and not of the shop. After a pause they show a rush that
// there never was, and who reads the same log again gets other sums.
func processingTime(c *Consumer) {
	c.eventTime = func(Record, shop.Order) time.Time {
		return time.Now().UTC().Truncate(time.Millisecond)
	}
}

// noWatermark never says that a window is complete.
//
// What goes wrong: every window there ever was stays in memory, and no result is final.
func noWatermark(c *Consumer) { c.closes = false }

// unboundedState remembers each order forever, to be sure that none is counted twice.
//
// What goes wrong: a stream has no end, and a memory has.
func unboundedState(c *Consumer) { c.forgets = false }

// joinInMemory keeps the halves that wait in memory alone, and writes down what is decided.
//
// What goes wrong: kill the consumer, and the next one does not know the orders whose payments come.
func joinInMemory(c *Consumer) { c.keeps = false }

// unboundedJoin waits for each half forever: its other one may come yet.
//
// What goes wrong: some orders are never paid, and they are kept. It is not among the variants of the
// consumer; a test shows it.
func unboundedJoin(j *Join) { j.closes = false }

// hotKey partitions by country. All customers live in the same.
//
// What goes wrong: one partition has everything, one reader does everything, and another one that is
// started to help gets nothing.
func hotKey(p *Producer) {
	p.partitionOf = func(shop.Order) int { return PartitionOf("IT", p.settings.Partitions) }
}

// randomPartition spreads the load as evenly as can be.
//
// What goes wrong: two orders of one customer go two ways, and the second may come first.
func randomPartition(p *Producer) {
	p.partitionOf = func(shop.Order) int { return rand.IntN(p.settings.Partitions) }
}

// oneReplica keeps each partition on one server, in memory: its death takes the disk along, so to speak,
// which the lab cannot pull out.
//
// What goes wrong: that server dies. What it had acknowledged is gone, and the readers wait behind an end
// that is not there any more.
func oneReplica(s *Settings) {
	s.stream = func(config *jetstream.StreamConfig) {
		config.Replicas, config.Storage = 1, jetstream.MemoryStorage
		config.Placement = &jetstream.Placement{Tags: []string{"nats-1"}} // the lab gives nodes such tags
	}
}
