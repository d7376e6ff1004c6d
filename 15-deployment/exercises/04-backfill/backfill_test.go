//go:build exercise

package backfill

import (
	"errors"
	"slices"
	"testing"
)

// rows is a table in memory: what stands in the new column, by the number of the row less one.
type rows struct {
	new     []string
	largest int   // batch
	commits int   // until it fails
	err     error // with which it fails then
}

func (r *rows) Empty(behind, n int) (empty []int) {
	for i, value := range r.new {
		if i+1 > behind && value == "" && len(empty) < n {
			empty = append(empty, i+1)
		}
	}
	return empty
}

func (r *rows) Fill(batch []int) error {
	r.largest = max(r.largest, len(batch))
	if r.commits--; r.commits < 0 {
		return r.err
	}
	for _, row := range batch {
		if r.new[row-1] != "" {
			return errors.New("a value was overwritten")
		}
		r.new[row-1] = "filled"
	}
	return nil
}

func TestBackfill(t *testing.T) {
	killed := errors.New("killed")
	table := &rows{new: make([]string, 95), commits: 4, err: killed}
	table.new[12] = "changed by a customer"
	rests := 0
	rest := func() { rests++ }

	filled, err := Backfill(table, 10, rest)
	if !errors.Is(err, killed) {
		t.Fatalf("killed after four batches: %v", err)
	}
	if filled != 40 || table.largest > 10 || rests < 3 {
		t.Errorf("%d rows were filled before the kill, the largest batch has %d, %d rests",
			filled, table.largest, rests)
	}
	table.new[70] = "changed by a customer"
	table.commits = 1000
	filled, err = Backfill(table, 10, rest)
	if err != nil || filled != 53 {
		t.Errorf("started again: %d rows, %v; want 53", filled, err)
	}
	if i := slices.Index(table.new, ""); i >= 0 {
		t.Errorf("row %d was left out", i+1)
	}
	if filled, err = Backfill(table, 10, rest); filled != 0 || err != nil {
		t.Errorf("once more: %d rows, %v", filled, err)
	}
}
