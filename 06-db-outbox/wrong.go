package outbox

import (
	"context"
	"maps"
	"slices"
	"strings"

	"course.example/shop"
)

// variant is what a wrong way changes in the right one.
type variant struct {
	producer func(*Producer)
	consumer func(*Consumer)
}

var variants = map[string]variant{
	"":                 {},
	"right":            {},
	"naive":            {consumer: naive},
	"dual-write":       {producer: dualWrite},
	"mark-before-work": {consumer: markBeforeWork},
}

func variantNames() string {
	names := slices.Sorted(maps.Keys(variants))
	return strings.Join(names[1:], ", ") // without the empty one, which sorts first
}

func wayNames() string {
	return strings.Join(slices.Sorted(maps.Keys(ways)), ", ")
}

// naive takes messages as naive.go does, whatever Settings.Take says.
//
// What goes wrong: two consumers read the same row before either has marked it.
// Experiment: two consumers, and work that takes longer than a look.
func naive(c *Consumer) {
	c.settings.Take, c.settings.Wait, c.inbox = "naive", waitPoll, false
	c.round = (*worker).naive
}

// dualWrite writes the order in one transaction and the message in another. It
// looks the same, and most days it is. From the first commit on the order is in
// the shop's books, and that is what its customer is told.
//
// What goes wrong: the producer dies between the two. The order is there, and
// nobody will ever be told of it. With a broker in place of the second table no
// transaction could hold both, and this is the usual bug. Experiment: die there.
func dualWrite(p *Producer) {
	p.place = func(ctx context.Context, e entry) error {
		_, err := p.pool.Exec(ctx, `
			INSERT INTO orders (id, user_email, items, total_cents, placed_at)
			VALUES ($1, $2, $3, $4, $5)`,
			e.id, e.order.UserEmail, e.order.Items, e.order.TotalCents(), e.order.PlacedAt)
		if err != nil {
			return err
		}
		shop.Accepted(ctx, e.order.ID)
		p.settings.crash.at(afterOrder)
		_, err = p.pool.Exec(ctx, `
			INSERT INTO outbox (order_id, customer, event, version, body)
			VALUES ($1, $2, $3, $4, $5)`,
			e.id, e.order.UserEmail, OrderPlacedV1.Name, OrderPlacedV1.Version, e.body)
		p.bell.ring()
		return err
	}
}

// markBeforeWork marks messages in a transaction of its own and works after that.
// It looks clever: no lock is held during the work, and no two consumers take the
// same message.
//
// What goes wrong: kill the consumer, and what it had in progress is marked as done.
// Experiment: a backlog, then kill -9 a consumer.
func markBeforeWork(c *Consumer) { c.round = (*worker).markThenWork }

func (w *worker) markThenWork(ctx context.Context) (int, error) {
	const mark = `WITH taken AS (` + selectOpen + ` FOR UPDATE SKIP LOCKED),
		done AS (DELETE FROM outbox WHERE id IN (SELECT id FROM taken))
		SELECT * FROM taken`
	messages, err := w.take(ctx, w.pool, mark, w.batch)
	if err != nil {
		return 0, err
	}
	for _, m := range messages {
		if err := w.apply(ctx, w.work(ctx, []Message{m})); err != nil {
			return 0, err
		}
	}
	return len(messages), nil
}
