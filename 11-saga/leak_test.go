package saga

import (
	"testing"

	"course.example/lab/services/servicestest"
	"go.uber.org/goleak"
)

// Not parallel: the goroutines of another test would be taken for a leak.
func TestNothingIsLeftRunning(t *testing.T) {
	servicestest.Shared(t, "rabbitmq")
	servicestest.Shared(t, "postgres")
	others := goleak.IgnoreCurrent()
	t.Run("scene", func(t *testing.T) {
		w := newWorld(t, "right")
		stop := w.start(everybody...)
		w.place(clients...)
		w.settled()
		stop()
	})
	goleak.VerifyNone(t, others)
}
