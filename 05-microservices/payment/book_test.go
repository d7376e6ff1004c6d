package payment

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
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
	t.Cleanup(func() { _ = b.Close() }) // some tests close it themselves
	return b
}

// enter enters a charge that must be possible to enter.
func enter(t *testing.T, b *Book, key, receipt string) (first Entry, entered bool) {
	t.Helper()
	first, entered, err := b.Enter(Entry{Key: key, OrderID: key, ReceiptID: receipt})
	if err != nil {
		t.Fatal(err)
	}
	return first, entered
}

func has(t *testing.T, b *Book, key string) bool {
	t.Helper()
	_, found, err := b.Find(key)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// Many repeats at the same time, through several replicas, while chapters end under
// them: each charge is made once, and all get the same receipt.
func TestBookEntersAKeyOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	const replicas, keys, most = 4, 60, 40
	var books []*Book
	for range replicas {
		books = append(books, openBook(t, dir, time.Hour, most))
	}
	var entered [keys]atomic.Int64
	var receipts sync.Map
	var group sync.WaitGroup
	for r := range replicas {
		for g := range 2 {
			group.Go(func() {
				for k := range keys {
					first, won, err := books[r].Enter(
						Entry{Key: fmt.Sprint(k), ReceiptID: fmt.Sprint(k, r, g)})
					if err != nil {
						t.Error(err)
					}
					if won {
						entered[k].Add(1)
					}
					if other, seen := receipts.LoadOrStore(k, first.ReceiptID); seen &&
						other != first.ReceiptID {
						t.Errorf("key %d: receipts %v and %s", k, other, first.ReceiptID)
					}
				}
			})
		}
	}
	group.Wait()
	for k := range keys {
		if n := entered[k].Load(); n != 1 {
			t.Errorf("key %d was entered %d times", k, n)
		}
	}
}

// A replica that is started after a kill knows what the one before it knew, also with
// half a line at the end, which a kill in the middle of writing leaves.
func TestBookOutlivesItsProcess(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	const key = "../any: text/may be a key\x00"
	b := openBook(t, dir, time.Hour, 9)
	enter(t, b, key, "first")
	for _, half := range []string{`{"key":"torn","order_`, "\n{", `{"key":"torn"`, "\n\n", "{}"} {
		if _, err := b.now.file.WriteString(half); err != nil {
			t.Fatal(err)
		}
	}
	next := openBook(t, dir, time.Hour, 9)
	if e, found, err := next.Find(key); err != nil || !found || e.ReceiptID != "first" {
		t.Errorf("found %v: %+v, %v", found, e, err)
	}
	if _, entered := enter(t, next, "after", "second"); !entered {
		t.Error("half a line spoils the next")
	}
	if !has(t, b, "after") || has(t, b, "torn") || has(t, b, "other") {
		t.Error("one replica does not read what the other wrote")
	}
}

// The files and the index are bounded, and the last keys are always known: at least as
// many as fill a chapter.
func TestBookIsBounded(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	const most = 10
	busy, idle := openBook(t, dir, time.Hour, most), openBook(t, dir, time.Hour, most)
	for i := range 95 {
		enter(t, busy, fmt.Sprint(i), "r")
		files, err := filepath.Glob(filepath.Join(dir, "*"))
		if err != nil || len(files) > 3 {
			t.Fatalf("%d keys, files %v, %v", i+1, files, err)
		}
		if n := len(busy.now.lines) + len(busy.before.lines); n > 2*most {
			t.Fatalf("%d keys, %d in the index", i+1, n)
		}
		for k := max(0, i-most+1); k <= i; k++ {
			if !has(t, busy, fmt.Sprint(k)) {
				t.Fatalf("%d keys, and %d is forgotten", i+1, k)
			}
		}
	}
	if has(t, busy, "70") {
		t.Error("a key of three chapters ago is there")
	}
	// Who has slept through chapters that are gone finds the way to the last.
	if !has(t, idle, "94") {
		t.Error("one that lags behind does not know a charge of the others")
	}
	if _, entered := enter(t, idle, "94", "another"); entered {
		t.Error("one that lags behind has charged again")
	}
	if idle.now.number != busy.now.number {
		t.Errorf("chapter %d and %d", idle.now.number, busy.now.number)
	}
}

// What stands behind the end of a chapter is void, for its writer, too.
func TestBehindTheEnd(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b, other := openBook(t, dir, time.Hour, 100), openBook(t, dir, time.Hour, 100)
	if err := other.endChapter(); err != nil {
		t.Fatal(err)
	}
	if err := b.append(Entry{Key: "late", ReceiptID: "void", AtMs: time.Now().UnixMilli()}); err != nil {
		t.Fatal(err)
	}
	if has(t, b, "late") || b.now.number != 2 {
		t.Errorf("in chapter %d, late: %t", b.now.number, has(t, b, "late"))
	}
	if _, entered := enter(t, b, "late", "again"); !entered || !has(t, other, "late") {
		t.Error("it cannot be entered in the next chapter")
	}
}

// A key is forgotten when its time is over, and not before.
func TestBookForgets(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		b := openBook(t, dir, time.Hour, 100)
		enter(t, b, "key", "first")
		time.Sleep(time.Hour)
		if first, entered := enter(t, b, "key", "second"); entered || first.ReceiptID != "first" {
			t.Errorf("after an hour: %+v, entered %t", first, entered)
		}
		time.Sleep(time.Millisecond)
		if has(t, b, "key") {
			t.Error("it is still known")
		}
		if _, entered := enter(t, b, "key", "third"); !entered {
			t.Error("a forgotten key cannot be used")
		}
		if e, _, err := openBook(t, dir, time.Hour, 100).Find("key"); err != nil ||
			e.ReceiptID != "third" {
			t.Errorf("another replica: %+v, %v", e, err)
		}
	})
}

// What cannot be written is no charge, and is said at once: at the start, while it
// lasts, and by the health check. When the fault is over, so is the alarm.
func TestBookThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenBook(file, time.Hour, 1); err == nil {
		t.Error("a file was opened as a book")
	}
	for name, fault := range map[string]struct{ harm, mend func(*Book) error }{
		"removed": {
			func(b *Book) error { return os.RemoveAll(b.dir) }, nil,
		},
		"replaced": {
			func(b *Book) error {
				return os.WriteFile(b.path(1)+".new", nil, 0o600)
			}, nil,
		},
		"no disk": {
			func(b *Book) (err error) {
				b.now.file, err = os.Open(b.path(1)) // for reading only
				return err
			},
			func(b *Book) (err error) {
				b.now.file, err = os.OpenFile(b.path(1), os.O_RDWR|os.O_APPEND, 0)
				return err
			},
		},
	} {
		b := openBook(t, t.TempDir(), time.Hour, 10)
		enter(t, b, "before", "r")
		if err := b.Check(); err != nil {
			t.Errorf("%s: well, and yet: %v", name, err)
		}
		if err := fault.harm(b); err != nil {
			t.Fatal(err)
		}
		if name == "replaced" {
			if err := os.Rename(b.path(1)+".new", b.path(1)); err != nil {
				t.Fatal(err)
			}
		}
		if _, entered, err := b.Enter(Entry{Key: "key"}); entered || err == nil {
			t.Errorf("%s: a charge was made that stands nowhere", name)
		}
		if _, _, err := b.Find("before"); err == nil {
			t.Errorf("%s: nothing can be entered, and a charge may begin", name)
		}
		if err := b.Check(); err == nil || !strings.Contains(err.Error(), "cannot be written") {
			t.Errorf("%s: the health check says %v", name, err)
		}
		if fault.mend == nil {
			continue
		}
		if err := fault.mend(b); err != nil {
			t.Fatal(err)
		}
		if !has(t, b, "before") || b.Check() != nil {
			t.Errorf("%s: mended, and still not well: %v", name, b.Check())
		}
	}
}

// When the service has ended, nothing is charged any more, whoever still works.
func TestClosedBook(t *testing.T) {
	t.Parallel()
	b := openBook(t, t.TempDir(), time.Hour, 1)
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if _, entered, err := b.Enter(Entry{Key: "late"}); entered || err == nil {
		t.Error("charged after the end")
	}
}

// The folder and what is in it is for its user alone.
func TestBookIsPrivate(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "book")
	openBook(t, dir, time.Hour, 1)
	for _, name := range []string{dir, filepath.Join(dir, "charges-000000001.jsonl")} {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if mode := info.Mode().Perm(); mode&0o077 != 0 && os.PathSeparator == '/' {
			t.Errorf("%s: %v", name, mode)
		}
	}
}

// A folder that is gone, with an odd name, or with other files in it, is no trap.
func TestOddFolders(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "a [book] of *charges*")
	b := openBook(t, dir, time.Hour, 2)
	if err := os.WriteFile(filepath.Join(dir, "charges-notes.txt"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		enter(t, b, fmt.Sprint(i), "r")
	}
	if next := openBook(t, dir, time.Hour, 2); !has(t, next, "4") || next.now.number != 3 {
		t.Errorf("in chapter %d", next.now.number)
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := b.begin(); err == nil {
		t.Error("it begins in a folder that is not there")
	}
}
