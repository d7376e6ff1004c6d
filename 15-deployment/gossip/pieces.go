package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
)

const pieceSize = 16 << 10 // bytes

// sum is the name of a piece: whoever has it can be asked, and nobody need be trusted.
func sum(piece []byte) string {
	h := sha256.Sum256(piece)
	return hex.EncodeToString(h[:])
}

// isPiece compares a piece with its name.
func isPiece(hash string, piece []byte) bool { return sum(piece) == hash }

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
