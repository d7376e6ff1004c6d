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
}

// Add counts a record.
func (s *Sales) Add(r Record) {
	if s.Minutes == nil {
		s.Minutes = map[string]int{}
	}
	s.Minutes[time.Now().UTC().Format("15:04")] += r.Cents
}
