package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"
)

const atOnce = 4 // pieces that are fetched at a time

// Fetch gets a file in pieces, each from whoever has it.
type Fetch struct {
	Store *Store
	Peers map[string]string // address by name
	Get   func(ctx context.Context, address, hash string) ([]byte, error)
	// Check says whether a piece is the one that was asked for.
	Check func(hash string, piece []byte) bool

	mu   sync.Mutex
	From map[string]int // pieces by the peer that they came from
	Bad  map[string]int // pieces that were thrown away
}

var errNobody = errors.New("no peer has the right one")

// Run fetches what the store does not have of a file.
func (f *Fetch) Run(ctx context.Context, name string) error {
	f.From, f.Bad = map[string]int{}, map[string]int{}
	if err := f.fetch(ctx, name, isPiece); err != nil {
		return fmt.Errorf("fetch the list of pieces %s: %w", name, err)
	}
	list, err := f.Store.list(name)
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(atOnce)
	for _, hash := range list {
		group.Go(func() error { return f.fetch(ctx, hash, f.Check) })
	}
	return group.Wait()
}

// fetch asks the peers, in an order that it draws, until one has the right piece.
func (f *Fetch) fetch(ctx context.Context, hash string, check func(string, []byte) bool) error {
	if _, ok := f.Store.piece(hash); ok {
		return nil
	}
	names := slices.Sorted(maps.Keys(f.Peers))
	rand.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	failures := []error{errNobody}
	for _, name := range names {
		piece, err := f.Get(ctx, f.Peers[name], hash)
		if err != nil {
			failures = append(failures, fmt.Errorf("%s: %w", name, err))
			continue
		}
		right := check(hash, piece)
		f.count(name, right)
		if right {
			f.Store.put(hash, piece)
			return nil
		}
	}
	return fmt.Errorf("piece %s: %w", hash, errors.Join(failures...))
}

func (f *Fetch) count(name string, right bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if right {
		f.From[name]++
	} else {
		f.Bad[name]++
	}
}
