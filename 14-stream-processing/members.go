package streams

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"course.example/shop"
	"github.com/jackc/pgx/v5"
)

// Run reads this consumer's share of the partitions until ctx ends. Then what is in progress is finished,
// and Run returns nil. It waits for a log and a database that are away; a wrong password is an error.
//
// All readers of a group are in a table, and each works out its share by itself. For a moment two may
// read the same partition, or nobody; the position decides whose work counts.
func (c *Consumer) Run(ctx context.Context) error {
	if err := AwaitTables(ctx, c.pool, c.settings); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	shop.Ready(ctx, slog.String("group", c.settings.Group))
	readers := map[int]*reading{}
	defer func() {
		for _, r := range readers {
			r.stop()
		}
		for _, r := range readers {
			<-r.ended
		}
		c.leave(context.WithoutCancel(ctx))
	}()
	tick := time.NewTicker(c.settings.MemberTTL / 5)
	defer tick.Stop()
	for {
		mine, err := c.share(ctx)
		switch {
		case err == nil:
			c.take(ctx, readers, mine)
		case ctx.Err() == nil:
			slog.WarnContext(ctx, "nobody tells who else reads", "reason", explain(err))
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// reading is a partition that is read, or was.
type reading struct {
	stop  context.CancelFunc
	ended chan struct{}
}

// take begins to read the partitions that are mine, and stops reading those that are not any more. One
// whose last batch is still in work is taken again later.
func (c *Consumer) take(ctx context.Context, readers map[int]*reading, mine []int) {
	for partition, r := range readers {
		select {
		case <-r.ended:
			delete(readers, partition)
			continue
		default:
		}
		if !slices.Contains(mine, partition) {
			r.stop()
		}
	}
	for _, partition := range mine {
		if readers[partition] != nil {
			continue
		}
		reading := &reading{ended: make(chan struct{})}
		ctx, cancel := context.WithCancel(ctx)
		reading.stop = cancel
		readers[partition] = reading
		slog.InfoContext(ctx, "reading", "partition", partition)
		go func() {
			defer close(reading.ended)
			defer cancel()
			c.keepReading(ctx, partition)
		}()
	}
}

// share says that this reader is alive, and returns the partitions that are its own: of n readers in the
// order of their names, the i-th has each n-th partition.
func (c *Consumer) share(ctx context.Context) (mine []int, err error) {
	ctx, cancel := context.WithTimeout(ctx, c.settings.Timeout)
	defer cancel()
	// Two statements and not one transaction: of two readers that begin at once, one at least must see
	// the other.
	_, err = c.pool.Exec(ctx, `INSERT INTO members VALUES ($1, $2, clock_timestamp())
		ON CONFLICT (reader_group, name) DO UPDATE SET seen_at = excluded.seen_at`,
		c.settings.Group, c.settings.Name)
	if err != nil {
		return nil, fmt.Errorf("tell the other readers: %w", err)
	}
	rows, err := c.pool.Query(ctx, `SELECT name FROM members
		WHERE reader_group = $1 AND seen_at > clock_timestamp() - $2::interval ORDER BY name`,
		c.settings.Group, c.settings.MemberTTL)
	if err != nil {
		return nil, fmt.Errorf("find the other readers: %w", err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("find the other readers: %w", err)
	}
	me := slices.Index(names, c.settings.Name)
	if me < 0 {
		return nil, nil // it has hung in between for so long that it is gone: others read
	}
	for partition := range c.settings.Partitions {
		if partition%len(names) == me {
			mine = append(mine, partition)
		}
	}
	return mine, nil
}

// leave lets the others take over at once.
func (c *Consumer) leave(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, c.settings.Timeout)
	defer cancel()
	_, err := c.pool.Exec(ctx, `DELETE FROM members WHERE reader_group = $1 AND name = $2`,
		c.settings.Group, c.settings.Name)
	if err != nil {
		slog.WarnContext(ctx, "the others are not told of the end", "reason", explain(err))
	}
}
