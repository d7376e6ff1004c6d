package score

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"time"

	"github.com/valyala/fasthttp"

	"course.example/lab/internal/bench"
)

// latency lets a few orders a second come, and waits for each: rounds of the open
// loop, each with its own percentiles.
func (s *session) latency(ctx context.Context) error {
	work := s.pace.work
	l := Latency{Rate: s.pace.lowRate, WorkMS: float64(work.Milliseconds())}
	var figures []Figure
	answers, processed := newHistogram(), newHistogram()
	late := 0.0
	err := s.with(ctx, change{work: work}, func(b *bench.Bench, m *meter) (err error) {
		// The first orders open connections and fill caches; nobody measures them.
		Fire(ctx, l.Rate, time.Second, m.place(b))
		s.settle(ctx, b, m, 5*time.Second)
		m.processed()
		small := []float64{0.5, 2, 0.5, 2}
		figures, err = repeat(s.pace.rounds, small, func() ([]float64, error) {
			a := Fire(ctx, l.Rate, s.pace.round, m.place(b))
			if ctx.Err() != nil {
				return nil, context.Cause(ctx)
			}
			if a.Refused*100 > a.Sent {
				return nil, fmt.Errorf("%d of %d orders were refused at %v a second",
					a.Refused, a.Sent, l.Rate)
			}
			s.settle(ctx, b, m, 5*time.Second)
			p := m.processed()
			late = max(late, milliseconds(a.Late, 99))
			answers.Merge(a.Answers)
			processed.Merge(p)
			return []float64{milliseconds(a.Answers, 50), milliseconds(a.Answers, 99),
				milliseconds(p, 50), milliseconds(p, 99)}, nil
		})
		return err
	})
	if err != nil {
		return err
	}
	l.Answer50, l.Answer99, l.Processed50, l.Processed99 =
		figures[0], figures[1], figures[2], figures[3]
	l.Answers, l.Processed = distribution(answers), distribution(processed)
	if late > tooLate {
		l.Answer99.Noisy, l.Processed99.Noisy = true, true
	}
	s.row.Latency = l
	return nil
}

// tooLate is the lateness of the generator, in milliseconds, from which on the
// machine was too busy for a p99 to be believed.
const tooLate = 10

// sustained finds the highest rate that does not make a backlog grow, by bisection,
// beginning with what a closed loop achieves.
func (s *session) sustained(ctx context.Context) error {
	var out Sustained
	err := s.with(ctx, change{}, func(b *bench.Bench, m *meter) error {
		door, err := customersOf(b)
		if err != nil {
			return err
		}
		defer door.close()
		guess, err := s.most(ctx, b, m, door)
		if err != nil {
			return err
		}
		probe := func(rate float64) (Probe, error) { return s.probe(ctx, b, m, door, rate) }
		figures, err := repeat(s.pace.searches, []float64{5}, func() ([]float64, error) {
			rate, probes, err := bisect(guess, s.pace.probes, probe)
			out.Probes = append(out.Probes, probes...)
			guess = max(0.8*rate, 1) // from another place, so as not to try the same rates
			return []float64{rate}, err
		})
		if err != nil {
			return err
		}
		out.Rate = figures[0]
		out.Answer50, err = s.halfway(ctx, b, m, door, out.Rate.Value)
		return err
	})
	if err != nil {
		return err
	}
	out.Generator = s.generator.Rate.Value > 0 && out.Rate.Value > s.generator.Rate.Value/2
	s.row.Sustained = out
	return nil
}

// halfway is the time to an answer at half of what is sustained, in the same run: not so
// near to the edge that chance decides, and no work that hides what the way costs.
func (s *session) halfway(
	ctx context.Context, b *bench.Bench, m *meter, door *customers, rate float64,
) (Figure, error) {
	rate = max(rate/2, 1)
	// The last probe may have been too much: what it has left behind is not measured.
	Fire(ctx, rate, s.pace.probe, door.due)
	figures, err := repeat(s.pace.searches, []float64{0.5}, func() ([]float64, error) {
		a := Fire(ctx, rate, s.pace.probe, door.due)
		s.settle(ctx, b, m, 5*time.Second)
		return []float64{milliseconds(a.Answers, 50)}, context.Cause(ctx)
	})
	if err != nil {
		return Figure{}, err
	}
	return figures[0], nil
}

// bisect finds the highest rate that holds. It begins at a guess, doubles or halves
// until the answer lies between two rates, and then halves the distance.
func bisect(
	guess float64, probes int, try func(rate float64) (Probe, error),
) (float64, []Probe, error) {
	low, high, rate := 0.0, math.Inf(1), guess
	var tried []Probe
	for range probes {
		p, err := try(rate)
		if err != nil {
			return low, tried, err
		}
		tried = append(tried, p)
		if p.Held {
			low = rate
		} else {
			high = rate
		}
		switch {
		case math.IsInf(high, 1):
			rate *= 1.5
		default:
			rate = (low + high) / 2
		}
	}
	return low, tried, nil
}

// most is the throughput with a few orders open all the time.
func (s *session) most(
	ctx context.Context, b *bench.Bench, m *meter, door *customers,
) (float64, error) {
	if err := s.flood(ctx, b, m, door, 500*time.Millisecond); err != nil {
		return 0, err // the first orders only warm everything up
	}
	before, begun := m.count(), time.Now()
	err := s.flood(ctx, b, m, door, 1500*time.Millisecond)
	rate := float64(m.count()-before) / time.Since(begun).Seconds()
	if err == nil && rate == 0 {
		err = fmt.Errorf("no order was processed within %v", time.Since(begun).Round(time.Second))
	}
	return rate, err
}

func (s *session) flood(
	ctx context.Context, b *bench.Bench, m *meter, door *customers, lasts time.Duration,
) error {
	window := NewWindow(32)
	m.use(window)
	defer m.use(nil)
	timed, stop := context.WithTimeout(ctx, lasts)
	defer stop()
	window.Run(timed, func(ctx context.Context) error {
		_, err := door.place(ctx)
		return err
	})
	s.settle(ctx, b, m, 5*time.Second)
	return context.Cause(ctx)
}

// What a rate may do to the backlog, to the customers and to the generator before it
// counts as not sustained.
const (
	growthShare  = 0.05 // of the orders of the second half, and
	someOrders   = 25   // so many more: a batch may be under way
	refusedShare = 0.005
	slowAnswer   = 1000 // milliseconds, p99
)

// probe tries one rate. The backlog is what was due and has not come to an end: between
// the middle and the end of the probe it must not grow.
func (s *session) probe(
	ctx context.Context, b *bench.Bench, m *meter, door *customers, rate float64,
) (Probe, error) {
	half := s.pace.probe / 2
	growing := make(chan int, 1)
	go func() { growing <- growth(ctx, rate, s.pace.probe, m.count) }()
	a := Fire(ctx, rate, s.pace.probe, door.due)
	grown := <-growing
	p := Probe{Rate: round(rate), P99: round(milliseconds(a.Answers, 99))}
	allowed := int(growthShare*rate*half.Seconds()) + someOrders
	behind := milliseconds(a.Late, 99)
	switch {
	case a.Refused > int(refusedShare*float64(a.Sent)):
		p.Why = fmt.Sprintf("%d of %d were refused", a.Refused, a.Sent)
	case grown > allowed:
		p.Why = fmt.Sprintf("the backlog grew by %d", grown)
	case p.P99 > slowAnswer:
		p.Why = fmt.Sprintf("answers took %.0f ms", p.P99)
	case behind > slowAnswer/2:
		p.Why = "the load generator fell behind"
	default:
		p.Held = true
	}
	if !s.settle(ctx, b, m, 10*time.Second) && p.Held {
		p.Held, p.Why = false, "the backlog stayed"
	}
	return p, context.Cause(ctx)
}

// growth is by how much the backlog grows between the middle and the end of a probe that
// begins now. It is looked at while customers come, not when the last one has his answer:
// a shop that answers when the work is done has no backlog by then, whatever the rate, for
// it stood at the door.
func growth(ctx context.Context, rate float64, lasts time.Duration, ended func() int) int {
	begun, before := time.Now(), ended()
	backlog := func(at time.Duration) int {
		if pause(ctx, time.Until(begun.Add(at))) != nil {
			return 0 // nobody wants to know any more
		}
		return int(rate*time.Since(begun).Seconds()) - (ended() - before)
	}
	half := backlog(lasts / 2)
	return backlog(lasts) - half
}

// Calibrate measures the load generator against a server that does nothing, in this same
// process: what it cannot do there it cannot do anywhere.
func Calibrate(ctx context.Context, lasts time.Duration) (g Generator, err error) {
	addr, stop, err := serveNothing(ctx)
	if err != nil {
		return g, fmt.Errorf("calibrate: %w", err)
	}
	defer func() { err = errors.Join(err, stop()) }()
	door, err := newCustomers("http://" + addr)
	if err != nil {
		return g, err
	}
	defer door.close()
	Fire(ctx, 500, lasts/2, door.due)
	low := Fire(ctx, 500, lasts, door.due)
	g.Answer50 = round(milliseconds(low.Answers, 50))
	g.Answer99 = round(milliseconds(low.Answers, 99))
	guess := 40_000.0
	figures, err := repeat(2, []float64{5}, func() ([]float64, error) {
		rate, _, err := bisect(guess, 6, func(rate float64) (Probe, error) {
			a := Fire(ctx, rate, lasts, door.due)
			held := a.Refused == 0 && milliseconds(a.Answers, 99) < 100
			return Probe{Rate: rate, Held: held}, context.Cause(ctx)
		})
		guess = max(0.8*rate, 1) // from another place, so as not to try the same rates
		return []float64{rate}, err
	})
	if err != nil {
		return g, err
	}
	g.Rate = figures[0]
	return g, nil
}

// serveNothing serves a shop that takes every order and does nothing with it.
func serveNothing(ctx context.Context) (addr string, stop func() error, err error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	server := &fasthttp.Server{
		Handler: func(r *fasthttp.RequestCtx) { r.SetStatusCode(fasthttp.StatusAccepted) },
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	return listener.Addr().String(), func() error {
		return errors.Join(server.Shutdown(), <-served)
	}, nil
}
