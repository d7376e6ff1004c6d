package bench

import (
	"testing"
	"time"
)

// Local is one actor of an engine as the benchmarks see it. Only one goroutine calls it.
type Local interface {
	// Tell sends it a message and does not wait. The actor counts it.
	Tell() error
	// Ask sends it a message and waits for the answer.
	Ask() error
}

// Start makes an actor that calls told for every message of Tell. The engine ends with tb.
type Start func(tb testing.TB, told func()) Local

// How much one turn is: long enough that the clock does not matter, short enough that engine and
// channel meet the same load of the machine.
const (
	turns        = 20
	tellsPerTurn = 20_000
	asksPerTurn  = 2_000
)

// Compare measures an engine's actor and a goroutine behind a bare channel, by turns.
func Compare(b *testing.B, start Start) {
	b.Run("tell", func(b *testing.B) {
		byTurns(b, tellsPerTurn, start, func(l Local, told <-chan struct{}) error {
			for range tellsPerTurn {
				if err := l.Tell(); err != nil {
					return err
				}
			}
			<-told // the last of them has arrived
			return nil
		})
	})
	b.Run("ask", func(b *testing.B) { CompareAsk(b, start) })
}

// CompareAsk is the half of [Compare] that waits for answers.
func CompareAsk(b *testing.B, start Start) {
	byTurns(b, asksPerTurn, start, func(l Local, _ <-chan struct{}) error {
		for range asksPerTurn {
			if err := l.Ask(); err != nil {
				return err
			}
		}
		return nil
	})
}

// Check tells an actor as much as one turn, and asks it once: a test that what is measured works.
func Check(t *testing.T, start Start) {
	t.Helper()
	told, count := every(tellsPerTurn)
	actor := start(t, count)
	for range tellsPerTurn {
		if err := actor.Tell(); err != nil {
			t.Fatal(err)
		}
	}
	if err := actor.Ask(); err != nil {
		t.Fatal(err)
	}
	<-told
}

// byTurns lets the channel and the engine do the same, one after the other, again and again.
func byTurns(b *testing.B, size int, start Start, turn func(Local, <-chan struct{}) error) {
	channelTold, channelCount := every(tellsPerTurn)
	engineTold, engineCount := every(tellsPerTurn)
	channel, engine := startChannel(b, channelCount), start(b, engineCount)
	measure := func(l Local, told <-chan struct{}) time.Duration {
		began := time.Now()
		if err := turn(l, told); err != nil {
			b.Fatal(err)
		}
		return time.Since(began)
	}
	measure(channel, channelTold) // the first turn of each is for warming up
	measure(engine, engineTold)
	var ofChannel, ofEngine time.Duration
	messages := 0
	for b.Loop() {
		for range turns {
			ofChannel += measure(channel, channelTold)
			ofEngine += measure(engine, engineTold)
			messages += size
		}
	}
	b.ReportMetric(0, "ns/op") // of a whole round of turns, which says nothing
	b.ReportMetric(float64(ofChannel.Nanoseconds())/float64(messages), "ns-channel")
	b.ReportMetric(float64(ofEngine.Nanoseconds())/float64(messages), "ns-actor")
	b.ReportMetric(float64(ofEngine)/float64(ofChannel), "×channel")
}

// every returns a function that signals each time it has been called n times. Only one goroutine
// calls it at a time: an actor's.
func every(n int) (signal <-chan struct{}, count func()) {
	reached, counted := make(chan struct{}, 1), 0
	return reached, func() {
		if counted++; counted == n {
			counted = 0
			reached <- struct{}{}
		}
	}
}

// viaChannel is the reference: a goroutine that ranges over a channel.
type viaChannel struct {
	inbox  chan any
	answer chan any
}

type tell struct{}

type ask struct{ answer chan<- any }

// mailbox is how many messages the channel holds before its sender waits. The engines' mailboxes
// have no limit.
const mailbox = 1024

func startChannel(b testing.TB, told func()) Local {
	c := viaChannel{inbox: make(chan any, mailbox), answer: make(chan any, 1)}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for message := range c.inbox {
			switch m := message.(type) {
			case tell:
				told()
			case ask:
				m.answer <- tell{}
			}
		}
	}()
	b.Cleanup(func() { close(c.inbox); <-ended })
	return c
}

func (c viaChannel) Tell() error { c.inbox <- tell{}; return nil }

func (c viaChannel) Ask() error {
	c.inbox <- ask{c.answer}
	<-c.answer
	return nil
}
