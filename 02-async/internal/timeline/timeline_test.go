package timeline

import (
	"testing"
	"testing/synctest"
	"time"
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

func TestNilRecordsNothing(t *testing.T) {
	t.Parallel()
	var line *Timeline
	line.Working("a")()
	line.Waiting("b")()
	if line.Draw(time.Second) != "" || line.Elapsed() != 0 || line.MeanWork() != 0 {
		t.Error("something was recorded")
	}
}
