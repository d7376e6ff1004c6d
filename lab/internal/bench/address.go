package bench

import (
	"fmt"
	"path/filepath"
	"slices"

	"course.example/lab/internal/manifest"
	"course.example/lab/internal/port"
)

// shopPort is the one that the READMEs name.
const shopPort = 8080

// places is what one process may be told of the others.
func (b *Bench) places(process string) manifest.Places {
	return manifest.Places{
		URLs: func(kind string) ([]string, error) { return b.urls(process, kind) },
		Dir: func(name string) (string, error) {
			return b.cfg.Run.Mkdir(filepath.Join("shared", name))
		},
	}
}

// urls are the addresses of a kind as one process sees them: through the wire, if
// there is one.
func (b *Bench) urls(process, kindName string) ([]string, error) {
	kind, ok := b.cfg.Step.Process(kindName)
	if !ok {
		return nil, fmt.Errorf("there is no kind of process %q here", kindName)
	}
	b.mu.Lock()
	err := b.reserve(kind, kind.Places())
	addresses := slices.Clone(b.addresses[kind.Name])
	b.mu.Unlock()
	if err != nil {
		return nil, err
	}
	var urls []string
	for i, address := range addresses {
		url := "http://" + address
		if b.wire != nil {
			if url, err = b.wire.join(process, b.nameOf(kind, i), url); err != nil {
				return nil, err
			}
		}
		urls = append(urls, url)
	}
	return urls, nil
}

// nextAddr is where the next process of a kind is to serve. It is called with the
// lock held.
func (b *Bench) nextAddr(kind manifest.Process) (string, error) {
	n := b.numberOf(kind)
	if err := b.reserve(kind, n+1); err != nil {
		return "", err
	}
	return b.addresses[kind.Name][n], nil
}

// reserve sets so many addresses aside for a kind. The process that takes orders
// gets the one that the READMEs name, if nobody else has it. It is called with
// the lock held.
func (b *Bench) reserve(kind manifest.Process, n int) error {
	if b.addresses == nil {
		b.addresses = map[string][]string{}
	}
	for len(b.addresses[kind.Name]) < n {
		address, err := b.freeAddr(kind.Orders)
		if err != nil {
			return err
		}
		b.addresses[kind.Name] = append(b.addresses[kind.Name], address)
	}
	return nil
}

func (b *Bench) freeAddr(takesOrders bool) (string, error) {
	if takesOrders && b.release == nil {
		if release, ok := port.Claim(shopPort); ok {
			b.release = release
			return fmt.Sprintf("127.0.0.1:%d", shopPort), nil
		}
	}
	ports, err := port.Free(1)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("127.0.0.1:%d", ports[0]), nil
}
