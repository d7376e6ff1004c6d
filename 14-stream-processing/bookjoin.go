package streams

import (
	"context"
	"math"

	"github.com/jackc/pgx/v5"
)

// half is an order or a payment as the book sees it, by whole numbers of milliseconds.
type half struct {
	id      string // of the order
	payment bool
	at      int64
	offset  uint64
}

// compareOutcomes counts the orders and payments of which the tables do not tell what the log says. A
// record that waits has no outcome yet.
func (b *Book) compareOutcomes(
	ctx context.Context, tx pgx.Tx, settings Settings, group string, halves map[int][]half,
) error {
	want := map[[2]int64]Outcome{}
	for partition, all := range halves {
		if settings.PayWithin == 0 {
			continue // nothing is joined
		}
		for offset, outcome := range foldJoin(all, settings) {
			want[[2]int64{int64(partition), int64(offset)}] = outcome
		}
	}
	rows, err := tx.Query(ctx, `SELECT partition, position, outcome FROM joined
		WHERE reader_group = $1 AND outcome <> $2`, group, string(Waiting))
	if err != nil {
		return err
	}
	var at [2]int64
	var outcome Outcome
	wrong, missing := 0, len(want)
	_, err = pgx.ForEachRow(rows, []any{&at[0], &at[1], &outcome}, func() error {
		due, there := want[at]
		if there {
			missing--
		}
		if due != outcome {
			wrong++
		}
		if outcome == Unpaid && group == DefaultGroup {
			b.Unpaid++
		}
		return nil
	})
	b.Misjoined += wrong + missing
	b.Differing += wrong + missing
	return err
}

// foldJoin says what became of the orders and payments of a partition, by their offsets, from all of them
// at once: where two belong together it asks what the watermark was when the second one was read.
func foldJoin(all []half, settings Settings) map[uint64]Outcome {
	within, slack := settings.PayWithin.Milliseconds(), settings.Slack.Milliseconds()
	marks, orders := map[uint64]int64{}, map[string]half{}
	end := int64(math.MinInt64)
	latest := [2]int64{math.MinInt64 / 2, math.MinInt64 / 2} // of orders and payments; a stream may be empty
	for _, h := range all {
		if h.payment {
			latest[1] = max(latest[1], h.at)
		} else {
			latest[0] = max(latest[0], h.at)
		}
		end = min(latest[0], latest[1]) - slack
		marks[h.offset] = end
		if _, twice := orders[h.id]; !h.payment && !twice {
			orders[h.id] = h
		}
	}
	late := func(order half) bool { return order.at+within < marks[order.offset] }
	fates := map[uint64]Outcome{}
	for _, p := range all {
		if !p.payment {
			continue
		}
		order, there := orders[p.id]
		mark := marks[max(p.offset, order.offset)] // when both were read
		fits := order.at <= p.at && p.at <= order.at+within
		switch {
		case !there || late(order) || order.offset < p.offset && order.at+within < mark:
			if p.at < end { // and it waited alone
				fates[p.offset] = Unmatched
			}
		case fits && fates[order.offset] == "" && (order.offset < p.offset || p.at >= mark):
			fates[p.offset], fates[order.offset] = Paid, Paid
		default:
			fates[p.offset] = Unmatched
		}
	}
	for _, h := range all {
		switch {
		case h.payment || fates[h.offset] != "":
		case late(h):
			fates[h.offset] = LateOrder
		case orders[h.id].offset == h.offset && h.at+within < end:
			fates[h.offset] = Unpaid
		}
	}
	return fates
}
