package act

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"
)

const (
	maxOrder = 1_000
	// atOnce is how many requests of one customer are under way at a time.
	atOnce = 100
)

var _ = add(Act{
	Name: "order", Words: "N EMAIL", Like: "order 20 nobody@bounce.test",
	Help: "N orders of one customer, each in a request of its own",
	Check: func(_ Step, words []string) error {
		_, _, err := parseOrder(words)
		return err
	},
	// What is wrong with one of the orders must not keep the shop from the others. That it refuses some
	// is no mistake of the act's; it is in the ledger.
	Do: func(ctx context.Context, run Run, words []string) error {
		n, email, err := parseOrder(words)
		if err != nil {
			return err
		}
		body, err := json.Marshal(map[string]any{
			"user_email": email,
			"items": []map[string]any{
				{"sku": "GO-GOPHER", "quantity": 1, "price_cents": 1999},
			},
		})
		if err != nil {
			return fmt.Errorf("order: %w", err)
		}
		var requests errgroup.Group // for its limit alone
		requests.SetLimit(atOnce)
		for range n {
			requests.Go(func() error {
				run.Ask(ctx, string(body))
				return nil
			})
		}
		return requests.Wait()
	},
})

// parseOrder reads N EMAIL. Whether that is an address is for the shop to say.
func parseOrder(words []string) (n int, email string, err error) {
	if len(words) != 2 {
		return 0, "", errors.New("how many, and whose? order 20 nobody@bounce.test")
	}
	n, err = parseNumber(words[:1], 1, maxOrder)
	return n, words[1], err
}
