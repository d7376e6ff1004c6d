package exercise

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"maps"
	"os"
	"path/filepath"
	"time"

	"course.example/lab/internal/home"
	"course.example/lab/internal/manifest"
)

// State is what is known of a student's work at one exercise.
type State struct {
	Verdict
	At    time.Time `json:"at,omitzero"` // of the verdict; zero without one
	Hints int       `json:"hints,omitempty"`
	Sum   string    `json:"sum,omitempty"` // of the files that were judged
}

// Progress is a student's work at all exercises, by their numbers. It is kept in the state folder,
// which no commit has in it.
type Progress map[string]State

const progressFile = "progress.json"

// ReadProgress reads what is kept; nothing is kept at the start.
func ReadProgress() (Progress, error) {
	dir, err := home.Dir()
	if err != nil {
		return nil, err
	}
	path := filepath.Join(dir, progressFile)
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Progress{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the progress: %w", err)
	}
	p := Progress{}
	if err := json.Unmarshal(raw, &p); err != nil {
		return nil, fmt.Errorf("read the progress: %s: %w; remove it to begin anew", path, err)
	}
	return p, nil
}

// Write keeps the progress: all of it or nothing.
func (p Progress) Write() error {
	dir, err := home.Dir()
	if err != nil {
		return err
	}
	raw, err := json.MarshalIndent(p, "", " ")
	if err != nil {
		return fmt.Errorf("keep the progress: %w", err)
	}
	file, err := os.CreateTemp(dir, progressFile)
	if err != nil {
		return fmt.Errorf("keep the progress: %w", err)
	}
	_, err = file.Write(append(raw, '\n'))
	err = errors.Join(err, file.Close())
	if err == nil {
		err = os.Rename(file.Name(), filepath.Join(dir, progressFile))
	}
	if err != nil {
		return errors.Join(fmt.Errorf("keep the progress: %w", err), os.Remove(file.Name()))
	}
	return nil
}

// Judged keeps a verdict.
func (p Progress) Judged(e *manifest.Exercise, v Verdict) error {
	sum, err := Sum(e)
	state := p[e.Number]
	state.Verdict, state.At, state.Sum = v, time.Now(), sum
	p[e.Number] = state
	return err
}

// Sum tells whether a student's files have changed. The solution's are not among them.
func Sum(e *manifest.Exercise) (string, error) {
	sum := sha256.New()
	err := filepath.WalkDir(e.Dir, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && path == e.Folder(true):
			return fs.SkipDir
		case !entry.Type().IsRegular():
			return nil
		}
		raw, err := os.ReadFile(path)
		fmt.Fprintf(sum, "%s %d\n%s", path, len(raw), raw)
		return err
	})
	if err != nil {
		return "", fmt.Errorf("read the exercise: %w", err)
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

func keys[V any](m map[string]V) iter.Seq[string] { return maps.Keys(m) }
