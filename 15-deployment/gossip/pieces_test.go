package main

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

func someFile(size int) []byte {
	file := make([]byte, size)
	random := rand.NewChaCha8([32]byte{byte(size)})
	_, _ = random.Read(file)
	return file
}

func TestFilesAreCutAndPutTogether(t *testing.T) {
	t.Parallel()
	for _, size := range []int{1, pieceSize - 1, pieceSize, pieceSize + 1, 5 * pieceSize} {
		var s Store
		name, err := s.Add(someFile(size))
		if err != nil {
			t.Fatal(err)
		}
		if file, err := s.File(name); err != nil || !bytes.Equal(file, someFile(size)) {
			t.Errorf("%d bytes become %d (%v)", size, len(file), err)
		}
		if want := (size+pieceSize-1)/pieceSize + 1; len(s.pieces) != want {
			t.Errorf("%d bytes are %d pieces and a list", size, len(s.pieces)-1)
		}
		for hash, piece := range s.pieces {
			if !isPiece(hash, piece) || isPiece(hash, corrupted(piece)) {
				t.Errorf("the name %s does not tell the piece from a corrupted one", hash)
			}
		}
	}
}

// many pieces, so that each of two peers is asked for one at least.
const many = 64

// fetchFrom fetches a file of so many pieces that four peers have: one of them hands out
// pieces that are not right, one is dead, and one has nothing.
func fetchFrom(t *testing.T, check func(string, []byte) bool, peers ...string) (*Fetch, []byte, error) {
	t.Helper()
	file := someFile(many * pieceSize)
	var all Store
	name, err := all.Add(file)
	if err != nil {
		t.Fatal(err)
	}
	f := &Fetch{Store: new(Store), Peers: map[string]string{}, Check: check}
	for _, peer := range peers {
		f.Peers[peer] = peer
	}
	f.Get = func(_ context.Context, peer, hash string) ([]byte, error) {
		piece, ok := all.piece(hash)
		switch {
		case peer == "dead" || peer == "empty" || !ok:
			return nil, errors.New("404")
		case peer == "corrupt":
			return corrupted(piece), nil
		}
		return piece, nil
	}
	if err := f.Run(t.Context(), name); err != nil {
		return f, nil, err
	}
	got, err := f.Store.File(name)
	if err == nil && !bytes.Equal(got, file) {
		err = errOtherFile
	}
	return f, got, err
}

var errOtherFile = errors.New("it is another file")

// A piece that is not right is found by its hash, and fetched from another peer.
func TestFetch(t *testing.T) {
	t.Parallel()
	f, _, err := fetchFrom(t, isPiece, "ada", "grace", "corrupt", "dead", "empty")
	if err != nil {
		t.Fatal(err)
	}
	if names := slices.Sorted(maps.Keys(f.From)); !slices.Equal(names, []string{"ada", "grace"}) {
		t.Errorf("pieces came from %v", f.From)
	}
	if f.Bad["corrupt"] == 0 || len(f.Bad) != 1 {
		t.Errorf("thrown away: %v", f.Bad)
	}
	if f.From["ada"]+f.From["grace"] != many+1 {
		t.Errorf("%v, want %d pieces and their list", f.From, many)
	}
}

// Who does not compare the hash has a file, and it is not the one.
func TestUncheckedPieces(t *testing.T) {
	t.Parallel()
	_, file, err := fetchFrom(t, anything, "ada", "corrupt")
	if !errors.Is(err, errOtherFile) || len(file) != many*pieceSize {
		t.Errorf("%d bytes, %v", len(file), err)
	}
}

func TestFetchFails(t *testing.T) {
	t.Parallel()
	for _, peers := range []string{"", "dead", "corrupt", "dead corrupt empty"} {
		_, _, err := fetchFrom(t, isPiece, strings.Fields(peers)...)
		if !errors.Is(err, errNobody) {
			t.Errorf("from %q: %v, want %v", peers, err, errNobody)
		}
	}
}

// What a stranger calls a list is not one.
func TestListsThatAreNone(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "{}", "[7]", `["../../state"]`} {
		var s Store
		s.put(sum([]byte(text)), []byte(text))
		f := &Fetch{Store: &s, Check: isPiece}
		if err := f.Run(t.Context(), sum([]byte(text))); err == nil {
			t.Errorf("%q was taken for a list", text)
		}
	}
}
