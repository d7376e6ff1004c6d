// Package service decides once for each order.
package service

// Answer is what a service says.
type Answer string

// The answers.
const (
	Done    Answer = "done"
	Refused Answer = "refused"
	Undone  Answer = "undone"
)

// Service takes something for an order, or gives it back. It is used by one goroutine.
type Service struct {
	take     func(order string) bool // false: there is not enough
	giveBack func(order string)
	decided  map[string]Answer // by order
}

// New returns a service that has decided nothing yet.
func New(take func(order string) bool, giveBack func(order string)) *Service {
	return &Service{take: take, giveBack: giveBack, decided: map[string]Answer{}}
}

// Do answers Done or Refused.
func (s *Service) Do(order string) Answer {
	switch s.decided[order] {
	case Done:
		return Done
	case Refused, Undone: // it comes late: nobody would undo it again
		return Refused
	}
	answer := Refused
	if s.take(order) {
		answer = Done
	}
	s.decided[order] = answer
	return answer
}

// Undo answers Undone.
func (s *Service) Undo(order string) Answer {
	if s.decided[order] == Done {
		s.giveBack(order)
	}
	s.decided[order] = Undone // of an order that is not known, too: its Do may be on the way
	return Undone
}
