// Package email writes to the customers. It does not know who tells it of an
// order, nor who else is told.
package email

import (
	"context"
	"strings"
	"time"

	"course.example/03-mediator/messages"
	"course.example/shop"
)

// CrashDomain is the domain at which this mailer panics: how a lecturer makes it
// do so. The name is reserved for tests (RFC 6761).
const CrashDomain = "crash.test"

// Mailer sends e-mails, which take the given time.
type Mailer struct{ Takes time.Duration }

// letter is how the customers of one domain are addressed.
type letter struct{ salutation string }

// SendEmail thanks the customer for the order. It fails with [shop.ErrBounced]
// for an address that does not exist, and with a panic for one at [CrashDomain].
func (m Mailer) SendEmail(ctx context.Context, e *messages.NewOrder) error {
	thanks := &letter{"Dear customer"}
	if strings.HasSuffix(e.Order.UserEmail, "@"+CrashDomain) {
		thanks = nil // somebody forgot to write it
	}
	_ = thanks.salutation // the bug: nil is not looked for
	return shop.Work(ctx, e.Order, m.Takes)
}
