package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"strings"
	"time"

	"course.example/lab/internal/ledger"
	"course.example/lab/internal/manifest"
	"course.example/lab/internal/middle"
)

// Settle says when a run is over.
type Settle struct {
	// Quiet is how long nothing may happen, while nothing waits in the middle.
	Quiet time.Duration
	// Limit is how long there may be no progress: then it is over all the same.
	Limit time.Duration
}

// Drain waits for the end of a run, which is empty and quiet: nothing waits in the middle, and
// nothing has happened for the settle time, neither an end nor a second effect. What is open then
// is lost. When nothing moves any more and the middle does not become empty, the run is over
// after the limit, and [Status] says what still waits. Drain is not called while customers still
// place orders.
func (b *Bench) Drain(ctx context.Context, settle Settle) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	// A long silence before the drain is no sign of anything: what was broken may have been
	// mended only now.
	quiet, moved := time.Now(), time.Now() // since when there is silence, and no progress
	least, wasOpen := math.MaxInt, -1
	next := time.Now() // when the middle is to be asked
	for {
		open, lastEvent, progress := b.pulse()
		quiet = later(quiet, lastEvent)
		switch {
		case open > 0:
			moved = later(moved, progress)
		case wasOpen != 0: // from now on, what happens is too much
			moved = time.Now()
		}
		wasOpen = open
		if !time.Now().Before(next) {
			waits, err := b.Waiting(ctx)
			if err != nil || waits.N > 0 {
				quiet = time.Now()
			}
			if err == nil && waits.N < least {
				least, moved = waits.N, later(moved, time.Now())
			}
			_, meanwhile, _ := b.pulse()
			if time.Since(quiet) >= settle.Quiet && meanwhile.Equal(lastEvent) {
				return nil
			}
			next = time.Now().Add(settle.Quiet / looks)
		}
		if time.Since(moved) >= settle.Limit {
			return b.unsettled(ctx, settle)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("drain: %d orders are still open: %w", open, context.Cause(ctx))
		case <-tick.C:
		}
	}
}

// looks is how often the middle is asked within the quiet: it must be empty from the first look to
// the last, because the line of an order that has just left it may come a moment later.
const looks = 5

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// Waiting asks the middle what waits in it. Where the step names nobody who can be asked, nothing
// does.
func (b *Bench) Waiting(ctx context.Context) (middle.Waiting, error) {
	if b.middle == nil {
		return middle.Waiting{}, nil
	}
	return b.middle.Ask(ctx)
}

// unsettled writes down why a run that is given up has not come to its end.
func (b *Bench) unsettled(ctx context.Context, settle Settle) error {
	waits, err := b.Waiting(ctx)
	if err != nil {
		return fmt.Errorf("nothing has moved for %v, and whether it is the end is unknown: %w",
			settle.Limit, err)
	}
	text := waits.String()
	if waits.N == 0 {
		text = fmt.Sprintf("nothing, and yet it was never quiet for %v", settle.Quiet)
	}
	b.record.conclude(func(c *conclusion) { c.waits = text })
	return nil
}

const (
	// auditLimit is how long the lab tries again to read a book that cannot be read: what keeps it
	// may have been started again only now.
	auditLimit = 5 * time.Second
	// readLimit bounds one reading. A book of many orders takes its time on a busy machine.
	readLimit = 30 * time.Second
)

// Audit reads the step's own book, if it and the variant keep one. It is called after [Bench.Drain]; from then on
// [Status] has the figures of the book.
func (b *Bench) Audit(ctx context.Context) error {
	how := b.supervisor.cfg.Step.Audit
	if how == nil || b.supervisor.variant.NoBook {
		return nil
	}
	late := time.NewTimer(auditLimit)
	defer late.Stop()
	for {
		reading, cancel := context.WithTimeout(ctx, readLimit)
		raw, err := b.readBook(reading, how)
		cancel()
		var book *ledger.Book
		if err == nil {
			book, err = ledger.ParseBook(raw)
		}
		if err == nil {
			b.record.conclude(func(c *conclusion) { c.book = book })
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("audit: %w", err)
		case <-late.C:
			return fmt.Errorf("audit: %w", err)
		case <-time.After(200 * time.Millisecond):
		}
	}
}

func (b *Bench) readBook(ctx context.Context, how *manifest.Audit) ([]byte, error) {
	if len(how.Command) > 0 {
		out, err := b.tool(ctx, "audit", how.Command...)
		return []byte(strings.TrimSpace(out)), err
	}
	// As seen from outside, and not through the wire.
	address, err := manifest.Expand(how.URL, b.places(""))
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	resp, err := b.supervisor.client.Do(req)
	if err != nil {
		return nil, err
	}
	raw, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	err = errors.Join(err, resp.Body.Close())
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %.200s", address, resp.Status, raw)
	}
	return raw, err
}
