package lock

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"course.example/shop"
)

// billing starts a biller and returns what ends it and waits.
func billing(t *testing.T, s Settings, account Resource) (stop func()) {
	t.Helper()
	b := NewBiller(s, locker(t, s, account), account)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- b.Run(ctx) }()
	return func() {
		t.Helper()
		cancel()
		if err := receive(t, "end of Run", ended); err != nil {
			t.Error(err)
		}
	}
}

func settled(t *testing.T, a *Account) func() bool {
	t.Helper()
	return func() bool {
		open, err := a.Pending(t.Context())
		return err == nil && len(open) == 0
	}
}

func TestTwoProgramsBillEveryOrderOnce(t *testing.T) {
	t.Parallel()
	for name, wait := range map[string]time.Duration{"wait": patience, "try once": 0} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := onRedis(t)
			s.Wait, s.Work = wait, time.Millisecond
			a := newAccount(t)
			var ids []string
			for range 30 {
				order := newOrder(t, shop.SampleEmail)
				ids = append(ids, order.ID)
				if err := a.Open(t.Context(), order); err != nil {
					t.Fatal(err)
				}
			}
			one, two := billing(t, s, a), billing(t, s, a)
			eventually(t, "all settled", settled(t, a))
			one()
			two()
			for _, id := range ids {
				billed := 0
				for _, e := range entriesOf(t, a, id) {
					if e.Billed {
						billed++
					}
				}
				if billed != 1 {
					t.Errorf("order %s was billed %d times", id, billed)
				}
			}
			if overlaps, rejected := overlaps(t, a); overlaps+rejected != 0 {
				t.Errorf("%d overlaps, %d rejected", overlaps, rejected)
			}
		})
	}
}

func TestOrderThatCannotBeBilledIsGivenUp(t *testing.T) {
	t.Parallel()
	s := onRedis(t)
	a, order := newAccount(t), newOrder(t, "nobody@"+shop.BounceDomain)
	if err := a.Open(t.Context(), order); err != nil {
		t.Fatal(err)
	}
	stop := billing(t, s, a)
	eventually(t, "settled", settled(t, a))
	stop()
	if e := entriesOf(t, a, order.ID); len(e) == 0 || e[0].Billed {
		t.Errorf("entries %+v, want one that is not billed", e)
	}
}

func TestDrainFinishesWhatIsInHand(t *testing.T) {
	t.Parallel()
	s := onRedis(t)
	s.Work = 100 * time.Millisecond
	a, id := opened(t)
	stop := billing(t, s, a)
	eventually(t, "in progress", func() bool { return len(entriesOf(t, a, id)) > 0 })
	stop()
	if !settled(t, a)() {
		t.Error("the order in progress was dropped")
	}
	s.Wait = 0
	acquire(t, locker(t, s, nil), id) // and its lock is given back
}

// What takes longer than the drain is called off: the order stays open, its lock is free.
func TestDrainHasALimit(t *testing.T) {
	t.Parallel()
	s := onRedis(t)
	s.Work = time.Hour
	a, id := opened(t)
	b := NewBiller(s, locker(t, s, a), a)
	b.drainLimit = 100 * time.Millisecond
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- b.Run(ctx) }()
	eventually(t, "in progress", func() bool { return len(entriesOf(t, a, id)) > 0 })
	cancel()
	if err := receive(t, "end of Run", ended); err != nil {
		t.Error(err)
	}
	if e := entriesOf(t, a, id); settled(t, a)() || e[0].Left.IsZero() {
		t.Errorf("the order is settled, or its holder has not left: %+v", e)
	}
	s.Wait = 0
	acquire(t, locker(t, s, nil), id)
}

// The work is done, and the lease has ended by the clock meanwhile. No token guards
// the account here: the holder must see it.
func TestExpiredHolderWritesNothing(t *testing.T) {
	t.Parallel()
	s := onRedis(t)
	s.Work, s.Fencing = 0, false
	a, id := unfenced(t)
	l := locker(t, s, a)
	lease := acquire(t, l, id)
	abandon(lease)
	now := time.Now()
	lease.until.Store(&now)
	err := NewBiller(s, l, a).under(lease, shop.Order{ID: id})
	if !errors.Is(err, ErrExpired) {
		t.Errorf("error %v, want ErrExpired", err)
	}
	if e := entriesOf(t, a, id); len(e) != 1 || e[0].Billed || e[0].Left.IsZero() {
		t.Errorf("entries %+v, want one that has left and not billed", e)
	}
}

// Who comes second reads that it is done.
func TestSecondHolderBillsNothing(t *testing.T) {
	t.Parallel()
	s := onRedis(t)
	s.Work = 0
	a, id := opened(t)
	for range 2 {
		l := locker(t, s, a)
		lease, err := l.Acquire(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		if err := NewBiller(s, l, a).under(lease, shop.Order{ID: id}); err != nil {
			t.Error(err)
		}
		release(t, lease)
	}
	if e := entriesOf(t, a, id); len(e) != 2 || !e[0].Billed || e[1].Billed {
		t.Errorf("entries %+v, want two, the first of which has billed", e)
	}
}

// TestLostLockWritesNothing takes the lock away in the middle of the work.
func TestLostLockWritesNothing(t *testing.T) {
	t.Parallel()
	s := onRedis(t)
	s.Work, s.Expiry = time.Hour, 5*time.Second
	a, id := opened(t)
	l := locker(t, s, a)
	lease := acquire(t, l, id)
	b := NewBiller(s, l, a)
	done := make(chan error, 1)
	go func() { done <- b.under(lease, shop.Order{ID: id}) }()
	eventually(t, "at work", func() bool { return len(entriesOf(t, a, id)) > 0 })
	if err := l.nodes.clients[0].Del(t.Context(), "lock:"+id).Err(); err != nil {
		t.Fatal(err)
	}
	if err := receive(t, "end of the work", done); !errors.Is(err, ErrStolen) {
		t.Errorf("error %v, want ErrStolen", err)
	}
	if e := entriesOf(t, a, id); e[0].Billed || e[0].Left.IsZero() {
		t.Errorf("entry %+v, want one that has left and not billed", e[0])
	}
}

func TestShopRefusesWhileNobodyCanLock(t *testing.T) {
	t.Parallel()
	s, do := onNodes(t, 1)
	b := NewBiller(s, locker(t, s, nil), newAccount(t))
	if err := b.Place(t.Context(), newOrder(t, shop.SampleEmail)); err != nil {
		t.Fatal(err)
	}
	do("kill", 1)
	err := b.Place(t.Context(), newOrder(t, shop.SampleEmail))
	if !errors.Is(err, ErrNoQuorum) || !strings.Contains(err.Error(), "0 of 1") {
		t.Errorf("error %v, want ErrNoQuorum", err)
	}
}

// Not parallel: the logger is everybody's.
func TestBillerSaysOnceWhatIsAway(t *testing.T) {
	var log bytes.Buffer
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
	t.Cleanup(func() { slog.SetDefault(before) })

	s := DefaultSettings()
	s.Redis = "redis://127.0.0.1:1/0" // nobody listens there
	b := NewBiller(s, locker(t, s, nil), newAccount(t))
	look := func(ctx context.Context, seen outlook) outlook {
		_, err := b.look(ctx, seen)
		return b.tell(ctx, seen, err)
	}
	seen := nothingYet
	for range 3 {
		seen = look(t.Context(), seen)
	}
	for _, part := range []string{"cannot see what is open", "0 of 1, and 1 are needed"} {
		if n := strings.Count(log.String(), part); n != 1 {
			t.Errorf("said %d times %q, want once:\n%s", n, part, &log)
		}
	}
	log.Reset()
	ended, end := context.WithCancel(t.Context())
	end()
	if look(ended, nothingYet); log.Len() > 0 {
		t.Errorf("asked to end it complains: %s", &log)
	}
}

// Not parallel: the logger is everybody's.
//
// Zero is said, too: of a figure that nobody logs the lab cannot tell whether it is 0.
func TestFiguresAreSaidAtTheEnd(t *testing.T) {
	var log bytes.Buffer
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
	t.Cleanup(func() { slog.SetDefault(before) })

	ended, end := context.WithCancel(t.Context())
	end()
	s := DefaultSettings()
	s.Redis = "redis://127.0.0.1:1/0" // nobody listens there
	account := newAccount(t)
	if err := NewBiller(s, locker(t, s, nil), account).Run(ended); err != nil {
		t.Error(err)
	}
	account.Report(ended)
	for _, figure := range []string{"stolen=0", "overlaps=0", "rejected=0"} {
		if !strings.Contains(log.String(), figure) {
			t.Errorf("nobody says %s:\n%s", figure, &log)
		}
	}
}
