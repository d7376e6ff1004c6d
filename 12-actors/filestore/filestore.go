// Package filestore keeps the state of grains in a folder, one file each, so that
// the small parts of this step need no database to show what survives a kill. The
// cluster of this step uses Redis and Postgres, which also survive the machine.
package filestore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"course.example/12-actors/engine"
)

// Dir is a folder of states, a [engine.Store] that keeps no effects apart. Safe for
// concurrent use within one process.
type Dir struct {
	path string

	mu     sync.Mutex
	writes int
	after  func(writes int)
}

// Open returns the store in an existing folder. After each write it calls after,
// if that is not nil, with the number of writes so far: the moment for a test to
// kill the process.
func Open(path string, after func(writes int)) *Dir { return &Dir{path: path, after: after} }

type record struct {
	Version int64           `json:"version"`
	State   json.RawMessage `json:"state"`
}

// Read returns a state and its version.
func (d *Dir) Read(_ context.Context, key string) (engine.Record, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	r, err := d.read(key)
	return engine.Record{Version: r.Version, Data: r.State}, err
}

// Write writes a state if its version is still the expected one. A process that is
// killed meanwhile leaves the old state or the new one, never half of it: a rename is
// all or nothing.
func (d *Dir) Write(_ context.Context, key string, c engine.Change) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	r, err := d.read(key)
	if err != nil {
		return err
	}
	if r.Version != c.Expect {
		return engine.ErrStale
	}
	raw, err := json.Marshal(record{c.Expect + 1, c.Data})
	if err != nil {
		return fmt.Errorf("encode: %w", err)
	}
	if err := replace(d.file(key), raw); err != nil {
		return err
	}
	d.writes++
	if d.after != nil {
		d.after(d.writes)
	}
	return nil
}

// Keys lists the keys that begin with the prefix, in order.
func (d *Dir) Keys(prefix string) ([]string, error) {
	entries, err := os.ReadDir(d.path)
	if err != nil {
		return nil, fmt.Errorf("list states: %w", err)
	}
	var keys []string
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), ".json")
		key, err := url.PathUnescape(name)
		if ok && err == nil && strings.HasPrefix(key, prefix) {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys, nil
}

// Writes is how many writes there were.
func (d *Dir) Writes() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.writes
}

func (d *Dir) file(key string) string {
	return filepath.Join(d.path, url.PathEscape(key)+".json")
}

func (d *Dir) read(key string) (record, error) {
	raw, err := os.ReadFile(d.file(key))
	if errors.Is(err, fs.ErrNotExist) {
		return record{}, nil
	}
	if err != nil {
		return record{}, fmt.Errorf("load %s: %w", key, err)
	}
	var r record
	if err := json.Unmarshal(raw, &r); err != nil {
		return record{}, fmt.Errorf("load %s: %w", key, err)
	}
	return r, nil
}

// replace puts a file in the place of another: all of it or nothing.
func replace(path string, content []byte) (err error) {
	temporary, err := os.CreateTemp(filepath.Dir(path), "*.tmp")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(temporary.Name()))
		}
	}()
	_, err = temporary.Write(content)
	if err == nil {
		err = temporary.Sync()
	}
	if err = errors.Join(err, temporary.Close()); err != nil {
		return err
	}
	return os.Rename(temporary.Name(), path)
}
