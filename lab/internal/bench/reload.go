package bench

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"reflect"
	"time"

	"course.example/lab/internal/manifest"
)

// reloadLimit is how long a process with new code may take to be ready.
const reloadLimit = 30 * time.Second

// Reload has processes run the programs of another folder, in which [Build] has put them, and what
// a manifest that was read again says of them. Those for which anything has changed, or that could
// not be kept up, are started again, one after the other: each is stopped in order, and ready
// before the next. Reload returns their names.
func (s *supervisor) Reload(
	ctx context.Context, step *manifest.Step, bin string,
) (names []string, err error) {
	stale, err := s.replace(step, bin)
	if err != nil {
		return nil, err
	}
	for _, p := range stale {
		if p.Running() {
			if err := s.stop(ctx, p, false); err != nil {
				return names, err
			}
		}
		if err := s.start(p); err != nil {
			return names, err
		}
		names = append(names, p.name)
		if err := s.awaitReady(ctx, p, reloadLimit); err != nil {
			return names, err
		}
	}
	return names, nil
}

// replace takes the new programs and definitions, and returns the processes that are not up to
// date.
func (s *supervisor) replace(step *manifest.Step, bin string) ([]*proc, error) {
	variant, err := step.Variant(s.cfg.Variant)
	if err != nil {
		return nil, err
	}
	for _, p := range s.all() {
		if _, ok := step.Process(p.kind.Name); !ok {
			return nil, fmt.Errorf("%s runs, and there is no %s any more: end this run first",
				p.name, p.kind.Name)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var stale []*proc
	for _, p := range s.procs {
		kind, _ := step.Process(p.kind.Name)
		crashed := p.state == down && !p.asked
		before := s.path(s.bin, p)
		after := program(bin, s.cfg.Step.Dir, variant.Package(kind))
		same, err := alike(before, after)
		if err != nil {
			return nil, err
		}
		same = same && reflect.DeepEqual(p.def, kind) && reflect.DeepEqual(s.variant, variant)
		if p.def = kind; crashed || !same && p.state != down {
			stale = append(stale, p)
			p.deaths = nil
		}
	}
	s.bin, s.variant, s.broken = bin, variant, nil
	return stale, nil
}

// path is the program of a process. It is called with the lock held.
func (s *supervisor) path(bin string, p *proc) string {
	return program(bin, s.cfg.Step.Dir, s.variant.Package(p.def))
}

// programs is the folder with the programs.
func (s *supervisor) programs() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.bin
}

// definition is what the manifest says of a process.
func (s *supervisor) definition(p *proc) (manifest.Process, manifest.Variant) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return p.def, s.variant
}

// alike says whether two programs are the same: Go builds the same from the same.
func alike(one, other string) (bool, error) {
	a, err := sum(one)
	if err != nil {
		return false, err
	}
	b, err := sum(other)
	return a == b, err
}

func sum(path string) (hash [sha256.Size]byte, err error) {
	file, err := os.Open(path)
	if err != nil {
		return hash, fmt.Errorf("compare programs: %w", err)
	}
	defer file.Close()
	h := sha256.New()
	if _, err := io.Copy(h, file); err != nil {
		return hash, fmt.Errorf("compare programs: %w", err)
	}
	return [sha256.Size]byte(h.Sum(nil)), nil
}
