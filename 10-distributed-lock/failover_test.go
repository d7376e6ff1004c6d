package lock

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"course.example/lab/services"
	"course.example/lab/services/servicestest"
	"github.com/redis/go-redis/v9"
)

// pair is a primary and its replica. The test is the Sentinel: it promotes the replica.
type pair struct {
	primary, replica *services.Server
	silence          func() // of the line between the two
}

func newPair(t *testing.T) *pair {
	t.Helper()
	both := servicestest.Private(t, services.Replicated, 2)
	p := &pair{primary: both[0], replica: both[1]}
	line, silence := servicestest.Silenced(t, p.primary.URL)
	p.silence = silence
	host, port, _ := strings.Cut(strings.TrimSuffix(strings.TrimPrefix(line, "redis://"), "/0"), ":")
	p.tell(t, p.replica, "REPLICAOF", host, port)
	eventually(t, "the replica is in step", func() bool { return p.replica.Ready(t.Context()) == nil })
	return p
}

func (p *pair) tell(t *testing.T, s *services.Server, command ...any) {
	t.Helper()
	if err := client(t, s).Do(t.Context(), command...).Err(); err != nil {
		t.Fatal(err)
	}
}

func client(t *testing.T, s *services.Server) *redis.Client {
	t.Helper()
	settings := DefaultSettings()
	settings.Redis = s.URL
	return locker(t, settings, nil).nodes.clients[0]
}

// failover is what Sentinels do when the primary is dead.
func (p *pair) failover(t *testing.T) {
	t.Helper()
	if err := p.primary.Kill(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.tell(t, p.replica, "REPLICAOF", "NO", "ONE")
}

// on returns settings for one of the two, and how many replicas must confirm.
func on(s *services.Server, acks int) Settings {
	settings := DefaultSettings()
	settings.Redis, settings.Acks, settings.Wait = s.URL, acks, 0
	settings.Expiry = longExpiry
	return settings
}

// TestFailoverHandsOneLockToTwo: the primary dies before the replica has heard of the lock.
// Both holders are right by all that Redis has told them. The account lets one write.
func TestFailoverHandsOneLockToTwo(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	a, id := opened(t)
	p.silence()
	first := acquire(t, locker(t, on(p.primary, 0), a), id)
	enter(t, a, id, first.Owner, first.Token)
	p.failover(t)
	second := acquire(t, locker(t, on(p.replica, 0), a), id)
	enter(t, a, id, second.Owner, second.Token)
	if err := errors.Join(first.Err(), second.Err()); err != nil {
		t.Errorf("one of them knows better: %v", err)
	}
	if err := a.Bill(t.Context(), id, first.Owner, first.Token); !errors.Is(err, ErrStale) {
		t.Errorf("the first one's write: %v", err)
	}
	if err := a.Bill(t.Context(), id, second.Owner, second.Token); err != nil {
		t.Errorf("the second one's write: %v", err)
	}
	if overlaps, rejected := overlaps(t, a); overlaps != 1 || rejected != 1 {
		t.Errorf("%d overlaps, %d rejected; want one of each", overlaps, rejected)
	}
}

// TestWaitMendsTheFailover: with WAIT 1 a lock of which the replica has not heard is none, and
// one of which it has heard outlives the primary.
func TestWaitMendsTheFailover(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	first := acquire(t, locker(t, on(p.primary, 1), nil), "first")
	p.silence()
	_, err := locker(t, on(p.primary, 1), nil).Acquire(t.Context(), "second")
	if !errors.Is(err, ErrNoQuorum) || !strings.Contains(err.Error(), "no replica has confirmed") {
		t.Errorf("a lock that the replica does not know: %v", err)
	}
	if n := client(t, p.primary).Exists(t.Context(), "lock:second").Val(); n != 0 {
		t.Error("it was refused, and its key is there")
	}
	p.failover(t)
	_, err = once(t, locker(t, on(p.replica, 0), nil), "first")
	if !errors.Is(err, ErrTaken) || first.Err() != nil {
		t.Errorf("another one's try after the failover: %v; the holder: %v", err, first.Err())
	}
}

// TestWaitDoesNotMendAReplicaThatForgets: it has confirmed the lock, and had it in memory.
func TestWaitDoesNotMendAReplicaThatForgets(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	first := acquire(t, locker(t, on(p.primary, 1), nil), "order")
	if err := errors.Join(p.replica.Kill(t.Context()), p.primary.Kill(t.Context())); err != nil {
		t.Fatal(err)
	}
	// It is ready when it is in step with a primary or is one: promoted while it starts.
	started := make(chan error, 1)
	go func() { started <- p.replica.Start(context.WithoutCancel(t.Context())) }()
	eventually(t, "the replica is promoted", func() bool {
		return client(t, p.replica).Do(t.Context(), "REPLICAOF", "NO", "ONE").Err() == nil
	})
	if err := receive(t, "start of the replica", started); err != nil {
		t.Fatal(err)
	}
	second := acquire(t, locker(t, on(p.replica, 0), nil), "order")
	if err := errors.Join(first.Err(), second.Err()); err != nil {
		t.Errorf("one of the two holders knows better: %v", err)
	}
}

// The programs find the primary by its Sentinels.
func TestLockThroughSentinels(t *testing.T) {
	t.Parallel()
	both, sentinels := servicestest.WithSentinels(t)
	s := DefaultSettings()
	s.Sentinels, s.Acks, s.Expiry = sentinels.Env()["SENTINEL_URL"], 1, longExpiry
	l := locker(t, s, nil)
	lease := acquire(t, l, "order")
	for i, node := range both {
		if value := client(t, node).Get(t.Context(), "lock:order").Val(); value != lease.Owner {
			t.Errorf("node %d has %q", i+1, value)
		}
	}
	if err := l.nodes.Check(t.Context()); err != nil {
		t.Error(err)
	}
	if err := both[1].Kill(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := l.nodes.Check(t.Context()); !errors.Is(err, ErrNoQuorum) {
		t.Errorf("without its replica it is ready: %v", err)
	}
	s.Acks = 0
	if err := locker(t, s, nil).nodes.Check(t.Context()); err != nil {
		t.Error(fmt.Errorf("nobody waits for the replica: %w", err))
	}
}
