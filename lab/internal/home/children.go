package home

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Children is a folder of records, one file per child process. It is safe for concurrent use,
// by several processes too: no two children share a file.
type Children struct{ dir string }

// NewChildren returns the records in dir, which is made when the first child is added.
func NewChildren(dir string) *Children { return &Children{dir: dir} }

// Add records a child. A child that has ended already needs no record and is no error.
func (c *Children) Add(pid int, name string, group bool) error {
	p, err := Identify(pid)
	if errors.Is(err, ErrGone) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("record %s: %w", name, err)
	}
	p.Name, p.Group = name, group
	if err := os.MkdirAll(c.dir, 0o755); err != nil {
		return fmt.Errorf("record %s: %w", name, err)
	}
	if err := writeJSON(c.file(pid), p); err != nil {
		return fmt.Errorf("record %s: %w", name, err)
	}
	return nil
}

// Remove forgets a child that has ended. One that was never added is no error.
func (c *Children) Remove(pid int) error {
	if err := os.Remove(c.file(pid)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("forget process %d: %w", pid, err)
	}
	return nil
}

// List returns the recorded children, dead or alive.
func (c *Children) List() ([]Process, error) {
	entries, err := os.ReadDir(c.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list children: %w", err)
	}
	var all []Process
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".json") {
			continue
		}
		var p Process
		err := readJSON(filepath.Join(c.dir, e.Name()), &p)
		if errors.Is(err, fs.ErrNotExist) {
			continue // ended in between
		}
		if err != nil {
			return nil, fmt.Errorf("list children: %w", err)
		}
		all = append(all, p)
	}
	return all, nil
}

// Kill ends every recorded child that still runs with SIGKILL, waits until it is gone, and
// returns those it ended. A number that now belongs to another process is left alone.
func (c *Children) Kill() ([]Process, error) {
	all, err := c.List()
	if err != nil {
		return nil, err
	}
	var killed []Process
	var errs []error
	for _, p := range all {
		switch err := p.Signal(os.Kill); {
		case err == nil:
			killed = append(killed, p)
		case !errors.Is(err, ErrGone):
			errs = append(errs, fmt.Errorf("kill %s: %w", p.Name, err))
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), killGrace)
	defer cancel()
	for _, p := range killed {
		errs = append(errs, p.awaitEnd(ctx))
	}
	return killed, errors.Join(errs...)
}

func (c *Children) file(pid int) string {
	return filepath.Join(c.dir, strconv.Itoa(pid)+".json")
}

// writeJSON replaces the file in one step, so that a reader sees the old or the new record and
// never half of one. Mode 0600: records hold the token that commands the run.
func writeJSON(path string, v any) error {
	raw, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("write %s: %w", filepath.Base(path), err)
	}
	// CreateTemp gives mode 0600 and a name that readers skip.
	tmp, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	_, err = tmp.Write(append(raw, '\n'))
	err = errors.Join(err, tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(tmp.Name()))
	}
	return nil
}

func readJSON(path string, v any) error {
	raw, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(raw, v); err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	return nil
}
