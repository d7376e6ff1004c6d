package saga

import (
	"context"
	"sync"
)

// memory is a Store that forgets everything when its process ends. It is there
// to measure what remembering costs.
type memory struct {
	shout func(context.Context, []Message) error

	mu    sync.Mutex
	sagas map[string]Saga
	inbox map[string]bool
}

func newMemory(shout func(context.Context, []Message) error) *memory {
	return &memory{shout: shout, sagas: map[string]Saga{}, inbox: map[string]bool{}}
}

// Apply publishes after the change, and waits for no confirm: what has no memory
// has nothing to be sure of.
func (m *memory) Apply(
	ctx context.Context, msg Message, fire func(*Saga) ([]Message, error),
) error {
	out, err := m.change(msg, fire)
	if err != nil || len(out) == 0 {
		return err
	}
	return m.shout(ctx, out)
}

func (m *memory) change(
	msg Message, fire func(*Saga) ([]Message, error),
) ([]Message, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.inbox[msg.ID] {
		return nil, errSeen
	}
	s, known := m.sagas[msg.Order.ID]
	if !known {
		s.State = Initially
	}
	out, err := fire(&s)
	if err != nil {
		return nil, err
	}
	m.inbox[msg.ID], m.sagas[msg.Order.ID] = true, s
	return out, nil
}

// Due has no deadlines.
func (m *memory) Due(context.Context) ([]Message, error) { return nil, nil }
