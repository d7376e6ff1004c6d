package labtest

import (
	"math"
	"sync"

	"course.example/lab/internal/history"
	"course.example/lab/internal/ledger"
)

// Summary is the ledger's account of what became of the orders.
type Summary = ledger.Summary

// Ledger is the lab's ledger for a test that starts a process itself. What an effect, a
// duplicate, a loss is, is decided there and not in the test. The zero value is empty, and
// safe for concurrent use.
type Ledger struct {
	mu     sync.Mutex
	ledger ledger.Ledger
}

// Line takes a line that a process has written, with LOG_FORMAT=json. Most say nothing of
// any order; one that was cut off by a kill does not either.
func (l *Ledger) Line(raw []byte) {
	event, ok := history.ParseLine("", raw).Event()
	if !ok {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ledger.Add(event)
}

// Summary is the account so far.
func (l *Ledger) Summary() Summary {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ledger.Summary()
}

// Open lists the accepted orders without an end: once nobody works on them, they are lost.
func (l *Ledger) Open() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ledger.Open(math.MaxInt)
}
