package streams

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"course.example/lab/services/servicestest"
	"course.example/shop"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// quiet turns the log off: one line per order would be what is measured.
func quiet(b *testing.B) {
	old := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(io.Discard, &slog.HandlerOptions{Level: slog.LevelError + 1})))
	b.Cleanup(func() { slog.SetDefault(old) })
}

func cluster(b *testing.B) Settings {
	s := DefaultSettings()
	s.NATSURL = servicestest.NATSCluster(b).Env()["NATS_URL"]
	return s
}

func must[T any](b *testing.B) func(T, error) T {
	return func(value T, err error) T {
		b.Helper()
		if err != nil {
			b.Fatal(err)
		}
		return value
	}
}

// BenchmarkAppend: orders per second into one partition, with so many under way, beside a bare loop over
// the client library with the same number of outstanding acknowledgements. Both in turns.
func BenchmarkAppend(b *testing.B) {
	quiet(b)
	s := cluster(b)
	body := must[[]byte](b)(encode(must[shop.Order](b)(shop.NewOrder(shop.SampleEmail, shop.SampleItems()...))))
	for _, replicas := range []int{1, 3} {
		for _, window := range []int{1, 16, 256} {
			b.Run(fmt.Sprintf("replicas=%d/window=%d", replicas, window), func(b *testing.B) {
				s := s
				first, others, _ := strings.Cut(s.NATSURL, ",")
				s.NATSURL = fmt.Sprintf("%s/replicas-%d-window-%d,%s", first, replicas, window, others)
				s.Replicas, s.Partitions = replicas, 2
				log := must[Log](b)(OpenLog(s)).(*jetStream)
				defer log.Close()
				must[[]uint64](b)(log.Ends(b.Context()))
				ours, bare := time.Duration(0), time.Duration(0)
				for b.Loop() {
					const rounds = 2000
					ours += appendOurs(b, log, window, rounds, body)
					bare += appendBare(b, log, window, rounds, body)
				}
				orders := float64(b.N * 2000)
				b.ReportMetric(orders/ours.Seconds(), "orders/s")
				b.ReportMetric(orders/bare.Seconds(), "bare/s")
				b.ReportMetric(bare.Seconds()/ours.Seconds(), "ours/bare")
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}

var ids atomic.Int64

func appendOurs(b *testing.B, log Log, window, n int, body []byte) time.Duration {
	began := time.Now()
	var group sync.WaitGroup
	var next atomic.Int64
	for range window {
		group.Go(func() {
			for next.Add(1) <= int64(n) {
				if err := log.Append(b.Context(), 0, fmt.Sprint(ids.Add(1)), body); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	group.Wait()
	return time.Since(began)
}

func appendBare(b *testing.B, log *jetStream, window, n int, body []byte) time.Duration {
	js := must[jetstream.JetStream](b)(jetstream.New(log.conn, jetstream.WithPublishAsyncMaxPending(window)))
	began := time.Now()
	futures := make([]jetstream.PubAckFuture, 0, n)
	for range n {
		msg := &nats.Msg{Subject: log.name(1), Data: body}
		futures = append(futures, must[jetstream.PubAckFuture](b)(
			js.PublishMsgAsync(msg, jetstream.WithMsgID(fmt.Sprint(ids.Add(1))))))
		if window == 1 {
			<-js.PublishAsyncComplete()
		}
	}
	for _, f := range futures {
		select {
		case <-f.Ok():
		case err := <-f.Err():
			b.Fatal(err)
		}
	}
	return time.Since(began)
}

// BenchmarkRead: records per second from one partition, beside a bare loop over the same consumer.
func BenchmarkRead(b *testing.B) {
	quiet(b)
	s := cluster(b)
	s.Partitions = 1
	log := must[Log](b)(OpenLog(s)).(*jetStream)
	defer log.Close()
	must[[]uint64](b)(log.Ends(b.Context()))
	body := must[[]byte](b)(encode(must[shop.Order](b)(shop.NewOrder(shop.SampleEmail, shop.SampleItems()...))))
	const n = 20_000
	appendOurs(b, log, 256, n, body)
	ours, bare := time.Duration(0), time.Duration(0)
	for b.Loop() {
		began := time.Now()
		reader := must[Reader](b)(log.Read(b.Context(), 0, 0))
		for got := 0; got < n; {
			got += len(must[[]Record](b)(reader.Batch(b.Context(), 500)))
		}
		reader.Close()
		ours += time.Since(began)

		began = time.Now()
		consumer := must[jetstream.Consumer](b)(log.js.OrderedConsumer(b.Context(), log.name(0),
			jetstream.OrderedConsumerConfig{DeliverPolicy: jetstream.DeliverAllPolicy}))
		messages := must[jetstream.MessagesContext](b)(consumer.Messages(jetstream.PullMaxMessages(readAhead)))
		for range n {
			must[jetstream.Msg](b)(messages.Next())
		}
		messages.Stop()
		bare += time.Since(began)
	}
	b.ReportMetric(n*float64(b.N)/ours.Seconds(), "records/s")
	b.ReportMetric(n*float64(b.N)/bare.Seconds(), "bare/s")
	b.ReportMetric(bare.Seconds()/ours.Seconds(), "ours/bare")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkConsumers: orders per second with 20 ms of work for each, and 1, 2 and 4 consumers that share
// four partitions, one order at a time each.
func BenchmarkConsumers(b *testing.B) {
	quiet(b)
	one := 0.0
	for _, consumers := range []int{1, 2, 4} {
		b.Run(fmt.Sprint(consumers), func(b *testing.B) {
			s := DefaultSettings()
			s.NATSURL, s.DatabaseURL = servicestest.NATS(b), servicestest.Postgres(b)
			s.Replicas, s.MemberTTL = 1, time.Second
			log := must[Log](b)(OpenLog(s))
			defer log.Close()
			for b.Loop() {
				rate := consume(b, log, s, consumers)
				if consumers == 1 {
					one = rate
				}
				b.ReportMetric(rate, "orders/s")
				b.ReportMetric(rate/one, "speed-up")
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}

// consume lets consumers begin, and measures how long they take for what comes then.
func consume(b *testing.B, log Log, s Settings, consumers int) float64 {
	pool, err := OpenDatabase(b.Context(), s)
	if err != nil {
		b.Fatal(err)
	}
	defer pool.Close()
	const n = 400
	var done atomic.Int64
	all := make(chan struct{})
	work := func(ctx context.Context, o shop.Order) error {
		err := shop.Work(ctx, o, s.Work)
		if done.Add(1) == n {
			close(all)
		}
		return err
	}
	ctx, cancel := context.WithCancel(b.Context())
	var group sync.WaitGroup
	for i := range consumers {
		own := s
		own.Name = fmt.Sprint("consumer-", i)
		group.Go(func() {
			if err := NewConsumer(log, pool, own, work).Run(ctx); err != nil {
				b.Error(err)
			}
		})
	}
	for shared := 0; shared < consumers; { // all have found each other
		if err := pool.QueryRow(ctx, `SELECT count(*) FROM members`).Scan(&shared); err != nil {
			shared = 0 // the tables are not there yet
		}
	}
	sleep(ctx, s.MemberTTL)
	began := time.Now()
	for i := range n {
		order := must[shop.Order](b)(shop.NewOrder("ada@example.org", shop.SampleItems()...))
		body := must[[]byte](b)(encode(order))
		if err := log.Append(ctx, i%s.Partitions, order.ID, body); err != nil {
			b.Fatal(err)
		}
	}
	<-all
	took := time.Since(began)
	cancel()
	group.Wait()
	return n / took.Seconds()
}
