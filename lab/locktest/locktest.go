// Package locktest tests that a function takes its lock, without luck: a test that
// lets many call it at once finds a missing lock only when two happen to meet.
package locktest

import (
	"bytes"
	"runtime"
	"sync"
	"testing"
)

// Waits holds the lock, calls f, and fails the test when f returns before the lock
// is free. With a lock that f must share with readers, hand in what the other side
// takes: the mutex itself for Lock, its RLocker for RLock.
func Waits(t testing.TB, lock sync.Locker, f func()) {
	t.Helper()
	began, ended := make(chan []byte, 1), make(chan struct{})
	lock.Lock()
	go func() {
		defer close(ended)
		name := make([]byte, 64)
		runtime.Stack(name, false)
		began <- name
		f()
	}()
	// "goroutine 17 [running]:" names it, and says later what it waits for.
	name, _, _ := bytes.Cut(<-began, []byte("["))
	for !waits(name) {
		select {
		case <-ended:
			lock.Unlock()
			t.Errorf("it does not wait for the lock that somebody else holds")
			return
		default:
			runtime.Gosched()
		}
	}
	lock.Unlock()
	<-ended
}

// waits says whether the goroutine of that name is waiting for a lock.
func waits(name []byte) bool {
	all := make([]byte, 1<<16)
	for n := runtime.Stack(all, true); n == len(all); n = runtime.Stack(all, true) {
		all = make([]byte, 2*len(all)) // more goroutines than there was room for
	}
	_, state, _ := bytes.Cut(all, append([]byte("\n"), name...))
	return bytes.HasPrefix(state, []byte("[sync.Mutex.Lock")) ||
		bytes.HasPrefix(state, []byte("[sync.RWMutex."))
}
