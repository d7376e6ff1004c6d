package deployment

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"course.example/shop"
)

// Release is a version of the shop's two programs. Here it is a setting, so that one build makes
// all of them; in a company each is an image of its own.
type Release struct {
	Name   string
	Schema int64  // the oldest tables that it works with
	column string // where the customer stands
	// spoil is what a bad release does to each order that it takes; nil does nothing.
	spoil func(ctx context.Context, order shop.Order) error
	never bool     // it is never ready
	euros bool     // it writes euros where all others read cents
	flags []string // those that it has the code for
}

var releases = map[string]Release{
	"v1":             {Name: "v1", Schema: Base, column: "user_email"},
	"v2":             {Name: "v2", Schema: Expanded, column: "customer", flags: []string{Discount}},
	"v2-errors":      {Name: "v2-errors", Schema: Expanded, column: "customer", spoil: oneInThree()},
	"v2-slow":        {Name: "v2-slow", Schema: Expanded, column: "customer", spoil: slowly},
	"v2-euros":       {Name: "v2-euros", Schema: Expanded, column: "customer", euros: true},
	"v2-never-ready": {Name: "v2-never-ready", Schema: Expanded, column: "customer", never: true},
}

// FindRelease returns the release of that name.
func FindRelease(name string) (Release, error) {
	r, known := releases[name]
	if !known {
		return r, usagef("there is no version %q; there are: %s", name,
			strings.Join(slices.Sorted(maps.Keys(releases)), ", "))
	}
	return r, nil
}

func (r Release) insertSQL() string {
	return fmt.Sprintf(`INSERT INTO orders (id, %s, total_cents, placed_at)
		VALUES ($1, $2, $3, $4)`, r.column)
}

// row are the parameters of insertSQL. What the order costs hangs on the flags that ctx has.
func (r Release) row(ctx context.Context, o shop.Order) []any {
	total := o.TotalCents()
	if r.isOn(ctx, Discount) {
		total -= total / 10
	}
	if r.euros {
		total /= 100
	}
	return []any{o.ID, o.UserEmail, total, o.PlacedAt}
}

func (r Release) takeSQL() string {
	return fmt.Sprintf(`SELECT id, %s, total_cents FROM orders
		WHERE done_at IS NULL ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED`, r.column)
}

var errSpoiled = errors.New("this version has a mistake")

func oneInThree() func(context.Context, shop.Order) error {
	var n atomic.Int64
	return func(context.Context, shop.Order) error {
		if n.Add(1)%3 == 0 {
			return errSpoiled
		}
		return nil
	}
}

func slowly(ctx context.Context, _ shop.Order) error {
	if !pause(ctx, 1500*time.Millisecond) {
		return shop.Unavailable(context.Cause(ctx), retryAfter)
	}
	return nil
}
