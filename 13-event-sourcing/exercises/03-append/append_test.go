//go:build exercise

package log

import (
	"errors"
	"fmt"
	"sync"
	"testing"
)

func TestAppend(t *testing.T) {
	var l Log
	if v, err := l.Append("7", 0, "a", "placed"); v != 1 || err != nil {
		t.Fatalf("the first event: version %d, %v", v, err)
	}
	if _, err := l.Append("7", 0, "b", "cancelled"); !errors.Is(err, ErrConflict) {
		t.Errorf("decided about an older state: %v, want ErrConflict", err)
	}
	if v, err := l.Append("8", 0, "c", "placed"); v != 1 || err != nil {
		t.Errorf("another stream: version %d, %v", v, err)
	}
	if v, err := l.Append("7", 1, "d", "added"); v != 2 || err != nil {
		t.Errorf("the second event: version %d, %v", v, err)
	}
	if v, err := l.Append("7", 0, "a", "placed"); v != 1 || err != nil || len(l.Events("7")) != 2 {
		t.Errorf("a command again: version %d, %v, events %q", v, err, l.Events("7"))
	}
}

func TestManyAtOnce(t *testing.T) {
	var l Log
	const rounds, deciders = 50, 8
	for round := range rounds {
		var group sync.WaitGroup
		won := make(chan int, deciders)
		for i := range deciders {
			group.Go(func() {
				if v, err := l.Append("7", round, fmt.Sprint(round, i), "added"); err == nil {
					won <- v
				}
			})
		}
		group.Wait()
		if len(won) != 1 || <-won != round+1 || len(l.Events("7")) != round+1 {
			t.Fatalf("round %d: not one has won, or the stream has %d events", round, len(l.Events("7")))
		}
	}
}
