package email

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"course.example/03-mediator/messages"
	"course.example/shop"
)

func to(email string) *messages.NewOrder {
	return &messages.NewOrder{Order: shop.Order{UserEmail: email}}
}

func TestSendEmail(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		email   string
		limit   time.Duration
		want    error
		takes   time.Duration
		panicky bool
	}{
		"sent":              {"ada@example.com", time.Hour, nil, time.Second, false},
		"no such address":   {"ada@bounce.test", time.Hour, shop.ErrBounced, time.Second, false},
		"no time":           {"ada@example.com", 1, context.DeadlineExceeded, 1, false},
		"the mailer's bug":  {"ada@crash.test", time.Hour, nil, 0, true},
		"a name like a bug": {"ada@nocrash.test", time.Hour, nil, time.Second, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), c.limit)
				defer cancel()
				began := time.Now()
				defer func() {
					panicked := recover() != nil
					if took := time.Since(began); took != c.takes || panicked != c.panicky {
						t.Errorf("took %v, want %v; it panicked: %v", took, c.takes, panicked)
					}
				}()
				if err := (Mailer{Takes: time.Second}).SendEmail(ctx, to(c.email)); !errors.Is(err, c.want) {
					t.Errorf("got %v, want %v", err, c.want)
				}
			})
		})
	}
}
