package shop

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// ErrBounced is what [Work] returns for a customer at [BounceDomain].
var ErrBounced = errors.New("the e-mail bounced")

// Work does what an order asks for: it sends the customer an e-mail, which
// takes the given time. It waits rather than computes, as a consumer that talks
// to a mail server does. It returns [ErrBounced] after that time when the
// e-mail cannot be delivered, and the context's error when that ends first, in
// which case nothing was sent. It is safe for concurrent use.
func Work(ctx context.Context, o Order, takes time.Duration) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("order %s: e-mail not sent: %w", o.ID, err)
	}
	if takes > 0 {
		timer := time.NewTimer(takes)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			return fmt.Errorf("order %s: e-mail not sent: %w", o.ID, ctx.Err())
		}
	}
	if strings.HasSuffix(o.UserEmail, "@"+BounceDomain) {
		return fmt.Errorf("e-mail to %s: %w", o.UserEmail, ErrBounced)
	}
	return nil
}
