package main

import (
	"fmt"
	"sync"
	"testing"
)

// BenchmarkOneMessage is one message and its answer, three ways. The reference for
// the mailbox is the call through an interface: the plain one is copied to its
// caller, and nothing is left of it to compare with.
func BenchmarkOneMessage(b *testing.B) {
	var reference float64
	b.Run("call", func(b *testing.B) {
		b.ReportAllocs()
		consumer := &Consumer{}
		for b.Loop() {
			consumer.Elaborate(1, 2)
		}
	})
	b.Run("interface", func(b *testing.B) {
		b.ReportAllocs()
		// The compiler must not know which: then it would be a call as above.
		receiver := receivers[0]
		for b.Loop() {
			receiver.Elaborate(1, 2)
		}
		reference = nsPerOp(b)
	})
	b.Run("mailbox", func(b *testing.B) {
		b.ReportAllocs()
		mailbox := NewMailbox()
		defer open(b.Context(), mailbox, &Consumer{})()
		for b.Loop() {
			if _, err := mailbox.Ask(b.Context(), 1, 2); err != nil {
				b.Fatal(err)
			}
		}
		if reference > 0 {
			b.ReportMetric(nsPerOp(b)/reference, "x-of-interface")
		}
	})
}

func nsPerOp(b *testing.B) float64 {
	return float64(b.Elapsed().Nanoseconds()) / float64(b.N)
}

var receivers = []Elaborator{&Consumer{}, Multiplier{}}

// The last column of MEASUREMENTS.md: only the mailbox allocates, and only the channel for
// the reply. Not parallel, since the allocations of other tests would count.
func TestWhatAMessageAllocates(t *testing.T) {
	mailbox, consumer, receiver := NewMailbox(), &Consumer{}, receivers[0]
	defer open(t.Context(), mailbox, &Consumer{})()
	for name, way := range map[string]struct {
		send func()
		want float64
	}{
		"call":      {func() { consumer.Elaborate(1, 2) }, 0},
		"interface": {func() { receiver.Elaborate(1, 2) }, 0},
		"mailbox": {func() {
			if _, err := mailbox.Ask(t.Context(), 1, 2); err != nil {
				t.Error(err)
			}
		}, 1},
	} {
		if got := testing.AllocsPerRun(1000, way.send); got != way.want {
			t.Errorf("%s: %v allocations, want %v", name, got, way.want)
		}
	}
}

// BenchmarkProducers is one mailbox and more and more producers: its one owner
// answers one message at a time, whoever sends.
func BenchmarkProducers(b *testing.B) {
	var alone float64
	for _, producers := range []int{1, 2, 4} {
		b.Run(fmt.Sprintf("producers=%d", producers), func(b *testing.B) {
			mailbox := NewMailbox()
			defer open(b.Context(), mailbox, &Consumer{})()
			b.ResetTimer()
			var group sync.WaitGroup
			for p := range producers {
				group.Go(func() {
					// The shares, rounded down, add up to b.N.
					for range (b.N + p) / producers {
						if _, err := mailbox.Ask(b.Context(), 1, 2); err != nil {
							b.Error(err)
						}
					}
				})
			}
			group.Wait()
			b.StopTimer()
			rate := float64(b.N) / b.Elapsed().Seconds()
			if producers == 1 {
				alone = rate
			}
			b.ReportMetric(rate, "messages/s")
			if alone > 0 {
				b.ReportMetric(rate/alone, "speed-up")
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}
