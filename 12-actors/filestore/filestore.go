// Package filestore keeps the state of grains in a folder, one file each, so that
// the small parts of this step need no database to show what survives a kill. The
// cluster of this step uses Redis and Postgres, which also survive the machine.
package filestore

import (
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
)

// ErrStale says that somebody else has written since the state was loaded.
var ErrStale = errors.New("the state was written by somebody else meanwhile")

// Dir is a folder of states. Safe for concurrent use within one process.
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

// Load reads a state and its version. Version 0 is a state that was never
// written; then into is left as it is.
func (d *Dir) Load(key string, into any) (int64, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	r, err := d.read(key)
	if err != nil || r.Version == 0 {
		return 0, err
	}
	if err := json.Unmarshal(r.State, into); err != nil {
		return 0, fmt.Errorf("state of %s: %w", key, err)
	}
	return r.Version, nil
}

// Save writes a state if its version is still the one that was loaded, and
// returns the next version. A process that is killed meanwhile leaves the old
// state or the new one, never half of it: a rename is all or nothing.
func (d *Dir) Save(key string, version int64, state any) (int64, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	r, err := d.read(key)
	if err != nil {
		return 0, err
	}
	if r.Version != version {
		return 0, fmt.Errorf("write %s: %w", key, ErrStale)
	}
	raw, err := json.Marshal(state)
	if err != nil {
		return 0, fmt.Errorf("state of %s: %w", key, err)
	}
	raw, err = json.Marshal(record{version + 1, raw})
	if err != nil {
		return 0, fmt.Errorf("state of %s: %w", key, err)
	}
	if err := replace(d.file(key), raw); err != nil {
		return 0, fmt.Errorf("write %s: %w", key, err)
	}
	d.writes++
	if d.after != nil {
		d.after(d.writes)
	}
	return version + 1, nil
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

// State is the stored state of one grain. It is the grain's own: not safe for
// concurrent use.
type State[T any] struct {
	dir     *Dir
	key     string
	version int64
	loaded  bool
	value   T
}

// NewState is the state under a key, loaded when it is first wanted.
func NewState[T any](dir *Dir, key string) *State[T] {
	return &State[T]{dir: dir, key: key}
}

// Get returns the state. Do not change what it points to: see Set.
func (s *State[T]) Get() (T, error) {
	if s.loaded {
		return s.value, nil
	}
	version, err := s.dir.Load(s.key, &s.value)
	if err == nil {
		s.version, s.loaded = version, true
	}
	return s.value, err
}

// Set writes the next state. In memory it changes only if it was written: what a
// grain says of itself is what is on disk. After an error the state is loaded
// again when it is next wanted.
func (s *State[T]) Set(next T) error {
	version, err := s.dir.Save(s.key, s.version, next)
	if err != nil {
		var none T
		s.loaded, s.value = false, none
		return err
	}
	s.value, s.version, s.loaded = next, version, true
	return nil
}
