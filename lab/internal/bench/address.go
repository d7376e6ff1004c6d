package bench

import (
	"fmt"
	"path/filepath"
	"slices"

	"course.example/lab/internal/manifest"
	"course.example/lab/internal/port"
)

// shopPort is the one that the READMEs name.
const shopPort = port.Shop

// places is what one process may be told of the others.
func (s *supervisor) places(process string) manifest.Places {
	return manifest.Places{
		URLs: func(kind string) ([]string, error) { return s.urls(process, kind) },
		Dir: func(name string) (string, error) {
			return s.cfg.Run.Mkdir(filepath.Join(s.shared, name))
		},
	}
}

// urls are the addresses of a kind as one process sees them: through the wire, if
// there is one.
func (s *supervisor) urls(process, kindName string) ([]string, error) {
	kind, ok := s.cfg.Step.Process(kindName)
	if !ok {
		return nil, fmt.Errorf("there is no kind of process %q here", kindName)
	}
	s.mu.Lock()
	err := s.reserve(kind, kind.Places())
	addresses := slices.Clone(s.addresses[kind.Name])
	s.mu.Unlock()
	if err != nil {
		return nil, err
	}
	var urls []string
	for i, address := range addresses {
		url := "http://" + address
		if s.wire != nil && process != "" { // the lab itself is not on the wire
			if url, err = s.wire.join(process, s.nameOf(kind, i), url); err != nil {
				return nil, err
			}
		}
		urls = append(urls, url)
	}
	return urls, nil
}

// nextAddr is where the next process of a kind is to serve. It is called with the
// lock held.
func (s *supervisor) nextAddr(kind manifest.Process) (string, error) {
	n := s.numberOf(kind)
	if err := s.reserve(kind, n+1); err != nil {
		return "", err
	}
	return s.addresses[kind.Name][n], nil
}

// reserve sets so many addresses aside for a kind. The process that takes orders
// gets the one that the READMEs name, if nobody else has it. It is called with
// the lock held.
func (s *supervisor) reserve(kind manifest.Process, n int) error {
	if s.addresses == nil {
		s.addresses = map[string][]string{}
	}
	for len(s.addresses[kind.Name]) < n {
		address, err := s.freeAddr(kind.Orders)
		if err != nil {
			return err
		}
		s.addresses[kind.Name] = append(s.addresses[kind.Name], address)
	}
	return nil
}

func (s *supervisor) freeAddr(takesOrders bool) (string, error) {
	if takesOrders && s.release == nil {
		if release, ok := port.Claim(shopPort); ok {
			s.release = release
			return fmt.Sprintf("127.0.0.1:%d", shopPort), nil
		}
	}
	ports, err := port.Free(1)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("127.0.0.1:%d", ports[0]), nil
}

// Hints are those of the step, with the addresses of this run.
func (s *supervisor) Hints() ([]string, error) {
	var all []string
	for _, hint := range s.cfg.Step.Hints {
		text, err := manifest.Expand(hint, s.places(""))
		if err != nil {
			return nil, fmt.Errorf("hint: %w", err)
		}
		all = append(all, text)
	}
	return all, nil
}
