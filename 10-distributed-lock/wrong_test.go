package lock

import (
	"context"
	"errors"
	"testing"
	"time"
)

// Each of these runs the same scene twice: the wrong variant must fail in just the
// way its comment says, and the right one must not.

func inBoth(t *testing.T, wrong string, scene func(t *testing.T, s Settings, red bool)) {
	t.Helper()
	t.Parallel()
	for variant, red := range map[string]bool{wrong: true, "right": false} {
		t.Run(variant, func(t *testing.T) {
			t.Parallel()
			s := onRedis(t)
			// Short, because the scenes wait for its end, and long enough for a
			// machine that is busy with something else.
			s.Variant, s.Expiry = variant, 2*time.Second
			scene(t, s, red)
		})
	}
}

func TestWrongNoExpiryWaitsForEver(t *testing.T) {
	inBoth(t, "no-expiry", func(t *testing.T, s Settings, red bool) {
		l := locker(t, s, nil)
		abandon(acquire(t, l, "order")) // its holder is killed
		left, err := l.nodes.clients[0].PTTL(t.Context(), "lock:order").Result()
		if err != nil || (left > 24*time.Hour) != red || !red && left > s.Expiry {
			t.Errorf("the key has %v to live, error %v", left, err)
		}
		s.Wait = patience
		if red {
			s.Wait = 0 // who waits, waits for as long as the key lives
		}
		lease, err := once(t, locker(t, s, nil), "order")
		if errors.Is(err, ErrTaken) != red {
			t.Errorf("the next one: %v", err)
		}
		if err == nil {
			release(t, lease)
		}
	})
}

func TestWrongDeleteAnyLetsAThirdIn(t *testing.T) {
	inBoth(t, "delete-any", func(t *testing.T, s Settings, red bool) {
		late := acquire(t, locker(t, s, nil), "order")
		expire(t, late) // it stands still meanwhile
		s.Wait = patience
		second := acquire(t, locker(t, s, nil), "order")
		release(t, late)

		s.Wait = 0
		third, err := once(t, locker(t, s, nil), "order")
		if errors.Is(err, ErrTaken) == red {
			t.Errorf("a third one's try: %v", err)
		}
		if red {
			if err := lost(t, second); !errors.Is(err, ErrStolen) {
				t.Errorf("the second's lock was lost because %v, want ErrStolen", err)
			}
			release(t, third)
			return
		}
		if err := second.Err(); err != nil {
			t.Errorf("the second's lock was lost: %v", err)
		}
	})
}

func TestWrongNoExtensionHasTwoHolders(t *testing.T) {
	inBoth(t, "no-extension", func(t *testing.T, s Settings, red bool) {
		a, id := unfenced(t)
		ctx := t.Context()
		first := acquire(t, locker(t, s, nil), id)
		enter(t, a, id, first.Owner, 0) // and works for longer than the expiry
		s.Wait = s.Expiry + s.Expiry/2
		if red {
			s.Wait = patience
		}
		second, err := locker(t, s, nil).Acquire(ctx, id)
		if errors.Is(err, ErrTaken) == red {
			t.Fatalf("another one's try: %v", err)
		}
		if red {
			enter(t, a, id, second.Owner, 0)
			release(t, second)
		}
		if err := first.Err(); err != nil {
			t.Errorf("the first one believes that it has lost the lock: %v", err)
		}
		if err := a.Bill(ctx, id, first.Owner, 0); err != nil {
			t.Error(err)
		}
		if overlaps, _ := overlaps(t, a); (overlaps > 0) != red {
			t.Errorf("the account saw %d overlaps", overlaps)
		}
	})
}

// TestWrongNoFencingBillsTwice is the drawing of Kleppmann's article: a holder
// looks at its lock, stands still, and writes.
func TestWrongNoFencingBillsTwice(t *testing.T) {
	inBoth(t, "no-fencing", func(t *testing.T, s Settings, red bool) {
		a, id := opened(t)
		if red {
			a, id = unfenced(t)
		}
		ctx := t.Context()
		late := acquire(t, locker(t, s, a), id)
		enter(t, a, id, late.Owner, late.Token)
		if err := late.Err(); err != nil { // the last look
			t.Fatal(err)
		}
		expire(t, late)

		s.Wait = patience
		next := acquire(t, locker(t, s, a), id)
		enter(t, a, id, next.Owner, next.Token)
		if err := a.Bill(ctx, id, next.Owner, next.Token); err != nil {
			t.Error(err)
		}
		if err := a.Bill(ctx, id, late.Owner, late.Token); errors.Is(err, ErrStale) == red {
			t.Errorf("the late write: %v", err)
		}
		billed := 0
		for _, e := range entriesOf(t, a, id) {
			if e.Billed {
				billed++
			}
		}
		if (billed == 2) != red {
			t.Errorf("billed %d times", billed)
		}
	})
}

func entriesOf(t *testing.T, a *Account, id string) []Entry {
	t.Helper()
	entries, err := a.Entries(context.Background(), id)
	if err != nil {
		t.Fatal(err)
	}
	return entries
}
