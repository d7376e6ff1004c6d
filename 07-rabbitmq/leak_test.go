package rabbitmq

import (
	"testing"

	"go.uber.org/goleak"
)

// Not parallel: the goroutines of another test would be taken for a leak.
func TestNothingIsLeftRunning(t *testing.T) {
	direct := onBroker(t)
	others := goleak.IgnoreCurrent()
	t.Run("scene", func(t *testing.T) {
		s, network := through(t, direct)
		seen := newTally()
		_, consumer := subscriber(t, s, seen.handle)
		p, producer := publisher(t, s)
		network.setAway(true)
		eventually(t, "not ready", func() bool { return p.Ready(t.Context()) != nil })
		network.setAway(false)
		ready(t, p)
		ids := place(t, direct, 10)
		eventually(t, "handled", func() bool { return seen.missing(ids) == 0 })
		consumer.end(t)
		producer.end(t)
		bad := s
		bad.URL += "-nowhere"
		if _, err := connect(t.Context(), bad, "test", quorumOrders); err == nil {
			t.Error("connected to a vhost that is not there")
		}
	})
	goleak.VerifyNone(t, others)
}
