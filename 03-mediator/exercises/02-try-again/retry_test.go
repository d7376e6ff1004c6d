//go:build exercise

package retry

import (
	"context"
	"errors"
	"fmt"
	"testing"

	mediator "course.example/03-mediator"
	"course.example/shop"
)

var (
	errBusy = errors.New("the mail server is busy")
	errDown = errors.New("the mail server is down")
)

func TestOnce(t *testing.T) {
	bounced := fmt.Errorf("e-mail to nobody@bounce.test: %w", shop.ErrBounced)
	for _, c := range []struct {
		name, handler string
		outcomes      []error // of its calls
		hangsUp       bool    // the customer does, during the first call
		calls         int
		want          error
	}{
		{"a server that was busy", "SendEmail", []error{errBusy, nil}, false, 2, nil},
		{"a server that is down", "SendEmail", []error{errBusy, errDown}, false, 2, errDown},
		{"all is well", "SendEmail", []error{nil}, false, 1, nil},
		{"not safe to do twice", "UpdateInventory", []error{errBusy}, false, 1, errBusy},
		{"an address that does not exist", "SendEmail", []error{bounced}, false, 1, shop.ErrBounced},
		{"a customer who hangs up", "SendEmail", []error{errBusy}, true, 1, errBusy},
	} {
		m := mediator.New(mediator.Sequence, 0, Once("SendEmail", "CountSales"))
		ctx, hangUp := context.WithCancel(t.Context())
		defer hangUp()
		calls := 0
		mediator.Subscribe(m, c.handler, mediator.Essential, func(context.Context, string) error {
			calls++
			if c.hangsUp {
				hangUp()
			}
			return c.outcomes[min(calls, len(c.outcomes))-1]
		})
		err := mediator.PublisherOf[string](m).Publish(ctx, "an order")
		if calls != c.calls || !errors.Is(err, c.want) {
			t.Errorf("%s: %d calls and %v, want %d and %v", c.name, calls, err, c.calls, c.want)
		}
	}
}

func TestABugIsStillThere(t *testing.T) {
	m := mediator.New(mediator.Sequence, 0, Once("SendEmail"))
	calls := 0
	mediator.Subscribe(m, "SendEmail", mediator.Essential, func(context.Context, string) error {
		calls++
		panic("a bug")
	})
	bug := new(mediator.PanicError)
	err := mediator.PublisherOf[string](m).Publish(t.Context(), "an order")
	if calls != 1 || !errors.As(err, &bug) {
		t.Errorf("a handler that panics: %d calls and %v, want 1 and its panic", calls, err)
	}
}
