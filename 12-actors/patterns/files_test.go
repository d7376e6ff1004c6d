package main

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"course.example/12-actors/engine"
)

type cents struct{ Cents int }

func TestStateSurvivesItsOwner(t *testing.T) {
	t.Parallel()
	path := t.TempDir()
	first := engine.NewState[cents](OpenFiles(path, nil), "Account/ada lovelace")
	for i := range 3 {
		was, err := first.Read(t.Context())
		if err != nil || was.Cents != i {
			t.Fatalf("got %v, %v", was, err)
		}
		if err := first.Write(t.Context(), cents{i + 1}, ""); err != nil {
			t.Fatal(err)
		}
	}
	again := OpenFiles(path, nil)
	if was, err := engine.NewState[cents](again, "Account/ada lovelace").Read(t.Context()); err != nil || was.Cents != 3 {
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
	dir := OpenFiles(t.TempDir(), nil)
	a, b := engine.NewState[cents](dir, "x"), engine.NewState[cents](dir, "x")
	for _, s := range []*engine.State[cents]{a, b} {
		if _, err := s.Read(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := a.Write(t.Context(), cents{1}, ""); err != nil {
		t.Fatal(err)
	}
	if err := b.Write(t.Context(), cents{2}, ""); !errors.Is(err, engine.ErrStale) {
		t.Errorf("the second writer got %v", err)
	}
	if was, err := b.Read(t.Context()); err != nil || was.Cents != 1 {
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
	if _, err := engine.NewState[cents](OpenFiles(path, nil), "x").Read(t.Context()); err == nil {
		t.Error("half a file was read")
	}
	gone := OpenFiles(filepath.Join(path, "gone"), nil)
	if err := engine.NewState[cents](gone, "x").Write(t.Context(), cents{1}, ""); err == nil {
		t.Error("written to nowhere")
	}
	if _, err := gone.Keys(""); err == nil {
		t.Error("listed what is not there")
	}
}
