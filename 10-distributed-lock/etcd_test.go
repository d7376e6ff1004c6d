package lock

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"course.example/lab/services"
	"course.example/lab/services/servicestest"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/concurrency"
	"go.uber.org/zap"
)

// etcdSession is one contender for locks in etcd: a lease of so many seconds that its client
// keeps alive. The lock itself is two calls of etcd's library (takeEtcd).
func etcdSession(t testing.TB, seconds int) *concurrency.Session {
	t.Helper()
	client, err := clientv3.New(clientv3.Config{
		Endpoints:   []string{servicestest.Shared(t, services.Etcd).URL},
		DialTimeout: patience, Logger: zap.NewNop(),
	})
	if err != nil {
		t.Fatal(err)
	}
	session, err := concurrency.NewSession(client, concurrency.WithTTL(seconds))
	if err != nil {
		t.Fatal(errors.Join(err, client.Close()))
	}
	t.Cleanup(func() {
		if err := errors.Join(session.Close(), client.Close()); err != nil {
			t.Error(err)
		}
	})
	return session
}

// takeEtcd takes a lock, and stands in its queue for it: a key for each who waits, and each
// watches only the one before him. The token is the store's revision, read while the key was
// there. It is not drawn in a second step, and needs no sequencer.
func takeEtcd(
	ctx context.Context, session *concurrency.Session, key string,
) (token int64, unlock func(context.Context) error, err error) {
	mutex := concurrency.NewMutex(session, "/lock/"+key)
	if err := mutex.Lock(ctx); err != nil {
		return 0, nil, err
	}
	return mutex.Header().Revision, mutex.Unlock, nil
}

// TestEtcdHasAQueue: who asked first has the lock first, and each has a higher token than the
// one before. Neither is true of Redlock alone.
func TestEtcdHasAQueue(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	sessions := []*concurrency.Session{etcdSession(t, 60)}
	_, unlock, err := takeEtcd(ctx, sessions[0], t.Name())
	if err != nil {
		t.Fatal(err)
	}
	type holder struct {
		number int
		token  int64
		err    error
	}
	const waiting = 5
	held := make(chan holder, waiting)
	for number := range waiting {
		session := etcdSession(t, 60)
		go func() {
			token, unlock, err := takeEtcd(ctx, session, t.Name())
			held <- holder{number, token, err}
			if err == nil {
				_ = unlock(ctx) // if it is not, the next one is missed
			}
		}()
		eventually(t, fmt.Sprintf("%d stand in the queue", number+1), func() bool {
			keys, err := session.Client().Get(ctx, "/lock/"+t.Name()+"/",
				clientv3.WithPrefix(), clientv3.WithCountOnly())
			return err == nil && keys.Count == int64(number+2)
		})
	}
	if err := unlock(ctx); err != nil {
		t.Fatal(err)
	}
	var order []int
	var last int64
	for range waiting {
		h := receive(t, "next holder", held)
		if h.err != nil || h.token <= last {
			t.Errorf("token %d after %d, error %v", h.token, last, h.err)
		}
		order, last = append(order, h.number), h.token
	}
	if !slices.IsSorted(order) {
		t.Errorf("they had it in the order %v", order)
	}
}

// etcdOn takes one key; each contender has a session of its own.
func etcdOn(b *testing.B) taker {
	b.Helper()
	session := etcdSession(b, 60)
	return func(ctx context.Context) (func(context.Context) error, error) {
		_, unlock, err := takeEtcd(ctx, session, b.Name())
		return unlock, err
	}
}

// benchmarkEtcdHandover is how long the next one waits for a holder that was killed: for what
// is left of its lease. Etcd gives none below two seconds.
func benchmarkEtcdHandover(b *testing.B) {
	second := etcdSession(b, 60)
	const lease = 2 * time.Second
	var waited time.Duration
	for range b.N {
		first := etcdSession(b, int(lease.Seconds()))
		if _, _, err := takeEtcd(b.Context(), first, b.Name()); err != nil {
			b.Fatal(err)
		}
		first.Orphan() // nobody keeps it alive
		killed := time.Now()
		_, unlock, err := takeEtcd(b.Context(), second, b.Name())
		if err != nil {
			b.Fatal(err)
		}
		waited += time.Since(killed)
		if err := unlock(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	mean := waited / time.Duration(b.N)
	b.ReportMetric(float64(mean.Milliseconds()), "ms")
	b.ReportMetric(mean.Seconds()/lease.Seconds(), "x-of-expiry")
	b.ReportMetric(0, "ns/op")
}
