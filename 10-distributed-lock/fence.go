package lock

import (
	"context"
	"fmt"
	"log/slog"
)

// Draw is the sequencer: it gives out the next fencing token of an order, and writes down
// to whom. It must never give out a smaller one than before, whatever crashes. A counter
// in the same five Redis nodes could: it would be lost with the very keys whose loss it
// is to guard against. So it is kept where what it guards is kept. An owner who asks
// again gets the same again: the first answer may have been lost.
func (a *Account) Draw(ctx context.Context, id, owner string) (token int64, err error) {
	err = a.change(ctx, id, owner, func(p *page) error {
		if p.stay == nil {
			p.drawn++
			p.stay = &stay{token: p.drawn}
		}
		token = p.stay.token
		return nil
	})
	return token, err
}

// fence is the check at the resource: a holder with an older token than somebody who has
// been here is refused. So is a number that this holder has not drawn. One from the far
// future would be the newest forever, and lock everybody else out.
func (a *Account) fence(p *page, token int64) error {
	switch {
	case !a.fencing:
		return nil
	case p.stay == nil || p.stay.token != token:
		return fmt.Errorf("order %s, token %d: %w", p.id, token, ErrForged)
	case token < p.newest:
		p.rejected++
		p.later(func(ctx context.Context, all totals) {
			slog.WarnContext(ctx, "stale holder rejected", "order", p.id, "token", token,
				"newest", p.newest, "rejected", all.rejected)
		})
		return fmt.Errorf("order %s: token %d, the newest is %d: %w",
			p.id, token, p.newest, ErrStale)
	}
	p.newest = token
	return nil
}
