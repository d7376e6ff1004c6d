package main

import (
	"fmt"
	"sync"
	"testing"
)

// BenchmarkOneMessage is one message and its answer, three ways.
func BenchmarkOneMessage(b *testing.B) {
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
	})
}

var receivers = []Elaborator{&Consumer{}, Multiplier{}}

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
