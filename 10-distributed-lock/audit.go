package lock

// Book is what became of the orders, as the account has written it down. The log of a
// program that was killed may lack its last line; the account lacks nothing.
type Book struct {
	Accepted   int `json:"accepted"`   // orders that the account was told of
	Processed  int `json:"processed"`  // of them, billed
	Failed     int `json:"failed"`     // of them, given up
	Lost       int `json:"lost"`       // of them, neither: at the end of a run, lost
	Duplicated int `json:"duplicated"` // bills beyond an order's first
}

// Audit adds up the account's pages. Safe for concurrent use.
func (a *Account) Audit() Book {
	a.mu.Lock()
	defer a.mu.Unlock()
	b := Book{Accepted: len(a.sheets)}
	for _, s := range a.sheets {
		bills := 0
		for _, e := range s.entries {
			if e.Billed {
				bills++
			}
		}
		switch {
		case bills > 0:
			b.Processed++
			b.Duplicated += bills - 1
		case s.settled:
			b.Failed++
		default:
			b.Lost++
		}
	}
	return b
}

// stillOpen is how many orders are not settled. Safe for concurrent use.
func (a *Account) stillOpen() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	n := 0
	for _, s := range a.open {
		if !s.settled {
			n++
		}
	}
	return n
}
