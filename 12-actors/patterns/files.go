package main

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

// Files is a folder of states, one file each: an [engine.Store] that keeps no effects apart. It
// shows what survives a kill of the process without any server. The cluster of this step uses
// Redis and Postgres, which also survive the machine. It is safe for concurrent use within one
// process.
type Files struct {
	path string

	mu     sync.Mutex
	writes int
	after  func(writes int)
}

// OpenFiles opens an existing folder. After each write it calls after, if that is not nil, with
// the number of writes so far: the moment to kill the process.
func OpenFiles(path string, after func(writes int)) *Files { return &Files{path: path, after: after} }

// Read returns a state and its version.
func (f *Files) Read(_ context.Context, key string) (r engine.Record, err error) {
	raw, err := os.ReadFile(f.file(key))
	if errors.Is(err, fs.ErrNotExist) {
		return r, nil
	}
	if err == nil {
		err = json.Unmarshal(raw, &r)
	}
	if err != nil {
		return r, fmt.Errorf("load %s: %w", key, err)
	}
	return r, nil
}

// Write writes a state if its version is still the expected one. A process that is killed
// meanwhile leaves the old state or the new one, never half of it: a rename is all or nothing.
func (f *Files) Write(ctx context.Context, key string, c engine.Change) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	r, err := f.Read(ctx, key)
	if err != nil {
		return err
	}
	if r.Version != c.Expect {
		return engine.ErrStale
	}
	raw, err := json.Marshal(engine.Record{Version: c.Expect + 1, Data: c.Data})
	if err == nil {
		err = os.WriteFile(f.file(key)+".tmp", raw, 0o600)
	}
	if err == nil {
		err = os.Rename(f.file(key)+".tmp", f.file(key))
	}
	if err != nil {
		return fmt.Errorf("save %s: %w", key, err)
	}
	f.writes++
	if f.after != nil {
		f.after(f.writes)
	}
	return nil
}

// Keys lists the keys that begin with the prefix, in order.
func (f *Files) Keys(prefix string) ([]string, error) {
	entries, err := os.ReadDir(f.path)
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
func (f *Files) Writes() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.writes
}

func (f *Files) file(key string) string {
	return filepath.Join(f.path, url.PathEscape(key)+".json")
}

// inFolder runs show with a folder that lasts as long.
func inFolder(show func(folder string) error) (err error) {
	folder, err := os.MkdirTemp("", "course-patterns-")
	if err != nil {
		return fmt.Errorf("a folder for the states: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	return show(folder)
}
