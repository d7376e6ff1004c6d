package outbox

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"course.example/shop"
)

// heldGroup is a group with one writer and room for four, whose batches stay under
// way until they are released.
type heldGroup struct {
	groupCommit
	release chan error
	batches [][]entry
}

func newHeldGroup() *heldGroup {
	h := &heldGroup{release: make(chan error)}
	h.groupCommit = groupCommit{
		writers: make(chan struct{}, 1), waiting: make(chan entry), most: 4,
		write: func(batch []entry) {
			h.batches = append(h.batches, batch)
			err := <-h.release
			for _, e := range batch {
				e.done <- err
			}
		},
	}
	return h
}

func (h *heldGroup) sizes() (sizes []int) {
	for _, batch := range h.batches {
		sizes = append(sizes, len(batch))
	}
	return sizes
}

func someEntry(t *testing.T) entry {
	t.Helper()
	e, err := newEntry(newOrder(t, shop.SampleEmail))
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// The first order is written at once, alone. Those that come meanwhile share the next
// commits, no more than four each, and each customer has an answer.
func TestOrdersThatComeDuringACommitShareTheNext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHeldGroup()
		var all sync.WaitGroup
		for range 8 {
			e := someEntry(t)
			all.Go(func() {
				if err := h.place(t.Context(), e); err != nil {
					t.Error(err)
				}
			})
			synctest.Wait()
		}
		if got := h.sizes(); !slices.Equal(got, []int{1}) {
			t.Errorf("while the first is under way, the batches are %v", got)
		}
		close(h.release)
		all.Wait()
		if got := h.sizes(); !slices.Equal(got, []int{1, 4, 3}) {
			t.Errorf("the batches are %v, want 1, 4 and 3", got)
		}
	})
}

// Who has waited in vain is told so, and is not written behind his back. Who is in a
// writer's hands waits for the writer.
func TestWhoWaitsInVainIsNotWritten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHeldGroup()
		late := errors.New("too late")
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, late)
		defer cancel()
		answers := make(chan error, 2)
		for range 2 {
			e := someEntry(t)
			go func() { answers <- h.place(ctx, e) }()
			synctest.Wait()
		}
		if err := <-answers; !errors.Is(err, late) {
			t.Errorf("who waits was told %v", err)
		}
		refusal := errors.New("refused")
		h.release <- refusal
		if err := <-answers; !errors.Is(err, refusal) {
			t.Errorf("who was in progress was told %v", err)
		}
		synctest.Wait()
		if got := h.sizes(); !slices.Equal(got, []int{1}) {
			t.Errorf("the batches are %v, want one of one", got)
		}
	})
}
