package score

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	"course.example/lab/internal/bench"
)

var consumers = []int{1, 2, 4, 8}

// scalability measures the throughput with 1, 2, 4 and 8 consumers. Consumers that
// are processes are added while the orders flow, and how long the newest takes to
// its first order is measured on the way.
func (s *session) scalability(ctx context.Context) error {
	s.row.Scale = Scale{WorkMS: float64(s.pace.work.Milliseconds()), Without: s.score.Unscaled}
	if s.score.Unscaled != "" {
		return nil
	}
	if s.score.Workers != "" {
		return s.scaleWorkers(ctx)
	}
	kinds := s.score.Counted()
	s.row.Scale.Kinds, s.row.Scale.Open = s.score.Scaled, s.score.Open
	var joins []float64
	ch := change{work: s.pace.work, scale: map[string]int{}}
	for _, kind := range kinds {
		ch.scale[kind] = 1
	}
	err := s.with(ctx, ch, func(b *bench.Bench, m *meter) error {
		for _, n := range consumers {
			s.say("%d consumers", n)
			point, join, err := s.point(ctx, b, m, n)
			if err != nil {
				return err
			}
			s.addPoint(point)
			if n > 1 && join > 0 {
				joins = append(joins, join.Seconds())
			}
		}
		return nil
	})
	s.row.Scale.Join = figure(joins, math.Inf(1)) // of the second, fourth and eighth: no repeats
	return err
}

// point brings the consumers to n, waits until the newest has work, and counts.
func (s *session) point(
	ctx context.Context, b *bench.Bench, m *meter, n int,
) (p Point, join time.Duration, err error) {
	window := NewWindow(s.windowSize(n))
	m.use(window)
	defer m.use(nil)
	flow, stop := context.WithCancel(ctx)
	defer stop()
	var group errgroup.Group
	group.Go(func() error {
		window.Run(flow, func(ctx context.Context) error {
			_, err := b.PlaceOne(ctx)
			return err
		})
		return nil
	})
	if n > 1 {
		if join, err = s.join(ctx, b, m, n); errors.Is(err, errNoOrder) {
			s.problem("a new consumer: %v", err)
			err = nil
		}
	}
	if err == nil {
		p, err = s.throughput(ctx, m, n)
	}
	stop()
	err = firstError(err, group.Wait(), context.Cause(ctx))
	s.settle(ctx, b, m, 5*time.Second)
	return p, join, err
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// join asks for more consumers, and waits until one of them has had an order.
func (s *session) join(
	ctx context.Context, b *bench.Bench, m *meter, n int,
) (time.Duration, error) {
	before, asked := m.processes(), time.Now()
	for _, kind := range s.score.Counted() {
		if err := b.Do(ctx, fmt.Sprintf("scale %s %d", kind, n)); err != nil {
			return 0, err
		}
	}
	if len(s.score.Scaled) > 0 {
		return 0, s.allUp(ctx, b, n)
	}
	if !look(ctx, joinLimit, func() bool { return m.processes() > before }) {
		return 0, fmt.Errorf("of %d, %w within %v", n, errNoOrder, joinLimit)
	}
	join := time.Since(asked)
	// The others come a little later than the first.
	all := before + n/2
	look(ctx, joinLimit/4, func() bool { return m.processes() >= all })
	return join, nil
}

// allUp waits for so many of each kind that is counted. Which of them has an order in
// hand their logs do not tell: several share it.
func (s *session) allUp(ctx context.Context, b *bench.Bench, n int) error {
	up := func() bool {
		status := b.Status()
		for _, kind := range s.score.Scaled {
			if status.Up[kind] < n {
				return false
			}
		}
		return true
	}
	if !look(ctx, joinLimit, up) {
		return fmt.Errorf("of %d of each, not all were ready within %v", n, joinLimit)
	}
	return nil
}

var errNoOrder = errors.New("no new one had an order")

const joinLimit = 10 * time.Second

// throughput counts in several stretches of time, after a moment for the flow to
// become steady.
func (s *session) throughput(ctx context.Context, m *meter, n int) (Point, error) {
	if err := pause(ctx, 500*time.Millisecond); err != nil {
		return Point{}, err
	}
	figures, err := repeat(s.pace.stretches, []float64{0}, func() ([]float64, error) {
		from := time.Now()
		err := pause(ctx, s.pace.stretch)
		return []float64{m.rate(from, time.Now())}, err
	})
	if err != nil {
		return Point{}, err
	}
	p := Point{Consumers: n, Rate: figures[0]}
	return p, s.possible(p)
}

// possible says that the consumers did no more than so many workers can do, each of which
// is busy with an order for as long as its work takes. Where they did more, one consumer
// was not one worker, and the figures must not stand beside the others.
func (s *session) possible(p Point) error {
	most := float64(p.Consumers) / s.pace.work.Seconds()
	if p.Rate.Value <= measuredTooMuch*most {
		return nil
	}
	return fmt.Errorf("%d of them did %s orders a second, and one worker each can do %s: "+
		"does a consumer have more than one worker?", p.Consumers, p.Rate, number(most))
}

// measuredTooMuch is what may be measured of what is possible.
const measuredTooMuch = 1.05

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// windowSize is how many orders keep n consumers busy: what each may hold, and some.
func (s *session) windowSize(n int) int {
	if s.score.Open > 0 {
		return n * s.score.Open
	}
	holds := 4
	if p, ok := s.step.Process(s.score.Consumer); ok && s.score.Workers == "" {
		holds = max(holds, p.InFlight+2)
	}
	return n * holds
}

// scaleWorkers starts the step anew for every number of workers: there is no adding
// one while it runs.
func (s *session) scaleWorkers(ctx context.Context) error {
	for _, n := range consumers {
		env := map[string]string{s.score.Workers: strconv.Itoa(n)}
		ch := change{work: s.pace.work, env: env}
		err := s.with(ctx, ch, func(b *bench.Bench, m *meter) error {
			window := NewWindow(s.windowSize(n))
			m.use(window)
			defer m.use(nil)
			flow, stop := context.WithCancel(ctx)
			defer stop()
			var group errgroup.Group
			group.Go(func() error {
				window.Run(flow, func(ctx context.Context) error {
					_, err := b.PlaceOne(ctx)
					return err
				})
				return nil
			})
			point, err := s.throughput(ctx, m, n)
			stop()
			s.addPoint(point)
			return firstError(err, group.Wait())
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// addPoint compares with the first point, which is that of one consumer.
func (s *session) addPoint(p Point) {
	sc := &s.row.Scale
	p.SpeedUp, p.Efficiency = 1, 1
	if len(sc.Points) > 0 && sc.Points[0].Rate.Value > 0 {
		p.SpeedUp = round(p.Rate.Value / sc.Points[0].Rate.Value)
		p.Efficiency = round(p.SpeedUp / float64(p.Consumers))
	}
	sc.Points = append(sc.Points, p)
}
