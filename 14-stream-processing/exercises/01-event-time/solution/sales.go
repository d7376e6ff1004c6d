// Package sales adds up what is sold.
package sales

import "time"

// Record is an order as it stands in the log.
type Record struct {
	Order    string    // its identity
	Placed   time.Time // by the customer's clock
	Appended time.Time // by the clock of the log
	Cents    int
}

// Sales are the cents of each minute. The zero value has none.
type Sales struct {
	Minutes map[string]int // by the minute in UTC: 12:07
	counted map[string]bool
}

// Add counts a record.
func (s *Sales) Add(r Record) {
	if s.Minutes == nil {
		s.Minutes, s.counted = map[string]int{}, map[string]bool{}
	}
	if s.counted[r.Order] {
		return
	}
	s.counted[r.Order] = true
	at := r.Placed
	if at.After(r.Appended) {
		at = r.Appended
	}
	s.Minutes[at.UTC().Format("15:04")] += r.Cents
}
