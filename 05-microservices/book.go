package microservices

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// Book is where charges stand: a folder that all replicas share, with one file for
// every idempotency key. To enter a charge is to make it.
//
// Replicas that kept keys in their own memory would charge twice whenever a repeat
// came to another one, and forget everything in a kill. What they share has to be
// somewhere, and that is the price of every service that "has no state". Here it is
// the file system, which can create a name exactly once; in step 06 a database.
//
// It survives a kill of any process, not a loss of power: nothing is synced. It is
// safe for concurrent use by any number of processes on one machine.
type Book struct {
	dir  string
	ttl  time.Duration // how long a key is remembered
	most int           // how many, at most, after a sweep
}

// OpenBook opens the book in a folder and makes the folder if there is none.
func OpenBook(dir string, ttl time.Duration, most int) (*Book, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("open the book: %w", err)
	}
	return &Book{dir: dir, ttl: ttl, most: most}, nil
}

// page is the file of a key. A key may hold any character, a file's name may not.
func (b *Book) page(key string) string {
	sum := sha256.Sum256([]byte(key))
	return filepath.Join(b.dir, hex.EncodeToString(sum[:]))
}

// Find returns the receipt that was entered under the key, if there is one. What has
// expired is there until it is swept.
func (b *Book) Find(key string) (r Receipt, found bool, err error) {
	raw, err := os.ReadFile(b.page(key))
	if errors.Is(err, fs.ErrNotExist) {
		return r, false, nil
	}
	if err == nil {
		err = json.Unmarshal(raw, &r)
	}
	if err != nil {
		return Receipt{}, false, fmt.Errorf("look a charge up in the book: %w", err)
	}
	r.Repeated = true
	return r, true, nil
}

// Enter makes the charge, unless there is one under the key: then it returns that
// one's receipt, and entered is false. Of any number of calls at the same time,
// in whatever process, one enters.
func (b *Book) Enter(key string, r Receipt) (receipt Receipt, entered bool, err error) {
	draft, err := b.write(r)
	if err != nil {
		return r, false, fmt.Errorf("enter a charge in the book: %w", err)
	}
	defer func() {
		if rmErr := os.Remove(draft); rmErr != nil {
			slog.Warn("a draft stays in the book", "error", rmErr) // Sweep takes it
		}
	}()
	// The one atomic act: link gives the finished page its name, and fails if the
	// name is taken. A page that is half written never has a name.
	err = os.Link(draft, b.page(key))
	if err == nil {
		return r, true, nil
	}
	if errors.Is(err, fs.ErrExist) {
		first, found, findErr := b.Find(key)
		if findErr != nil || found {
			return first, false, findErr
		}
	}
	return r, false, fmt.Errorf("enter a charge in the book: %w", err)
}

func (b *Book) write(r Receipt) (name string, err error) {
	file, err := os.CreateTemp(b.dir, "draft-*")
	if err != nil {
		return "", err
	}
	return file.Name(), errors.Join(json.NewEncoder(file).Encode(r), file.Close())
}

// Keep sweeps the book again and again until ctx ends. Then it returns nil.
func (b *Book) Keep(ctx context.Context) error {
	tick := time.NewTicker(min(max(b.ttl/10, time.Second), time.Minute))
	defer tick.Stop()
	for {
		if err := b.Sweep(); err != nil {
			slog.Warn("cannot sweep the book", "error", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// Sweep removes what has expired, and the oldest of what is too much. A repeat that
// comes after its key was swept charges again: the time to live must be longer than
// anybody tries. Between two sweeps the book may hold more.
func (b *Book) Sweep() error {
	entries, err := os.ReadDir(b.dir)
	if err != nil {
		return fmt.Errorf("sweep the book: %w", err)
	}
	var pages []fs.FileInfo
	for _, e := range entries {
		if info, err := e.Info(); err == nil { // another replica sweeps too
			pages = append(pages, info)
		}
	}
	slices.SortFunc(pages, func(x, y fs.FileInfo) int {
		return cmp.Or(x.ModTime().Compare(y.ModTime()), cmp.Compare(x.Name(), y.Name()))
	})
	var errs []error
	for i, page := range pages {
		if time.Since(page.ModTime()) <= b.ttl && len(pages)-i <= b.most {
			break
		}
		err := os.Remove(filepath.Join(b.dir, page.Name()))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
