package timeline

import (
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"course.example/lab/locktest"
)

func TestDraw(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		line := New()
		endWait := line.Waiting("caller")
		endLate, endEarly := line.Working("b"), line.Working("a")
		time.Sleep(time.Second / 2)
		endEarly()
		endWait()
		endWait = line.Waiting("caller")
		time.Sleep(time.Second)
		endWait()
		line.Working("an instant")()
		// Who has just been cancelled needs a moment: the picture waits for it.
		time.AfterFunc(time.Second/4, endLate)
		want := `caller      ▐·········▐···················             waits 0.50 + 1.00 s
a           ██████████                                 works 0.50 s
b           ███████████████████████████████████        works 1.75 s
an instant                                █            works 0.00 s
            0s                  1s                  2s
`
		if got := line.Draw(time.Second); got != want {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
	})
}

func TestMeanWork(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		line := New()
		if mean := line.MeanWork(); mean != 0 {
			t.Errorf("%v without work", mean)
		}
		endWait := line.Waiting("caller") // counts for nothing
		time.AfterFunc(time.Second, line.Working("a"))
		time.AfterFunc(2*time.Second, line.Working("b")) // still busy when we ask
		time.AfterFunc(time.Minute, endWait)
		if mean := line.MeanWork(); mean != 1500*time.Millisecond {
			t.Errorf("%v, want 1.5 s", mean)
		}
	})
}

// Each of these reads or changes the time line, and must be alone at it.
func TestWhoIsAtTheTimeLineIsAlone(t *testing.T) {
	t.Parallel()
	line := New()
	end := line.Working("a")
	for name, visit := range map[string]func(){
		"begin": func() { line.Waiting("b") }, // not its end, which takes the lock as well
		"end":   end,
	} {
		t.Run(name, func(t *testing.T) { locktest.Waits(t, &line.mu, visit) })
	}
	line = New()
	for name, look := range map[string]func(){
		"Draw":     func() { line.Draw(time.Second) },
		"MeanWork": func() { line.MeanWork() },
	} {
		t.Run(name, func(t *testing.T) { locktest.Waits(t, &line.mu, look) })
	}
}

// The lock is held until a span is noted, and not only taken: lines of a thousand
// who begin and end at once have every span.
func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	line := New()
	const many = 1000
	var all sync.WaitGroup
	for i := range many {
		all.Go(func() { line.Working(strconv.Itoa(i % 10))() })
	}
	all.Wait()
	spans := 0
	for _, l := range line.lanes {
		spans += len(l.spans)
	}
	if len(line.lanes) != 10 || spans != many || line.busy != 0 {
		t.Errorf("%d lanes, %d spans, %d busy", len(line.lanes), spans, line.busy)
	}
}

func TestNilRecordsNothing(t *testing.T) {
	t.Parallel()
	var line *Timeline
	line.Working("a")()
	line.Waiting("b")()
	if line.Draw(time.Second) != "" || line.Elapsed() != 0 || line.MeanWork() != 0 {
		t.Error("something was recorded")
	}
}
