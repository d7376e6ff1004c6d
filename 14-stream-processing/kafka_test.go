package streams

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
)

// kafka has the world's log on kfake, a stand-in for Kafka that speaks its protocol and keeps everything in
// this process. What a real one does when it dies, it cannot show.
func kafka(t *testing.T) func(*Settings) {
	t.Helper()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(3))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	return func(s *Settings) {
		for i, address := range cluster.ListenAddrs() {
			if i > 0 {
				s.KafkaBrokers += ","
			}
			s.KafkaBrokers += address
		}
	}
}

// The same log over another protocol: it keeps what was read, it is read from any place, it ends where it
// ends.
func TestKafkaKeepsWhatWasRead(t *testing.T) {
	w := newWorld(t, kafka(t))
	for i := range 300 {
		check(t, w.log.Append(t.Context(), 1, fmt.Sprint(i), fmt.Append(nil, i)))
	}
	for _, from := range []uint64{0, 120, 299} {
		for i, r := range w.batch(1, from, 300-int(from)) {
			if want := int(from) + i; string(r.Body) != fmt.Sprint(want) || r.Offset != uint64(want)+1 ||
				time.Since(r.Appended) > time.Hour {
				t.Fatalf("record %d behind %d is %+v", i, from, r)
			}
		}
	}
	if ends, err := w.log.Ends(t.Context()); err != nil || ends[0] != 0 || ends[1] != 300 {
		t.Errorf("ends %v, %v", ends, err)
	}
	for at, want := range map[time.Duration]uint64{-time.Hour: 0, time.Hour: 300} {
		if got, err := w.log.Before(t.Context(), 1, time.Now().Add(at)); err != nil || got != want {
			t.Errorf("before now%+v: %d, %v; want %d", at, got, err, want)
		}
	}
	if _, err := w.log.Read(t.Context(), 0, 2); !errors.Is(err, ErrShorter) {
		t.Errorf("error %v, want %v", err, ErrShorter)
	}
}

// The consumers do not know which log they read.
func TestConsumersOnKafka(t *testing.T) {
	w := newWorld(t, kafka(t), func(s *Settings) { s.MemberTTL = time.Second })
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- w.consumer().Run(ctx) }()
	for i := range 100 {
		order := w.order(float64(i) / 10)
		order.UserEmail = fmt.Sprintf("customer-%d@example.org", i%2)
		w.append(i%2, order)
	}
	until(t, "all orders", func() bool { return w.sums() == 100 })
	cancel()
	check(t, <-ended)
	// A second append with the same id is a second record; it counts once all the same.
	twice := w.order(11)
	w.append(0, twice, twice)
	c := w.consumer()
	check(t, c.exactlyOnce(t.Context(), w.load(c, 0), w.batch(0, 50, 2)))
	if n := w.sums(); n != 101 {
		t.Errorf("%d orders are counted, want 101", n)
	}
	if book := w.book(); book != (Book{}) {
		t.Errorf("the book says %+v", book)
	}
}
