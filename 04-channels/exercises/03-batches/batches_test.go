//go:build exercise

package batches

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"course.example/shop"
)

func TestBatches(t *testing.T) {
	const ms = time.Millisecond
	for _, c := range []struct {
		name   string
		pauses []time.Duration // before each order
		want   []string        // what is sent, and when
	}{
		{"as many as there may be", []time.Duration{0, 0, 0, 0, 0, 0}, []string{"0s: 0 1 2", "0s: 3 4 5"}},
		{"the rest is sent at the end", []time.Duration{0, 0, 0, 0}, []string{"0s: 0 1 2", "0s: 3"}},
		{"nobody waits for longer", []time.Duration{0, 30 * ms, 90 * ms}, []string{"50ms: 0 1", "120ms: 2"}},
		{"the time is that of the first", []time.Duration{0, 45 * ms, 10 * ms}, []string{"50ms: 0 1", "55ms: 2"}},
		{"a new batch has its own time", []time.Duration{40 * ms, 0, 0, 20 * ms, 60 * ms},
			[]string{"40ms: 0 1 2", "110ms: 3", "120ms: 4"}},
		{"no orders, no batches", nil, nil},
	} {
		synctest.Test(t, func(t *testing.T) {
			if got := batchesOf(c.pauses); !slices.Equal(got, c.want) {
				t.Errorf("%s: %d batches %q, want %q", c.name, len(got), got, c.want)
			}
		})
	}
}

// A batch that is being sent takes no orders: what comes meanwhile waits in the channel.
func TestItTakesNoneWhileItSends(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in, most := make(chan shop.Order, 10), 0
		for range cap(in) {
			in <- shop.Order{}
		}
		close(in)
		Batches(in, 3, time.Second, func(batch []shop.Order) {
			time.Sleep(time.Minute) // of the test's clock
			most = max(most, len(in))
		})
		if most != 7 {
			t.Errorf("%d waited in the channel while the first batch was sent, want 7", most)
		}
	})
}

// batchesOf is what is sent of orders that come with such pauses, in batches of at most three, within
// 50 ms.
func batchesOf(pauses []time.Duration) (sent []string) {
	began := time.Now()
	in := make(chan shop.Order)
	go func() {
		defer close(in)
		for n, pause := range pauses {
			time.Sleep(pause) // of the test's clock
			select {
			case in <- shop.Order{ID: fmt.Sprint(n)}:
			case <-time.After(time.Hour):
				return
			}
		}
	}()
	Batches(in, 3, 50*time.Millisecond, func(batch []shop.Order) {
		var ids []string
		for _, order := range batch {
			ids = append(ids, order.ID)
		}
		sent = append(sent, fmt.Sprintf("%v: %s", time.Since(began), strings.Join(ids, " ")))
	})
	return sent
}
