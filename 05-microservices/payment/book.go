package payment

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"
)

// Book is where charges stand: a file to which all replicas append, a line for each.
// To enter a charge is to make it.
//
// Replicas that kept keys in their own memory would charge twice whenever a repeat came
// to another one, and forget everything in a kill. So the file decides: of all lines
// with one key the first stands, and the others are void. The kernel puts what is
// appended one after the other, and every replica reads the same order. Whoever has
// appended a line reads on to it, and knows whether it was the first. (As a way to
// agree this is known as a shared log; with the index in chapter.go, as Bitcask.)
//
// It survives a kill of any process, not a loss of power: nothing is synced. It is
// safe for concurrent use by any number of processes on one machine.
type Book struct {
	dir  string
	ttl  time.Duration // how long a key is remembered
	most int           // how many keys fill a chapter

	mu          sync.Mutex
	now, before chapter
	buffer      []byte
	sick        error  // of the last attempt to append
	lastLine    []byte // that we have appended
	lastEntry   Entry  // which it says
}

// Entry is a line of the book: a charge, or one that was declined.
type Entry struct {
	Key         string `json:"key"`
	OrderID     string `json:"order_id"`
	UserEmail   string `json:"user_email"`
	AmountCents int64  `json:"amount_cents"`
	ReceiptID   string `json:"receipt_id"`
	AtMs        int64  `json:"at_unix_ms"`
	Declined    bool   `json:"declined,omitempty"`
	End         bool   `json:"end,omitempty"` // no charge: the last line of a chapter
}

// OpenBook opens the book in a folder, makes both if they are not there, and reads it.
func OpenBook(dir string, ttl time.Duration, most int) (*Book, error) {
	b := &Book{dir: dir, ttl: ttl, most: most, buffer: make([]byte, 64<<10)}
	err := os.MkdirAll(dir, 0o700)
	if err == nil {
		err = b.begin()
	}
	if err != nil {
		return nil, fmt.Errorf("open the book: %w", errors.Join(err, b.Close()))
	}
	return b, nil
}

// Close closes the book's files.
func (b *Book) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return errors.Join(b.now.close(), b.before.close())
}

// Find returns what was entered under the key, if anything was. It is an error, too,
// when nothing could be entered now.
func (b *Book) Find(key string) (e Entry, found bool, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.sick != nil {
		err = b.check()
	} else {
		err = b.catchUp()
	}
	if err == nil {
		e, found, err = b.look(key)
	}
	if err != nil {
		return Entry{}, false, fmt.Errorf("look into the book: %w", err)
	}
	return e, found, nil
}

// Enter makes the charge, unless there is one under its key: then it returns that
// one, and entered is false. Of any number of calls at the same time, in whatever
// process, one enters. After an error nobody knows.
func (b *Book) Enter(e Entry) (first Entry, entered bool, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for found := false; !found && err == nil; {
		e.AtMs = time.Now().UnixMilli()
		if err = b.append(e); err == nil {
			err = b.catchUp()
		}
		if err == nil {
			// Not found: the line is void. It stands behind the end of its chapter, or
			// behind half a line, which a kill or a full disk has left.
			first, found, err = b.look(e.Key)
		}
	}
	if err != nil {
		return Entry{}, false, fmt.Errorf("enter a charge in the book: %w", err)
	}
	if len(b.now.lines) >= b.most {
		if err := b.endChapter(); err != nil { // the charge stands; the next one tries
			slog.Warn("cannot end a chapter of the book", "error", err)
		}
	}
	return first, first.ReceiptID == e.ReceiptID, nil
}

// append writes a line in one call, so that no other comes in between.
func (b *Book) append(e Entry) error {
	line, err := json.Marshal(e)
	if err != nil {
		return err
	}
	line = append(line, '\n')
	if _, err = b.now.file.Write(line); err == nil {
		err = b.now.there()
	}
	b.lastLine, b.lastEntry, b.sick = line, e, err
	return err
}

// parse reads a line. Our own we know without: it would be the larger part of the cost.
func (b *Book) parse(line []byte) (e Entry, err error) {
	if bytes.Equal(line, b.lastLine) {
		return b.lastEntry, nil
	}
	err = json.Unmarshal(line, &e)
	return e, err
}

// Check says why nothing can be entered, or returns nil.
func (b *Book) Check() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.check()
}

func (b *Book) check() error {
	err := b.catchUp()
	if err == nil && b.sick != nil {
		// Try again, with a blank line for which a charge would have room, too.
		_, err = b.now.file.WriteString(strings.Repeat(" ", 1<<10) + "\n")
	}
	if err == nil {
		err = b.now.there()
	}
	if b.sick = err; err != nil {
		return fmt.Errorf("the book cannot be written: %w", err)
	}
	return nil
}

// Charges lists what stands in the book in a folder, in no order, without the charges
// that were declined. It does not hold up those who are writing.
func Charges(dir string, ttl time.Duration) (charges []Entry, err error) {
	b, err := OpenBook(dir, ttl, 0)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	for _, c := range []chapter{b.before, b.now} {
		for _, p := range c.lines {
			e, err := b.entry(c, p)
			if err != nil {
				return nil, fmt.Errorf("list the charges: %w", err)
			}
			if !e.Declined {
				charges = append(charges, e)
			}
		}
	}
	return charges, nil
}
