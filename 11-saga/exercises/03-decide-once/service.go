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
}

// New returns a service that has decided nothing yet.
func New(take func(order string) bool, giveBack func(order string)) *Service {
	return &Service{take: take, giveBack: giveBack}
}

// Do answers Done or Refused.
func (s *Service) Do(order string) Answer {
	if s.take(order) {
		return Done
	}
	return Refused
}

// Undo answers Undone.
func (s *Service) Undo(order string) Answer {
	s.giveBack(order)
	return Undone
}
