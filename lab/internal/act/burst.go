package act

import (
	"context"
	"fmt"
)

const maxBurst = 100_000

var _ = add(Act{
	Name: "burst", Words: "N", Like: "burst 100", Aside: true,
	Help: "N orders at once, in one request",
	Keys: []Key{{
		Keys: []string{"b"}, Act: "burst 100", Short: "burst", Help: "a burst of 100 orders",
	}},
	Check: func(_ Step, words []string) error {
		_, err := parseNumber(words, 1, maxBurst)
		return err
	},
	Do: func(ctx context.Context, run Run, words []string) error {
		n, err := parseNumber(words, 1, maxBurst)
		if err != nil {
			return err
		}
		accepted, err := run.Place(ctx, n)
		if err != nil {
			return fmt.Errorf("%d of %d were accepted: %w", accepted, n, err)
		}
		return nil
	},
})
