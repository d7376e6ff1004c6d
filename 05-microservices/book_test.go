package microservices

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func openBook(t *testing.T, dir string, ttl time.Duration, most int) *Book {
	t.Helper()
	b, err := OpenBook(dir, ttl, most)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Two replicas, many repeats at the same time: the money is taken once, and all get
// the same receipt.
func TestBookEntersAKeyOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	books := []*Book{openBook(t, dir, time.Hour, 100), openBook(t, dir, time.Hour, 100)}
	var entered atomic.Int64
	var receipts sync.Map
	var group sync.WaitGroup
	for i := range 40 {
		group.Go(func() {
			r, won, err := books[i%2].Enter("key", Receipt{ID: fmt.Sprint(i)})
			if err != nil {
				t.Error(err)
			}
			if won {
				entered.Add(1)
			}
			receipts.Store(r.ID, true)
		})
	}
	group.Wait()
	different := 0
	receipts.Range(func(any, any) bool { different++; return true })
	if entered.Load() != 1 || different != 1 {
		t.Errorf("entered %d times, %d different receipts", entered.Load(), different)
	}
	if files, err := filepath.Glob(filepath.Join(dir, "draft-*")); err != nil || len(files) > 0 {
		t.Errorf("drafts are left: %v %v", files, err)
	}
}

// A replica that is started after a kill knows what the one before it knew.
func TestBookOutlivesItsProcess(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	const key = "../any: text/may be a key\x00"
	if _, _, err := openBook(t, dir, time.Hour, 9).Enter(key, Receipt{ID: "first"}); err != nil {
		t.Fatal(err)
	}
	r, found, err := openBook(t, dir, time.Hour, 9).Find(key)
	if err != nil || !found || r.ID != "first" || !r.Repeated {
		t.Errorf("found %v: %+v, %v", found, r, err)
	}
	if _, found, err := openBook(t, dir, time.Hour, 9).Find("other"); found || err != nil {
		t.Errorf("found what is not there: %v", err)
	}
}

func TestBookIsBoundedAndForgets(t *testing.T) {
	t.Parallel()
	b := openBook(t, t.TempDir(), time.Hour, 3)
	age := func(key string, by time.Duration) {
		if _, _, err := b.Enter(key, Receipt{ID: key}); err != nil {
			t.Fatal(err)
		}
		then := time.Now().Add(-by)
		if err := os.Chtimes(b.page(key), then, then); err != nil {
			t.Fatal(err)
		}
	}
	age("expired", 2*time.Hour)
	for i := range 5 {
		age(fmt.Sprint(i), time.Duration(10-i)*time.Minute)
	}
	if err := b.Sweep(); err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]bool{
		"expired": false, "0": false, "1": false, "2": true, "3": true, "4": true,
	} {
		if _, found, err := b.Find(key); found != want || err != nil {
			t.Errorf("%s: found %v, %v", key, found, err)
		}
	}
	if _, entered, err := b.Enter("expired", Receipt{}); !entered || err != nil {
		t.Errorf("a forgotten key: entered %v, %v", entered, err)
	}
}

func TestBookThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenBook(file, time.Hour, 1); err == nil {
		t.Error("a file was opened as a book")
	}
	b := openBook(t, t.TempDir(), time.Hour, 1)
	if err := os.RemoveAll(b.dir); err != nil {
		t.Fatal(err)
	}
	if _, entered, err := b.Enter("key", Receipt{}); entered || err == nil {
		t.Error("a charge was made that stands nowhere")
	}
}

// Every key has a page of its own, and a page that cannot be read is not an empty one.
func TestBookKeepsKeysApart(t *testing.T) {
	t.Parallel()
	b := openBook(t, t.TempDir(), time.Hour, 1000)
	for i := range 300 {
		if _, entered, err := b.Enter(fmt.Sprint(i), Receipt{ID: fmt.Sprint(i)}); !entered || err != nil {
			t.Fatalf("key %d: entered %t, %v", i, entered, err)
		}
	}
	if err := os.WriteFile(b.page("7"), []byte("half a rec"), 0o600); err != nil {
		t.Fatal(err)
	}
	if r, found, err := b.Find("7"); found || err == nil {
		t.Errorf("a damaged page: %+v, found %t, %v", r, found, err)
	}
}

// The book is swept at once and again and again, until its program ends.
func TestBookIsKept(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		b := openBook(t, dir, time.Hour, 100)
		for key, age := range map[string]time.Duration{
			"old": 2 * time.Hour, "soon": time.Hour - 30*time.Second, "young": 0,
		} {
			if _, _, err := b.Enter(key, Receipt{ID: key}); err != nil {
				t.Fatal(err)
			}
			then := time.Now().Add(-age) // the bubble's time, not the file system's
			if err := os.Chtimes(b.page(key), then, then); err != nil {
				t.Fatal(err)
			}
		}
		has := func(key string) bool {
			_, found, err := b.Find(key)
			return found && err == nil
		}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- b.Keep(ctx) }()
		synctest.Wait()
		if has("old") || !has("soon") {
			t.Errorf("at the start: old is there %t, soon is there %t", has("old"), has("soon"))
		}
		time.Sleep(61 * time.Second)
		synctest.Wait()
		if has("soon") || !has("young") {
			t.Errorf("a minute later: soon is there %t, young is there %t",
				has("soon"), has("young"))
		}
		stop()
		asked := time.Now()
		if err := <-ended; err != nil || time.Since(asked) > 0 {
			t.Errorf("it ended after %v with %v", time.Since(asked), err)
		}
	})
}
