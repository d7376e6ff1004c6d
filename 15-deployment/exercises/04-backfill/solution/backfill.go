// Package backfill fills a new column of old rows.
package backfill

// Table is a table with rows 1, 2, 3 and so on.
type Table interface {
	// Empty returns the numbers of the next rows behind one whose new column is empty, at most n.
	Empty(behind, n int) []int
	// Fill writes the new column of these rows in one transaction. An error says that none of them
	// was written.
	Fill(rows []int) error
}

// Backfill fills the new column wherever it is empty, batch rows at a time, and rests between two
// batches. It returns how many rows it has filled.
func Backfill(table Table, batch int, rest func()) (filled int, err error) {
	last := 0
	for {
		rows := table.Empty(last, batch)
		if len(rows) == 0 {
			return filled, nil
		}
		if err := table.Fill(rows); err != nil {
			return filled, err
		}
		filled += len(rows)
		last = rows[len(rows)-1]
		rest()
	}
}
