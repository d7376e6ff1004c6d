package rabbitmq

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// A broker that is away is asked again and again, for as long as it takes, with
// pauses that grow, and that are small again after a session that lived.
func TestReconnectingNeverEndsAndTakesItsTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const lived, last = 8, 12 // the sessions that live, and after which ctx ends
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var pauses []time.Duration
		var ended time.Time
		session := func(context.Context) error {
			if !ended.IsZero() {
				pauses = append(pauses, time.Since(ended))
			}
			defer func() { ended = time.Now() }()
			switch len(pauses) {
			case lived:
				time.Sleep(20 * time.Minute)
				return nil // no error does not mean that nobody needs it any more
			case last:
				cancel()
			}
			return errors.New("the broker is gone")
		}
		if err := keepConnected(ctx, "test", session); err != nil {
			t.Fatal(err)
		}
		if len(pauses) != last {
			t.Fatalf("%d pauses, want %d", len(pauses), last)
		}
		want := firstPause
		for i, pause := range pauses {
			if i == lived {
				want = firstPause
			}
			if pause < want/2 || pause > want*3/2 {
				t.Errorf("pause %d took %s, want %s more or less", i+1, pause, want)
			}
			want = min(2*want, maxPause)
		}
	})
}
