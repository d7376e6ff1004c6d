package lock

import (
	"errors"
	"fmt"
	"testing"

	"course.example/lab/services/servicestest"
)

// Two programs want one order. One has the lock, and the other is told at once that it is taken.
func ExampleLocker_Acquire() {
	servicestest.Example(func(t testing.TB) {
		s, _ := onNodes(t, 5)
		s.Wait = patience
		first := locker(t, s, nil)
		s.Wait = 0 // try once
		second := locker(t, s, nil)

		lease := acquire(t, first, "order-7")
		_, err := once(t, second, "order-7")
		fmt.Println("second:", errors.Is(err, ErrTaken))
		release(t, lease)
		lease, err = once(t, second, "order-7")
		fmt.Println("second, after the release:", err)
		if err == nil {
			release(t, lease)
		}
	})
	// Output:
	// second: true
	// second, after the release: <nil>
}

// A majority is enough: with two of five nodes dead the lock can be taken, with three it cannot.
func Example_majority() {
	servicestest.Example(func(t testing.TB) {
		s, node := onNodes(t, 5)
		s.Wait = patience
		l := locker(t, s, nil)
		node("kill", 1)
		node("kill", 2)
		release(t, acquire(t, l, "order-7"))
		fmt.Println("two dead: taken and given back")
		node("kill", 3)
		s.Wait = 0 // try once
		_, err := locker(t, s, nil).Acquire(t.Context(), "order-7")
		fmt.Println("three dead, no quorum:", errors.Is(err, ErrNoQuorum))
	})
	// Output:
	// two dead: taken and given back
	// three dead, no quorum: true
}

// A holder that stood still for too long does not know that the next one has the lock. The account
// knows: the next one's fencing token is higher.
func Example_fence() {
	servicestest.Example(func(t testing.TB) {
		account, order := opened(t)
		first, _ := account.Draw(t.Context(), order, "first")
		_, _ = account.Enter(t.Context(), order, "first", first)
		// Here the first stands still, its lock expires, and the second takes it.
		second, _ := account.Draw(t.Context(), order, "second")
		_, _ = account.Enter(t.Context(), order, "second", second)

		fmt.Println("tokens:", first, second)
		err := account.Bill(t.Context(), order, "first", first)
		fmt.Println("first bills, too late:", errors.Is(err, ErrStale))
		fmt.Println("second bills:", account.Bill(t.Context(), order, "second", second))
	})
	// Output:
	// tokens: 1 2
	// first bills, too late: true
	// second bills: <nil>
}

// All work under a lock belongs to the lease's context, which ends when the lock is lost.
func ExampleLease_Context() {
	servicestest.Example(func(t testing.TB) {
		s := onRedis(t)
		l := locker(t, s, nil)
		lease := acquire(t, l, "order-7")
		// Somebody deletes the key. The watchdog finds that it is gone when it wants more time.
		l.nodes.clients[0].Del(t.Context(), "lock:order-7")
		<-lease.Context().Done()
		fmt.Println("stolen:", errors.Is(lease.Err(), ErrStolen))
	})
	// Output: stolen: true
}
