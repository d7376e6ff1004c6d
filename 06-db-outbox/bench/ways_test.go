package bench

import (
	"context"
	"fmt"
	"testing"
	"time"

	outbox "course.example/06-db-outbox"
)

// waysInOrder are the four ways to take a message, as in the README.
var waysInOrder = []string{"naive", "row-lock", "skip-locked", "optimistic"}

var crowds = []int{1, 2, 4} // consumers

// result is one cell of the table "Is it easy to add new consumers?".
type result struct {
	rate       float64 // different orders per second
	duplicates int
}

var results = map[string]map[int]result{}

// BenchmarkWays answers "is it easy to add new consumers?": one message at a time
// in every way, and 10 ms of work for each.
func BenchmarkWays(b *testing.B) {
	for _, way := range waysInOrder {
		for _, crowd := range crowds {
			b.Run(fmt.Sprintf("%s/consumers=%d", way, crowd), func(b *testing.B) {
				for b.Loop() {
					measureWay(b, way, crowd)
				}
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}

func measureWay(b *testing.B, way string, crowd int) {
	s, pool := onDatabase(b)
	s.Take, s.Batch, s.Work = way, 1, 10*time.Millisecond
	n := 300
	if way == "naive" {
		n = 40 // at ten a second it takes as long
	}
	fill(b, pool, n, n)
	var runs []func(context.Context) error
	var all []*outbox.Consumer
	for i := range crowd {
		c, _ := consumer(b, s, fmt.Sprint("consumer-", i+1))
		all, runs = append(all, c), append(runs, c.Run)
	}
	took := timeUntil(b, func() bool { return number(b, pool, openMessages) == 0 }, runs...)
	r := result{
		rate:       float64(n) / took.Seconds(),
		duplicates: number(b, pool, effects) - n,
	}
	retries := int64(0)
	for _, c := range all {
		retries += c.Conflicts()
	}
	if results[way] == nil {
		results[way] = map[int]result{}
	}
	results[way][crowd] = r
	b.ReportMetric(r.rate, "orders/s")
	b.ReportMetric(r.rate/results[way][crowds[0]].rate, "speed-up")
	b.ReportMetric(100*float64(r.duplicates)/float64(n), "%-done-twice")
	b.ReportMetric(100*float64(retries)/float64(n), "%-retries")
}
