package ledger

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// Book is what became of the orders of a run as the step itself has written it down, where the
// effects happen: a table of charges, an account. Processes tell the log what they have done, and
// may be killed between the two, so the book is right where they differ. What a step's book does
// not know is nil.
type Book struct {
	Accepted   *int `json:"accepted,omitempty"`   // orders that the step answers for
	Processed  *int `json:"processed,omitempty"`  // of them, with their effect
	Failed     *int `json:"failed,omitempty"`     // of them, given up without it
	Lost       *int `json:"lost,omitempty"`       // of them, with neither
	Duplicated *int `json:"duplicated,omitempty"` // effects beyond an order's first
}

// ParseBook reads the answer of an audit. Other members of the object are the step's business.
func ParseBook(raw []byte) (*Book, error) {
	var b Book
	if err := json.Unmarshal(raw, &b); err != nil {
		return nil, fmt.Errorf("the audit's answer is no JSON object with numbers: %w", err)
	}
	if b.Lost == nil && b.Duplicated == nil {
		return nil, errors.New("the audit tells neither what was lost nor what was duplicated")
	}
	for _, figure := range b.figures(&Summary{}) {
		if figure.book != nil && *figure.book < 0 {
			return nil, fmt.Errorf("the audit says that %s is %d", figure.name, *figure.book)
		}
	}
	return &b, nil
}

type bookFigure struct {
	name string
	book *int
	log  *int
	// beside is what the book counts and this figure of the log does not: orders that were done
	// and whose customers got no answer. The book does not know what a customer was told.
	beside int
}

func (b *Book) figures(s *Summary) []bookFigure {
	return []bookFigure{
		{"accepted", b.Accepted, &s.Accepted, s.Ghosts},
		{"processed", b.Processed, &s.Processed, s.Ghosts},
		{"failed", b.Failed, &s.Failed, 0}, {"lost", b.Lost, &s.Open, 0},
		{"duplicated", b.Duplicated, &s.Duplicated, 0},
	}
}

// By is the account with the figures of the book, where it knows them, and says in words in what
// the log differs from it, or nothing.
func (s Summary) By(b *Book) (account Summary, differs string) {
	if b == nil {
		return s, ""
	}
	var log, book []string
	for _, figure := range b.figures(&s) {
		if figure.book == nil || *figure.book == *figure.log+figure.beside {
			continue
		}
		log = append(log, fmt.Sprintf("%d %s", *figure.log+figure.beside, figure.name))
		book = append(book, fmt.Sprintf("%d %s", *figure.book, figure.name))
		*figure.log = max(0, *figure.book-figure.beside)
	}
	if len(log) > 0 {
		differs = fmt.Sprintf("the log says %s; the book says %s",
			strings.Join(log, ", "), strings.Join(book, ", "))
	}
	return s, differs
}
