package deployment

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/goccy/go-yaml"
)

// Desired is what should run: desired.yaml.
type Desired struct {
	Version  string         `yaml:"version"`
	Replicas map[string]int `yaml:"replicas"` // by program
}

// Running is a replica that runs.
type Running struct{ Program, Version, Name string }

// Change is one step from what runs to what should.
type Change struct {
	Start bool // or else it ends
	Running
}

func (c Change) String() string {
	if c.Start {
		return "start " + c.Program + " " + c.Version
	}
	return "end " + c.Name
}

// Plan is what has to change: nothing where everything is as desired. It asks nobody and does
// nothing, so that it can be shown before it is done, and done again after a crash.
func Plan(want Desired, have []Running) []Change {
	var starts, ends []Change
	count := map[string]int{}
	for _, r := range have {
		if r.Version == want.Version && count[r.Program] < want.Replicas[r.Program] {
			count[r.Program]++
		} else {
			ends = append(ends, Change{Running: r})
		}
	}
	for _, program := range slices.Sorted(maps.Keys(want.Replicas)) {
		for n := count[program]; n < want.Replicas[program]; n++ {
			starts = append(starts, Change{true, Running{Program: program, Version: want.Version}})
		}
	}
	return slices.Concat(starts, ends)
}

// maxReplicas of one program: more is a slip of the pen.
const maxReplicas = 64

func (w Desired) validate() error {
	if _, err := FindRelease(w.Version); err != nil {
		return err
	}
	for _, program := range slices.Sorted(maps.Keys(w.Replicas)) {
		if !slices.Contains(programs, program) {
			return usagef("there is no program %q: there are consumer and producer", program)
		}
	}
	for _, program := range programs {
		if n := w.Replicas[program]; n < 1 || n > maxReplicas {
			return usagef("replicas of %s must be 1 to %d, is %d", program, maxReplicas, n)
		}
	}
	return nil
}

// readDesired reads the file. Without a name, or where there is no file yet, it is otherwise.
func readDesired(path string, otherwise Desired) (Desired, error) {
	if path == "" {
		return otherwise, nil
	}
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return otherwise, nil
	}
	if err != nil {
		return Desired{}, fmt.Errorf("read what should run: %w", err)
	}
	var want Desired
	if err := yaml.UnmarshalWithOptions(raw, &want, yaml.DisallowUnknownField()); err != nil {
		return Desired{}, usagef("%s cannot be read: %v", path, err)
	}
	if err := want.validate(); err != nil {
		return Desired{}, usagef("%s: %v", path, err)
	}
	return want, nil
}

// writeDesired replaces the file as a whole: whoever reads it meanwhile, or after a crash, finds
// the old or the new one.
func writeDesired(path string, want Desired) error {
	if path == "" {
		return nil
	}
	raw, err := yaml.Marshal(want)
	if err != nil {
		return fmt.Errorf("write what should run: %w", err)
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".desired-*")
	if err != nil {
		return fmt.Errorf("write what should run: %w", err)
	}
	_, err = f.Write(raw)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("write what should run: %w", errors.Join(err, os.Remove(f.Name())))
	}
	return nil
}
