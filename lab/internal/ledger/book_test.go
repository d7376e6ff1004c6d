package ledger

import (
	"strings"
	"testing"
)

func TestTheBookIsRight(t *testing.T) {
	t.Parallel()
	log := Summary{Accepted: 10, Processed: 9, Open: 1, Ghosts: 2}
	for answer, want := range map[string]struct {
		account Summary
		differs string
	}{
		`{"lost": 1, "duplicated": 0}`: {log, ""},
		// The two whose customers got no answer stand in the book as all others do.
		`{"accepted": 12, "processed": 12, "lost": 0, "shelves": 7}`: {
			Summary{Accepted: 10, Processed: 10, Ghosts: 2},
			"the log says 11 processed, 1 lost; the book says 12 processed, 0 lost",
		},
		`{"duplicated": 3}`: {
			Summary{Accepted: 10, Processed: 9, Open: 1, Duplicated: 3, Ghosts: 2},
			"the log says 0 duplicated; the book says 3 duplicated",
		},
	} {
		book, err := ParseBook([]byte(answer))
		if err != nil {
			t.Fatal(err)
		}
		account, differs := log.By(book)
		if account != want.account || differs != want.differs {
			t.Errorf("%s: %+v, %q", answer, account, differs)
		}
	}
	if account, differs := log.By(nil); account != log || differs != "" {
		t.Errorf("without a book: %+v, %q", account, differs)
	}
}

// An audit that says nothing is no book without mistakes.
func TestAnswersThatAreNoBook(t *testing.T) {
	t.Parallel()
	for answer, want := range map[string]string{
		"": "no JSON", "[]": "no JSON", `{"lost": "none"}`: "no JSON", "{}": "neither",
		`{"processed": 3}`: "neither", `{"lost": -1}`: "lost is -1", "null": "neither",
	} {
		if _, err := ParseBook([]byte(answer)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: want an error with %q, got %v", answer, want, err)
		}
	}
}
