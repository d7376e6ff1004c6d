package score

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"course.example/lab/internal/bench"
)

// How the orders come while so many wait.
const (
	// depthOpen customers order again as soon as an order is done, whichever. So
	// producer and consumers have as much to do as they can, at every depth alike.
	depthOpen = 32
	// depthRate is how many a second come beside them on a schedule. It is their wait
	// that is measured: an open loop.
	depthRate = 200
)

// depth measures rate and wait with more and more orders waiting. The consumers are
// away while they pile up, and back when it is measured.
func (s *session) depth(ctx context.Context) error {
	return s.with(ctx, change{}, func(b *bench.Bench, m *meter) error {
		door, err := customersOf(b)
		if err != nil {
			return err
		}
		defer door.close()
		waiting := &pile{how: *s.score.Backlog, address: s.address}
		for _, n := range s.pace.depths {
			s.say("%s orders waiting", number(float64(n)))
			if err := s.pileUp(ctx, b, m, waiting, n); err != nil {
				return err
			}
			d, err := s.atDepth(ctx, m, door, waiting, n)
			if err != nil {
				return err
			}
			s.row.Depths = append(s.row.Depths, d)
		}
		return nil
	})
}

// pileUp makes so many orders wait, and then calls the consumers back.
func (s *session) pileUp(
	ctx context.Context, b *bench.Bench, m *meter, waiting *pile, n int,
) (err error) {
	if n == 0 {
		return nil
	}
	if waiting.order == "" {
		s.settle(ctx, b, m, 5*time.Second)
	}
	kind, _ := s.step.Process(s.score.Consumer)
	if err := b.Do(ctx, "scale "+kind.Name+" 0"); err != nil {
		return err
	}
	if waiting.order == "" { // the one that is copied
		if waiting.order, err = b.PlaceOne(ctx); err != nil {
			return err
		}
	}
	if err := waiting.add(ctx, n-waiting.left); err != nil {
		return err
	}
	return b.Do(ctx, fmt.Sprintf("scale %s %d", kind.Name, max(1, kind.Count)))
}

// atDepth measures while so many wait. Between two rounds it makes up for what the
// consumers have taken and the customers not brought.
func (s *session) atDepth(
	ctx context.Context, m *meter, door *customers, waiting *pile, n int,
) (Depth, error) {
	d := Depth{Waiting: n}
	window := NewWindow(depthOpen)
	m.use(window)
	defer m.use(nil)
	var placed atomic.Int64
	before := m.count()
	left := func() int { return n + int(placed.Load()) - (m.count() - before) }
	place := func(ctx context.Context) error {
		_, err := door.place(ctx)
		if err == nil {
			placed.Add(1)
		}
		return err
	}
	scheduled := func(ctx context.Context, _ time.Time) error {
		err := place(ctx)
		if err == nil {
			window.Owe() // this one is placed in any case: another is not, for it
		}
		return err
	}
	flow, stop := context.WithCancel(ctx)
	var group sync.WaitGroup
	group.Go(func() { window.RunBy(flow, depthOpen, place) })
	defer func() {
		stop()
		group.Wait()
		waiting.left = max(0, left())
	}()

	if !look(ctx, joinLimit, func() bool { return m.count() > before }) {
		return d, fmt.Errorf("with %s waiting, %w within %v",
			number(float64(n)), errNoOrder, joinLimit)
	}
	figures, err := repeat(s.pace.depthRounds, []float64{25, 2}, func() ([]float64, error) {
		if err := waiting.add(ctx, min(n, n-left())); err != nil {
			return nil, err
		}
		Fire(ctx, depthRate, s.pace.depthFor/4, scheduled)
		from := time.Now()
		a := Fire(ctx, depthRate, s.pace.depthFor, scheduled)
		to := time.Now()
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if a.Refused*100 > a.Sent {
			return nil, fmt.Errorf("%d of %d orders were refused with %s waiting",
				a.Refused, a.Sent, number(float64(n)))
		}
		return []float64{m.rate(from, to), milliseconds(a.Answers, 99)}, nil
	})
	if err != nil {
		return d, err
	}
	d.Rate, d.Answer99 = figures[0], figures[1]
	return d, nil
}
