package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"course.example/lab/internal/bench"
	"course.example/lab/internal/history"
	"course.example/lab/internal/manifest"
	"course.example/lab/internal/page"
)

// hall is a run as the page for the projector sees it.
type hall struct {
	*show
	page *page.Page

	trying sync.Mutex // one fault is tried at a time

	mu    sync.Mutex
	waits int // in the middle; -1 when nobody can tell
	asked time.Time
}

// showPage serves the page of the run until close is called.
func (s *show) showPage(
	ctx context.Context, p *page.Page, variant string, proxy bool,
) (server *page.Server, close func(), err error) {
	h := &hall{show: s, page: p, waits: -1}
	server, err = page.Listen(ctx, p, h.about(variant, proxy), h)
	if err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	served := make(chan error, 1)
	go func() { served <- server.Serve(ctx) }()
	return server, func() {
		cancel()
		if err := <-served; err != nil {
			s.screen.Say("%v", err)
		}
	}, nil
}

func (h *hall) about(variant string, proxy bool) page.About {
	a := page.About{
		Name: h.step.Name, Title: h.step.Title, Variant: cmp.Or(variant, manifest.Right), Proxy: proxy,
		Doors: []string{}, Workers: []string{}, Acts: []page.Act{},
	}
	for _, p := range h.step.Processes {
		if p.Orders {
			a.Doors = append(a.Doors, p.Name)
		} else {
			a.Workers = append(a.Workers, p.Name)
		}
	}
	for _, k := range h.keys() {
		a.Acts = append(a.Acts, page.Act{Key: k.Keys[0], Act: k.Act, Help: k.Help})
	}
	for _, tool := range []string{"poison 10", "duplicate 5"} {
		if name, _, _ := strings.Cut(tool, " "); len(h.step.Tool(name)) > 0 {
			a.Acts = append(a.Acts, page.Act{Act: tool, Help: tool})
		}
	}
	return a
}

// Look is the run as it is now.
func (h *hall) Look(ctx context.Context) page.Look {
	status := h.bench.Status()
	l := page.Look{
		Sum: status.Summary, Refused: status.Refused, Lost: status.Open,
		Waits: h.waiting(ctx), Wrong: h.code.wrong(), Processes: []page.Process{},
	}
	for _, p := range h.bench.Processes() {
		if p.State == "down" {
			h.page.Gone(p.Name)
		}
		l.Processes = append(l.Processes, page.Process{
			Name: p.Name, Kind: p.Kind, State: p.State, Impaired: p.Impaired, Held: h.page.Holding(p.Name),
		})
	}
	for _, s := range h.bench.Servers() {
		l.Services = append(l.Services, page.Service{Name: s.Name, Up: s.Up, Owned: s.Owned})
	}
	return l
}

// How often the middle is asked what waits in it, and for how long. A server that is away does not
// answer, and the page goes on.
const (
	askEvery = 500 * time.Millisecond
	askFor   = 300 * time.Millisecond
)

func (h *hall) waiting(ctx context.Context) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.step.Waiting == nil || time.Since(h.asked) < askEvery {
		return h.waits
	}
	ctx, cancel := context.WithTimeout(ctx, askFor)
	defer cancel()
	h.waits = -1
	if w, err := h.bench.Waiting(ctx); err == nil {
		h.waits = w.N
	}
	h.asked = time.Now()
	return h.waits
}

// Do carries out an act, as lab do has it.
func (h *hall) Do(ctx context.Context, act string) (string, error) { return h.do(ctx, act) }

// History has the marks and the lives of the run.
func (h *hall) History() history.Run { return h.bench.History() }

// What [hall.Try] does to a run that is otherwise quiet.
const (
	tryOrders = 100
	tryBefore = 500 * time.Millisecond // of the burst, before something is broken
	tryBroken = 2 * time.Second        // before it is mended
	tryLimit  = 2 * time.Minute
)

// Try keeps the other customers at home, breaks something under a burst of orders, mends it, and
// counts what has come of it once all is quiet.
func (h *hall) Try(ctx context.Context, act string) (page.Outcome, error) {
	if !h.trying.TryLock() {
		return page.Outcome{}, errors.New("another fault is being tried: wait for its end")
	}
	defer h.trying.Unlock()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), tryLimit)
	defer cancel()
	defer h.bench.Hold()()
	if err := h.quiet(ctx); err != nil {
		return page.Outcome{}, err
	}
	before := h.bench.Status()
	placed := make(chan struct{})
	go func() {
		defer close(placed)
		_, _ = h.bench.Place(ctx, tryOrders) // what the shop refuses is in the ledger
	}()
	err := pause(ctx, tryBefore)
	if err == nil {
		err = h.bench.Do(ctx, act)
	}
	if err == nil {
		err = pause(ctx, tryBroken)
	}
	err = errors.Join(err, h.bench.Mend(ctx))
	<-placed
	if err = errors.Join(err, h.quiet(ctx)); err != nil {
		return page.Outcome{}, fmt.Errorf("try %s: %w", act, err)
	}
	after := h.bench.Status()
	return page.Outcome{
		Accepted:   after.Accepted - before.Accepted,
		Lost:       after.Open - before.Open,
		Duplicated: after.Duplicated - before.Duplicated,
		Refused:    after.Refused - before.Refused,
	}, nil
}

// quiet waits until nothing happens any more.
func (h *hall) quiet(ctx context.Context) error {
	return h.bench.Drain(ctx, bench.Settle{
		Quiet: h.step.SettleWith(h.step.Run).Std(), Limit: h.step.Standstill(),
	})
}

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
