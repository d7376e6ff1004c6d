//go:build exercise

package lock

import (
	"context"
	"errors"
	"fmt"
	"net"
	"testing"
	"time"

	"course.example/lab/services/servicestest"
	"github.com/redis/go-redis/v9"
)

func TestMain(m *testing.M) { servicestest.Main(m) }

const (
	key     = "lock:my-order-id"
	expiry  = time.Minute
	another = "another's"
)

// A holder was slow, and its lock is another's by now.
func TestALateHolderLeavesTheNextOneAlone(t *testing.T) {
	client, other := connect(t)
	late := take(t, client)
	if err := other.Del(t.Context(), key).Err(); err != nil { // it expires
		t.Fatal(err)
	}
	next := take(t, other)
	if err := late.Release(t.Context()); err != nil {
		t.Errorf("to release a lock that is lost already is no error, and it says: %v", err)
	}
	if value(t, other) == "" {
		t.Fatal("a late holder has deleted the lock of the next one")
	}
	if err := next.Release(t.Context()); err != nil || value(t, other) != "" {
		t.Errorf("the next one cannot release its own lock: %v", err)
	}
}

// Redis may do something for others between any two commands of Release: the lock expires there,
// and is taken by somebody else.
func TestNobodyGetsInBetween(t *testing.T) {
	for n := 1; n <= 3; n++ {
		t.Run(fmt.Sprint("after command ", n), func(t *testing.T) {
			client, other := connect(t)
			held := take(t, client)
			want := ""
			sent := spy(client, func(count int) error {
				if count == n && value(t, other) != "" {
					want = another
					return other.Set(context.Background(), key, another, expiry).Err()
				}
				return nil
			})
			if err := held.Release(t.Context()); err != nil {
				t.Errorf("Release says: %v", err)
			}
			if got := value(t, other); got != want {
				t.Errorf("after Release and its %d commands the key is %q, and must be %q",
					*sent, got, want)
			}
		})
	}
}

// A program may die after any of its commands. Whatever key it leaves must expire.
func TestATakerThatDiesLeavesNoLockForEver(t *testing.T) {
	for n := 1; n <= 3; n++ {
		t.Run(fmt.Sprint("after command ", n), func(t *testing.T) {
			client, other := connect(t)
			spy(client, func(count int) error {
				if count >= n {
					return errors.New("this program is dead")
				}
				return nil
			})
			_, _ = Take(t.Context(), client, key, expiry) // nobody is there to read the error
			if value(t, other) != "" && other.PTTL(t.Context(), key).Val() < 0 {
				t.Errorf("a program that died after command %d of Take has left a lock that never expires", n)
			}
		})
	}
}

func TestOneHolderAtATime(t *testing.T) {
	client, other := connect(t)
	held := take(t, client)
	if left := other.PTTL(t.Context(), key).Val(); left <= 0 || left > expiry {
		t.Errorf("the key has %v to live, and the expiry is %v", left, expiry)
	}
	if _, err := Take(t.Context(), other, key, expiry); !errors.Is(err, ErrTaken) {
		t.Errorf("a second one's try says %v, want ErrTaken", err)
	}
	if err := held.Release(t.Context()); err != nil {
		t.Error(err)
	}
	take(t, other)
}

// connect returns two programs on one node.
func connect(t *testing.T) (client, other *redis.Client) {
	t.Helper()
	options, err := redis.ParseURL(servicestest.Redis(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []**redis.Client{&client, &other} {
		*c = redis.NewClient(options)
		t.Cleanup(func() { _ = (*c).Close() })
		if err := (*c).Ping(t.Context()).Err(); err != nil { // no spy sees how it connects
			t.Fatal(err)
		}
	}
	return client, other
}

func take(t *testing.T, client *redis.Client) *Lock {
	t.Helper()
	l, err := Take(t.Context(), client, key, expiry)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// value is what the key holds, "" where there is none.
func value(t *testing.T, client *redis.Client) string {
	t.Helper()
	text, err := client.Get(context.Background(), key).Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		t.Error(err)
	}
	return text
}

// spy calls after when a command of the client is done, with how many there have been. An error
// takes the place of the answer, and no further command is sent.
func spy(client *redis.Client, after func(count int) error) (sent *int) {
	s := &spying{after: after}
	client.AddHook(s)
	return &s.count
}

type spying struct {
	after func(count int) error
	count int
	dead  error
}

func (s *spying) watch(send func() error) error {
	if s.dead != nil {
		return s.dead
	}
	err := send()
	s.count++
	if s.dead = s.after(s.count); s.dead != nil {
		return s.dead
	}
	return err
}

func (s *spying) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		return next(ctx, network, addr)
	}
}

func (s *spying) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		err := s.watch(func() error { return next(ctx, cmd) })
		cmd.SetErr(err)
		return err
	}
}

func (s *spying) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		return s.watch(func() error { return next(ctx, cmds) })
	}
}
