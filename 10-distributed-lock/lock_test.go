package lock

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"
)

// byBoth runs a test with both implementations of Redlock.
func byBoth(t *testing.T, test func(t *testing.T, redlock string)) {
	t.Helper()
	t.Parallel()
	for _, redlock := range []string{redlockByHand, redlockRedsync} {
		t.Run(redlock, func(t *testing.T) {
			t.Parallel()
			test(t, redlock)
		})
	}
}

// TestOneHolderAtATime lets many increment a counter that nothing else protects,
// on one node and on five. The race detector watches.
func TestOneHolderAtATime(t *testing.T) {
	byBoth(t, func(t *testing.T, redlock string) {
		for name, nodes := range map[string]int{"one node": 1, "five nodes": 5} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				s, _ := onNodes(t, nodes)
				s.Wait, s.Redlock = patience, redlock
				const contenders, each = 12, 4
				counter := 0
				var all sync.WaitGroup
				for range contenders {
					l := locker(t, s, nil)
					all.Go(func() {
						for range each {
							lease, err := l.Acquire(t.Context(), "counter")
							if err != nil {
								t.Error(err)
								return
							}
							counter++
							release(t, lease)
						}
					})
				}
				all.Wait()
				if counter != contenders*each {
					t.Errorf("counted %d, want %d", counter, contenders*each)
				}
			})
		}
	})
}

// The watchdog extends the lease well before it ends, and Redis keeps the key for at
// least as long as the holder believes that it has it.
func TestWatchdogExtendsPastTheExpiry(t *testing.T) {
	t.Parallel()
	s := onRedis(t)
	s.Expiry = 3 * time.Second
	l := locker(t, s, nil)
	lease := acquire(t, l, "order")
	first := lease.Until()
	eventually(t, "it is extended", func() bool {
		if err := lease.Err(); err != nil {
			t.Fatalf("the lease was lost: %v", err)
		}
		return lease.Until().After(first)
	})
	left, err := l.nodes.clients[0].PTTL(t.Context(), "lock:order").Result()
	if believed := time.Until(lease.Until()); err != nil || left < believed {
		t.Errorf("the key has %v to live, the holder believes %v; error %v", left, believed, err)
	}
	s.Wait = 0
	if _, err := once(t, locker(t, s, nil), "order"); !errors.Is(err, ErrTaken) {
		t.Errorf("another one's try: %v, want ErrTaken", err)
	}
}

// A key goes away by itself, and not before the lease ends.
func TestKeyLivesAsLongAsTheLease(t *testing.T) {
	t.Parallel()
	s := onRedis(t)
	l := locker(t, s, nil)
	lease := acquire(t, l, "order")
	left, err := l.nodes.clients[0].PTTL(t.Context(), "lock:order").Result()
	if believed := time.Until(lease.Until()); err != nil || left > s.Expiry || left < believed {
		t.Errorf("the key has %v to live, the holder believes %v; error %v", left, believed, err)
	}
}

// A process that stood still past the end of its lease looks at the clock: its timers
// have not told it yet. It must not extend either, though its key may still be there.
func TestLateHolderLooksAtTheClock(t *testing.T) {
	t.Parallel()
	lease := acquire(t, locker(t, onRedis(t), nil), "order")
	abandon(lease)
	now := time.Now()
	lease.until.Store(&now)
	if err := lease.Err(); !errors.Is(err, ErrExpired) {
		t.Errorf("it believes that it has the lock: %v", err)
	}
	if err := lease.extend(t.Context()); !errors.Is(err, ErrExpired) {
		t.Errorf("it extends: %v", err)
	}
}

// Whose key is another's by now is told so by the next extension.
func TestExtensionSeesAnothersKey(t *testing.T) {
	byBoth(t, func(t *testing.T, redlock string) {
		s := onRedis(t)
		s.Redlock = redlock
		l := locker(t, s, nil)
		lease := acquire(t, l, "order")
		abandon(lease)
		redis := l.nodes.clients[0]
		if err := redis.Set(t.Context(), "lock:order", "another's", time.Hour).Err(); err != nil {
			t.Fatal(err)
		}
		if err := lease.extend(t.Context()); !errors.Is(err, ErrStolen) {
			t.Errorf("it extends another's lock: %v", err)
		}
		if err := lease.Release(t.Context()); err == nil {
			t.Error("to release what is another's is no error")
		}
		if value := redis.Get(t.Context(), "lock:order").Val(); value != "another's" {
			t.Errorf("after its release the key is %q", value)
		}
	})
}

// What is released is free at once, and ends the work that belongs to it; also when
// the program was asked to end meanwhile.
func TestReleaseFreesTheLock(t *testing.T) {
	t.Parallel()
	s := onRedis(t)
	s.Wait = 0
	ctx, cancel := context.WithCancel(t.Context())
	lease, err := locker(t, s, nil).Acquire(ctx, "order")
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := lease.Err(); err != nil {
		t.Errorf("who is asked to end has lost the lock: %v", err)
	}
	if err := lease.Release(ctx); err != nil {
		t.Error(err)
	}
	if lease.Context().Err() == nil || lease.Err() == nil {
		t.Error("the lease is released, and its work goes on")
	}
	acquire(t, locker(t, s, nil), "order")
}

// watched draws numbers, and does something each time before.
type watched struct {
	*Account
	before func() error
}

func (w watched) Draw(ctx context.Context, key, owner string) (int64, error) {
	if err := w.before(); err != nil {
		return 0, err
	}
	return w.Account.Draw(ctx, key, owner)
}

// A token is drawn under the lock: the later holder has the higher one.
func TestTokenIsDrawnUnderTheLock(t *testing.T) {
	t.Parallel()
	s := onRedis(t)
	a, id := opened(t)
	nodes := locker(t, s, nil).nodes
	sequencer := watched{a, func() error {
		if nodes.clients[0].Exists(context.Background(), "lock:"+id).Val() == 0 {
			return errors.New("drawn by somebody who has no lock")
		}
		return nil
	}}
	for want := int64(1); want <= 2; want++ {
		lease, err := locker(t, s, sequencer).Acquire(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		if lease.Token != want {
			t.Errorf("token %d, want %d", lease.Token, want)
		}
		release(t, lease)
	}
}

// A holder stands still between the lock and its token. The next one has the lock, and
// draws first. The first one's token would be the higher one: it must not be used.
func TestTokenOfAnEarlierHolderIsNeverHigher(t *testing.T) {
	t.Parallel()
	s := onRedis(t)
	s.Expiry = time.Second
	a, id := opened(t)
	l := locker(t, s, a)
	g, err := l.wait(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	first := l.hold(t.Context(), id, g)
	abandon(first)
	s.Wait = patience
	next := acquire(t, locker(t, s, a), id)
	if err := l.number(first); !errors.Is(err, ErrExpired) {
		t.Errorf("it has token %d and the next holder %d: %v", first.Token, next.Token, err)
	}
	enter(t, a, id, next.Owner, next.Token)
	if err := a.Bill(t.Context(), id, next.Owner, next.Token); err != nil {
		t.Errorf("the one who has the lock: %v", err)
	}
}

func TestAbandonedLockIsFreeAfterItsExpiry(t *testing.T) {
	t.Parallel()
	s := onRedis(t)
	s.Expiry = 500 * time.Millisecond
	abandon(acquire(t, locker(t, s, nil), "order"))
	acquire(t, locker(t, s, nil), "order")
}

func TestTryOnceDoesNotWait(t *testing.T) {
	t.Parallel()
	s := onRedis(t)
	acquire(t, locker(t, s, nil), "order")
	s.Wait = 0
	_, err := once(t, locker(t, s, nil), "order")
	if !errors.Is(err, ErrTaken) || !strings.Contains(err.Error(), "order") {
		t.Errorf("error %v, want ErrTaken that names the lock", err)
	}
}

func TestWaitEndsAtItsDeadline(t *testing.T) {
	t.Parallel()
	s := onRedis(t)
	acquire(t, locker(t, s, nil), "order")
	s.Wait = 200 * time.Millisecond
	if _, err := once(t, locker(t, s, nil), "order"); !errors.Is(err, ErrTaken) {
		t.Errorf("error %v, want ErrTaken", err)
	}
}

func TestWaitEndsWithItsContext(t *testing.T) {
	t.Parallel()
	s := onRedis(t)
	acquire(t, locker(t, s, nil), "order")
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	l := locker(t, s, nil)
	go func() {
		_, err := l.Acquire(ctx, "order")
		ended <- err
	}()
	cancel()
	if err := receive(t, "end of the wait", ended); err == nil {
		t.Error("a wait that was called off has got the lock")
	}
}

func TestLossEndsTheWork(t *testing.T) {
	t.Parallel()
	t.Run("deleted", func(t *testing.T) {
		t.Parallel()
		s := onRedis(t)
		s.Expiry = 5 * time.Second // the watchdog has looked three times before it is over
		l := locker(t, s, nil)
		lease := acquire(t, l, "order")
		if err := l.nodes.clients[0].Del(t.Context(), "lock:order").Err(); err != nil {
			t.Fatal(err)
		}
		if err := lost(t, lease); !errors.Is(err, ErrStolen) || !errors.Is(lease.Err(), err) {
			t.Errorf("lost because %v, want ErrStolen", err)
		}
	})
	t.Run("nodes away", func(t *testing.T) {
		t.Parallel()
		s, do := onNodes(t, 1)
		s.Expiry = time.Second
		lease := acquire(t, locker(t, s, nil), "order")
		do("kill", 1)
		if err := lost(t, lease); !errors.Is(err, ErrExpired) {
			t.Errorf("lost because %v, want ErrExpired", err)
		}
	})
}

func TestMajorityDecides(t *testing.T) {
	byBoth(t, func(t *testing.T, redlock string) {
		s, do := onNodes(t, 5)
		s.Wait, s.Redlock = patience, redlock // a node that lives may be slow
		l := locker(t, s, nil)
		for dead := range 3 {
			if dead > 0 {
				do("kill", dead)
			}
			lease, err := l.Acquire(t.Context(), "order")
			if err != nil {
				t.Fatalf("%d of 5 nodes dead: %v", dead, err)
			}
			release(t, lease)
			eventually(t, "a majority answers", func() bool {
				return l.nodes.Check(t.Context()) == nil
			})
		}
		do("kill", 3)
		s.Wait = 0
		_, err := locker(t, s, nil).Acquire(t.Context(), "order")
		for _, err := range []error{err, l.nodes.Check(t.Context())} {
			if !errors.Is(err, ErrNoQuorum) {
				t.Fatalf("3 of 5 nodes dead: %v", err)
			}
			for _, part := range []string{"2 of 5, and 3 are needed", "node 1 at 127.0.0.1:", "refused"} {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("the error does not say %q: %v", part, err)
				}
			}
		}
		do("start", 1)
		s.Wait = patience
		acquire(t, locker(t, s, nil), "order")
	})
}

// TestFailedAttemptLeavesNoKeys: who got two nodes of five gives them back.
func TestFailedAttemptLeavesNoKeys(t *testing.T) {
	byBoth(t, func(t *testing.T, redlock string) {
		s, _ := onNodes(t, 5)
		s.Wait, s.Redlock = 0, redlock
		l := locker(t, s, nil)
		for _, c := range l.nodes.clients[:3] { // somebody else has a majority
			if err := c.Set(t.Context(), "lock:order", "another", 0).Err(); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := once(t, l, "order"); !errors.Is(err, ErrTaken) {
			t.Fatalf("error %v, want ErrTaken", err)
		}
		for i, c := range l.nodes.clients[3:] {
			if n := c.Exists(t.Context(), "lock:order").Val(); n != 0 {
				t.Errorf("node %d still has the key", i+4)
			}
		}
	})
}

// Nodes that forget are restarted one after the other, an extension between each two. At
// any time four of five have the lock. It lasts, and in the end all five know of it.
func TestLongLockSurvivesRestartsOneByOne(t *testing.T) {
	byBoth(t, func(t *testing.T, redlock string) {
		s, do := onNodes(t, 5)
		s.Expiry, s.Wait, s.Redlock = time.Minute, patience, redlock
		l := locker(t, s, nil)
		lease := acquire(t, l, "order")
		abandon(lease) // the test extends it
		for node := 1; node <= 5; node++ {
			do("kill", node)
			do("start", node)
			eventually(t, "it is extended", func() bool {
				err := lease.extend(t.Context())
				if errors.Is(err, ErrStolen) {
					t.Fatalf("after %d restarts: %v", node, err)
				}
				return err == nil && l.nodes.clients[node-1].Exists(t.Context(), "lock:order").Val() == 1
			})
		}
		s.Wait = 0
		if _, err := once(t, locker(t, s, nil), "order"); !errors.Is(err, ErrTaken) {
			t.Errorf("another one's try: %v, want ErrTaken", err)
		}
	})
}

// A lock that a majority has forgotten is lost: somebody else may have had it since. It
// is not taken anew behind the holder's back.
func TestExtensionDoesNotTakeALostLockAnew(t *testing.T) {
	byBoth(t, func(t *testing.T, redlock string) {
		s, _ := onNodes(t, 5)
		s.Wait, s.Redlock = patience, redlock
		l := locker(t, s, nil)
		lease := acquire(t, l, "order")
		abandon(lease)
		for _, c := range l.nodes.clients[:3] {
			if err := c.Del(t.Context(), "lock:order").Err(); err != nil {
				t.Fatal(err)
			}
		}
		if err := lease.extend(t.Context()); !errors.Is(err, ErrStolen) {
			t.Errorf("three of five have forgotten it: %v", err)
		}
		for i, c := range l.nodes.clients[:3] {
			if c.Exists(t.Context(), "lock:order").Val() != 0 {
				t.Errorf("node %d has it again", i+1)
			}
		}
	})
}

// A node that answers PING and takes no lock is none. What it refuses is asked of the real
// thing: no memory, a replica, no rights.
func TestNodeThatCannotLockIsNotReady(t *testing.T) {
	byBoth(t, func(t *testing.T, redlock string) {
		s, _ := onNodes(t, 3)
		s.Wait, s.Redlock = 0, redlock
		l := locker(t, s, nil)
		for name, ill := range map[string]struct{ fall, mend []any }{
			"no memory": {words("CONFIG SET maxmemory 1"), words("CONFIG SET maxmemory 0")},
			"a replica": {words("REPLICAOF 127.0.0.1 1"), words("REPLICAOF NO ONE")},
			"no replica to write to": {words("CONFIG SET min-replicas-to-write 1"),
				words("CONFIG SET min-replicas-to-write 0")},
			"no scripts": {words("ACL SETUSER default -eval"), words("ACL SETUSER default +eval")},
		} {
			for _, c := range l.nodes.clients[:2] {
				if err := c.Do(t.Context(), ill.fall...).Err(); err != nil {
					t.Fatalf("%s: %v", name, err)
				}
			}
			_, lockErr := l.Acquire(t.Context(), "order")
			for what, err := range map[string]error{"health": l.nodes.Check(t.Context()), "lock": lockErr} {
				// A lock that cannot be given back can be taken. Health must say so before.
				if name == "no scripts" && what == "lock" {
					continue
				}
				if !errors.Is(err, ErrNoQuorum) || !strings.Contains(err.Error(), "1 of 3, and 2") {
					t.Errorf("%s: %s: %v", name, what, err)
				}
			}
			for _, c := range l.nodes.clients {
				if err := errors.Join(c.Do(t.Context(), ill.mend...).Err(),
					c.Del(t.Context(), "lock:order").Err()); err != nil {
					t.Fatalf("%s: %v", name, err)
				}
			}
			if err := l.nodes.Check(t.Context()); err != nil {
				t.Errorf("after %s: %v", name, err)
			}
		}
	})
}

// words are a command of Redis.
func words(command string) (all []any) {
	for _, word := range strings.Fields(command) {
		all = append(all, word)
	}
	return all
}

// TestForgetfulNode is why a node that has lost its keys must stay away for as long
// as a lock may last. A lock on a bare majority of nodes, one of which dies. Back at
// once, it gives its vote a second time, and two have the lock.
func TestForgetfulNode(t *testing.T) {
	t.Parallel()
	scene := func(t *testing.T, expiry time.Duration) (
		first *Lease, second *Locker, do func(string, int),
	) {
		t.Helper()
		s, do := onNodes(t, 5)
		s.Expiry = expiry
		do("kill", 4)
		do("kill", 5)
		first = acquire(t, locker(t, s, nil), "order") // on 1, 2 and 3
		abandon(first)                                 // nobody extends it, and nobody notices
		do("kill", 3)
		s.Wait = patience
		return first, locker(t, s, nil), do
	}
	t.Run("back at once", func(t *testing.T) {
		t.Parallel()
		first, second, do := scene(t, 2*patience)
		for _, node := range []int{3, 4, 5} {
			do("start", node)
		}
		acquire(t, second, "order")
		if first.Err() != nil {
			t.Errorf("the first holder's lease is not valid any more: %v", first.Err())
		}
	})
	t.Run("back after the expiry", func(t *testing.T) {
		t.Parallel()
		first, second, do := scene(t, 3*time.Second)
		eventually(t, "expired", func() bool { return first.Err() != nil })
		for _, node := range []int{3, 4, 5} {
			do("start", node)
		}
		acquire(t, second, "order")
		if first.Err() == nil {
			t.Error("two have the lock at the same time")
		}
	})
	t.Run("back with its keys", func(t *testing.T) {
		t.Parallel()
		s, do := onNodes(t, 5)
		s.Expiry = time.Minute
		do("kill", 4)
		do("kill", 5)
		acquire(t, locker(t, s, nil), "order")
		do("restart", 3) // in order: it writes its keys to disk first
		do("start", 4)
		do("start", 5)
		s.Wait = 0
		if _, err := once(t, locker(t, s, nil), "order"); !errors.Is(err, ErrTaken) {
			t.Errorf("another one's try: %v, want ErrTaken", err)
		}
	})
}

// broken gives out nothing.
type broken struct{}

func (broken) Draw(context.Context, string, string) (int64, error) {
	return 0, errors.New("the account is away")
}

func TestNoTokenNoLock(t *testing.T) {
	t.Parallel()
	s := onRedis(t)
	s.Wait = 0
	_, err := locker(t, s, broken{}).Acquire(t.Context(), "order")
	if err == nil || !strings.Contains(err.Error(), "the account is away") {
		t.Errorf("error %v", err)
	}
	acquire(t, locker(t, s, nil), "order") // it was given back
}
