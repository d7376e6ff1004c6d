package locktest

import (
	"sync"
	"testing"
)

// told is a test that only notes that it has failed.
type told struct {
	testing.TB
	failed bool
}

func (f *told) Helper()               {}
func (f *told) Errorf(string, ...any) { f.failed = true }

func TestWaits(t *testing.T) {
	t.Parallel()
	var mutex sync.Mutex
	var shared sync.RWMutex
	for name, c := range map[string]struct {
		lock sync.Locker
		f    func()
		fail bool
	}{
		"takes it":          {&mutex, func() { mutex.Lock(); defer mutex.Unlock() }, false},
		"does not":          {&mutex, func() {}, true},
		"takes another":     {&mutex, func() { shared.RLock(); defer shared.RUnlock() }, true},
		"a reader waits":    {&shared, func() { shared.RLock(); defer shared.RUnlock() }, false},
		"a writer waits":    {shared.RLocker(), func() { shared.Lock(); defer shared.Unlock() }, false},
		"readers share":     {shared.RLocker(), func() { shared.RLock(); defer shared.RUnlock() }, true},
		"a writer does not": {shared.RLocker(), func() {}, true},
	} {
		f := &told{TB: t}
		if Waits(f, c.lock, c.f); f.failed != c.fail {
			t.Errorf("%s: failed is %v, want %v", name, f.failed, c.fail)
		}
	}
}
