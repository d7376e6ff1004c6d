package filestore

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

type sum struct{ Cents int }

func TestStateSurvivesItsOwner(t *testing.T) {
	t.Parallel()
	path := t.TempDir()
	first := NewState[sum](Open(path, nil), "Account/ada lovelace")
	for i := range 3 {
		was, err := first.Get()
		if err != nil || was.Cents != i {
			t.Fatalf("got %v, %v", was, err)
		}
		if err := first.Set(sum{i + 1}); err != nil {
			t.Fatal(err)
		}
	}
	again := Open(path, nil)
	if was, err := NewState[sum](again, "Account/ada lovelace").Get(); err != nil || was.Cents != 3 {
		t.Errorf("after a restart: %v, %v", was, err)
	}
	keys, err := again.Keys("Account/")
	if err != nil || !slices.Equal(keys, []string{"Account/ada lovelace"}) {
		t.Errorf("keys %q, %v", keys, err)
	}
}

// Of two owners of one state the second writer is refused, and has the first
// one's state when it looks again.
func TestStaleWriteIsRefused(t *testing.T) {
	t.Parallel()
	dir := Open(t.TempDir(), nil)
	a, b := NewState[sum](dir, "x"), NewState[sum](dir, "x")
	for _, s := range []*State[sum]{a, b} {
		if _, err := s.Get(); err != nil {
			t.Fatal(err)
		}
	}
	if err := a.Set(sum{1}); err != nil {
		t.Fatal(err)
	}
	if err := b.Set(sum{2}); !errors.Is(err, ErrStale) {
		t.Errorf("the second writer got %v", err)
	}
	if was, err := b.Get(); err != nil || was.Cents != 1 {
		t.Errorf("looked again and saw %v, %v", was, err)
	}
	if dir.Writes() != 1 {
		t.Errorf("%d writes", dir.Writes())
	}
}

// A file that is no state, and a folder that is not there, are errors that say so.
func TestBrokenStore(t *testing.T) {
	t.Parallel()
	path := t.TempDir()
	if err := os.WriteFile(filepath.Join(path, "x.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := NewState[sum](Open(path, nil), "x").Get(); err == nil {
		t.Error("half a file was read")
	}
	gone := Open(filepath.Join(path, "gone"), nil)
	if err := NewState[sum](gone, "x").Set(sum{1}); err == nil {
		t.Error("written to nowhere")
	}
	if _, err := gone.Keys(""); err == nil {
		t.Error("listed what is not there")
	}
}
