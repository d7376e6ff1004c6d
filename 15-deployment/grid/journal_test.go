package grid

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"course.example/shop"
)

// reopen is a coordinator that was killed and comes back.
func reopen(t *testing.T, path string) *Coordinator {
	t.Helper()
	c, file, err := Open(path, rulesOf("right"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := file.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// What a coordinator has said yes to it still knows, and a cheat stays a cheat.
func TestJournal(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "journal")
	grid := reopen(t, path)
	for i := range 3 {
		if err := grid.Add(t.Context(), shop.Order{ID: fmt.Sprint(i + 1)}); err != nil {
			t.Fatal(err)
		}
	}
	for _, worker := range []string{"cheat", "ada"} {
		takes(t, grid, worker, "1")
	}
	tells(t, grid, "cheat", "1", cheat, false)
	takes(t, grid, "cheat", "2")
	tells(t, grid, "cheat", "2", cheat, false)
	tells(t, grid, "ada", "1", honest, false)
	takes(t, grid, "grace", "1")
	tells(t, grid, "grace", "1", honest, true)
	takes(t, grid, "ada", "2")

	again := reopen(t, path)
	if v := tells(t, again, "ada", "1", honest, false); !v.Again {
		t.Error("what it was told before is new to it")
	}
	before, after := grid.Counts(), again.Counts()
	if after.Open != 2 || after.Done != 1 || after.Banned != before.Banned || after.Thrown != before.Thrown {
		t.Errorf("it knew %+v, and knows %+v", before, after)
	}
	if _, err := again.Take("cheat"); !errors.Is(err, ErrBanned) {
		t.Errorf("the cheat gets a unit (%v)", err)
	}
	for _, worker := range []string{"alan", "grace"} { // nobody is waited for
		takes(t, again, worker, "2")
	}
	if err := again.Add(t.Context(), shop.Order{ID: "4"}); err != nil {
		t.Fatal(err)
	}
	if a, b := again.units["4"].Exponent, again.units["3"].Exponent; a != nextExponent(b) {
		t.Errorf("after %d comes %d", b, a)
	}
}

// A line that was half written is cut off, and what comes then can be read.
func TestJournalThatWasTorn(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "journal")
	whole := `{"unit":{"order":"1","exponent":503,"attempt":0}}` + "\n"
	if err := os.WriteFile(path, []byte(whole+`{"unit":{"ord`), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := reopen(t, path).Add(t.Context(), shop.Order{ID: "2"}); err != nil {
		t.Fatal(err)
	}
	var orders []string
	for _, u := range reopen(t, path).open {
		orders = append(orders, u.Order)
	}
	if !slices.Equal(orders, []string{"1", "2"}) {
		t.Errorf("the units are %v", orders)
	}
}

// What cannot be read is not thrown away.
func TestJournalThatIsNone(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "journal")
	if err := os.WriteFile(path, []byte("a letter\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Open(path, rulesOf("right")); err == nil {
		t.Error("a letter was taken for a journal")
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != "a letter\n" {
		t.Errorf("the letter is %q (%v)", text, err)
	}
}

// Where the journal cannot be written, nobody is told yes.
func TestJournalThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "journal")
	grid := reopen(t, path)
	readOnly, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer readOnly.Close()
	grid.journal.file = readOnly
	for range 2 {
		if err := grid.Add(t.Context(), shop.Order{ID: "1"}); err == nil || grid.Counts().Open > 0 {
			t.Errorf("a unit was accepted and is not in the journal (%v)", err)
		}
	}
}
