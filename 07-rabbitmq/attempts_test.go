package rabbitmq

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"course.example/shop"
	amqp "github.com/rabbitmq/amqp091-go"
)

func TestAttemptCountsWhatTheBrokerKnows(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		headers     amqp.Table
		redelivered bool
		want        int
	}{
		"first":          {nil, false, 1},
		"forged":         {amqp.Table{"x-delivery-count": int64(50)}, false, 1},
		"3.10 return":    {amqp.Table{"x-delivery-count": int64(2)}, true, 3},
		"4.3 rejected":   {amqp.Table{"x-delivery-count": int64(1)}, true, 2},
		"4.3 lost":       {amqp.Table{"x-acquired-count": int64(4)}, true, 5},
		"narrow integer": {amqp.Table{"x-delivery-count": int32(1)}, true, 2},
		"not a number":   {amqp.Table{"x-delivery-count": "many"}, true, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := amqp.Delivery{Headers: c.headers, Redelivered: c.redelivered}
			if got := attemptOf(d); got != c.want {
				t.Errorf("attempt %d, want %d", got, c.want)
			}
		})
	}
}

func TestTryEndsWithTheFirstSuccess(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		s := NewSubscriber(DefaultSettings(), func(context.Context, shop.Order) error {
			if calls++; calls < 3 {
				return errors.New("the mail server restarts")
			}
			return nil
		})
		if err := s.try(t.Context(), shop.Order{}); err != nil || calls != 3 {
			t.Errorf("%d calls, error %v; want 3 and none", calls, err)
		}
	})
}

func TestTryGivesUp(t *testing.T) {
	t.Parallel()
	down := errors.New("the mail server is down")
	for name, handle := range map[string]Handler{
		"error": func(context.Context, shop.Order) error { return down },
		"panic": func(context.Context, shop.Order) error { panic(down) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				calls := 0
				counted := func(ctx context.Context, o shop.Order) error {
					calls++
					return handle(ctx, o)
				}
				s := NewSubscriber(DefaultSettings(), counted)
				err := s.try(t.Context(), shop.Order{})
				if calls != s.settings.Attempts {
					t.Errorf("tried %d times, want %d", calls, s.settings.Attempts)
				}
				if err == nil || !strings.Contains(err.Error(), down.Error()) ||
					!strings.Contains(err.Error(), "failed 5 times") {
					t.Errorf("error %v does not say how often and why", err)
				}
			})
		})
	}
}
