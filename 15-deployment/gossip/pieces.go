package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"
)

const (
	pieceSize = 16 << 10
	atOnce    = 4 // pieces that are fetched at a time
)

// sum is the name of a piece: whoever has it can be asked, and nobody need be trusted.
func sum(piece []byte) string {
	h := sha256.Sum256(piece)
	return hex.EncodeToString(h[:])
}

// Store has the pieces of a peer, by their sums. It is safe for concurrent use.
type Store struct {
	mu     sync.Mutex
	pieces map[string][]byte
}

// Add cuts a file into pieces. Its name is the sum of the list of their sums.
func (s *Store) Add(file []byte) (name string, err error) {
	var list []string
	for piece := range slices.Chunk(file, pieceSize) {
		s.put(sum(piece), piece)
		list = append(list, sum(piece))
	}
	text, err := json.Marshal(list)
	if err != nil {
		return "", fmt.Errorf("list the pieces: %w", err)
	}
	s.put(sum(text), text)
	return sum(text), nil
}

// File puts the pieces of a file together.
func (s *Store) File(name string) ([]byte, error) {
	list, err := s.list(name)
	if err != nil {
		return nil, err
	}
	var file []byte
	for _, hash := range list {
		piece, ok := s.piece(hash)
		if !ok {
			return nil, fmt.Errorf("the piece %s is not here", hash)
		}
		file = append(file, piece...)
	}
	return file, nil
}

func (s *Store) list(name string) (list []string, err error) {
	text, ok := s.piece(name)
	if !ok {
		return nil, fmt.Errorf("the list %s is not here", name)
	}
	if err := json.Unmarshal(text, &list); err != nil {
		return nil, fmt.Errorf("%s is no list of pieces: %w", name, err)
	}
	return list, nil
}

func (s *Store) piece(hash string) ([]byte, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	piece, ok := s.pieces[hash]
	return piece, ok
}

func (s *Store) put(hash string, piece []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pieces == nil {
		s.pieces = map[string][]byte{}
	}
	s.pieces[hash] = piece
}

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

// isPiece compares a piece with its name.
func isPiece(hash string, piece []byte) bool { return sum(piece) == hash }
