package channels

import (
	"context"
	"log/slog"
	"runtime/metrics"
	"time"
)

// reportEvery is how often the log tells of a queue that is not empty.
const reportEvery = time.Second

// Details is what /healthz tells of the queue. Depth is the number to watch in
// operation: it rises before customers are turned away, and before memory ends.
func (c *Consumer) Details(context.Context) map[string]any {
	return map[string]any{
		"depth":       c.queue.Depth(),
		"capacity":    c.queue.Capacity(),
		"in_progress": c.InProgress(),
		"workers":     c.settings.Workers,
	}
}

// Report writes a line with the depth every second, as long as there is
// something in the queue, until Run has ended.
func (c *Consumer) Report() {
	tick := time.NewTicker(reportEvery)
	defer tick.Stop()
	for {
		select {
		case <-c.drained:
			return
		case <-tick.C:
			if depth := c.queue.Depth(); depth > 0 {
				slog.Info("queue", "depth", depth, "capacity", c.queue.Capacity(),
					"in_progress", c.InProgress(), "memory_mb", memory()>>20)
			}
		}
	}
}

// memory is how many bytes the Go runtime holds: the heap, and the stacks of all
// goroutines. It is what GOMEMLIMIT limits.
func memory() uint64 {
	samples := []metrics.Sample{
		{Name: "/memory/classes/total:bytes"},
		{Name: "/memory/classes/heap/released:bytes"},
	}
	metrics.Read(samples)
	return samples[0].Value.Uint64() - samples[1].Value.Uint64()
}
