// Package reload tells when the sources of a step have changed, so that its programs can be built
// again while they run.
package reload

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"
)

// calm is how long nothing more may be saved before something is done: an editor writes a file
// in several steps, and a formatter follows it.
const calm = 50 * time.Millisecond

// Watch sends what has changed below the folders, after each pause, until ctx ends; then it closes
// the channel. What has changed while nobody received is sent together.
func Watch(ctx context.Context, dirs ...string) (<-chan []string, error) {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, fmt.Errorf("watch the sources: %w", err)
	}
	for _, dir := range dirs {
		if err := addAll(w, dir); err != nil {
			return nil, errors.Join(fmt.Errorf("watch the sources: %w", err), w.Close())
		}
	}
	changes := make(chan []string)
	go func() {
		defer close(changes)
		defer w.Close()
		collect(ctx, w, changes)
	}()
	return changes, nil
}

// collect gathers names until it is calm, and offers them.
func collect(ctx context.Context, w *fsnotify.Watcher, changes chan<- []string) {
	var changed []string
	timer := time.NewTimer(calm)
	defer timer.Stop()
	var offer chan<- []string // nil until it is calm
	for {
		select {
		case e, ok := <-w.Events:
			if !ok {
				return
			}
			if e.Has(fsnotify.Create) {
				_ = addAll(w, e.Name) // a file, or a folder that is gone again: nothing to watch
			}
			if e.Op == fsnotify.Chmod || !IsSource(e.Name) {
				continue
			}
			if !slices.Contains(changed, e.Name) {
				changed = append(changed, e.Name)
			}
			offer = nil
			timer.Reset(calm)
		case _, ok := <-w.Errors:
			if !ok {
				return
			}
			// Events may be missing: what has changed is not known, and something has.
			changed, offer = append(changed, ""), nil
			timer.Reset(calm)
		case <-timer.C:
			if len(changed) > 0 {
				offer = changes
			}
		case offer <- changed:
			changed, offer = nil, nil
		case <-ctx.Done():
			return
		}
	}
}

// addAll watches a folder and all in it.
func addAll(w *fsnotify.Watcher, dir string) error {
	return filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case !entry.IsDir():
			return nil
		case path != dir && (hidden(path) || entry.Name() == "testdata"):
			return fs.SkipDir
		}
		return w.Add(path)
	})
}

func hidden(path string) bool { return strings.HasPrefix(filepath.Base(path), ".") }

// IsSource says whether a program may change with a file: pages and pictures change none, and
// neither does what editors leave beside a file while they write it.
func IsSource(path string) bool {
	if hidden(path) || strings.HasSuffix(path, "~") || strings.HasSuffix(path, "_test.go") {
		return false
	}
	switch filepath.Ext(path) {
	case ".md", ".svg", ".png", ".http", ".tmp", ".swp", "":
		return false
	}
	return true
}
