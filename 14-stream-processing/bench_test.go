package streams

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"course.example/lab/services/servicestest"
	"course.example/shop"
	"github.com/jackc/pgx/v5/pgxpool"
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
// the client library with the same number of outstanding acknowledgements. Both in turns. And three replicas
// beside one.
func BenchmarkAppend(b *testing.B) {
	quiet(b)
	s := cluster(b)
	body := must[[]byte](b)(encode(must[shop.Order](b)(shop.NewOrder(shop.SampleEmail, shop.SampleItems()...))))
	one := map[int]float64{} // by the window
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
				if replicas == 1 {
					one[window] = orders / ours.Seconds()
				} else {
					b.ReportMetric(orders/ours.Seconds()/one[window], "R3/R1")
				}
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

// BenchmarkConsumers: orders per second with 20 ms of work for each. First as many consumers as partitions,
// then fewer and more; one order at a time each.
func BenchmarkConsumers(b *testing.B) {
	quiet(b)
	one := 0.0
	for _, c := range [][2]int{{1, 1}, {2, 2}, {4, 4}, {4, 2}, {2, 4}} {
		partitions, consumers := c[0], c[1]
		b.Run(fmt.Sprintf("partitions=%d/consumers=%d", partitions, consumers), func(b *testing.B) {
			s := DefaultSettings()
			s.NATSURL, s.DatabaseURL = servicestest.NATS(b), servicestest.Postgres(b)
			s.Replicas, s.MemberTTL, s.Partitions = 1, time.Second, partitions
			log := must[Log](b)(OpenLog(s))
			defer log.Close()
			for b.Loop() {
				rate := consume(b, log, s, consumers)
				if partitions == 1 {
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

// begin lets a consumer read until stop is called.
func begin(b *testing.B, c *Consumer) (stop func()) {
	ctx, cancel := context.WithCancel(b.Context())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	return func() {
		cancel()
		if err := <-ended; err != nil {
			b.Error(err)
		}
	}
}

func idle(context.Context, shop.Order) error { return nil }

// single is a log on one server and a database, both of the benchmark's own.
func single(b *testing.B) (Settings, Log, *pgxpool.Pool) {
	s := DefaultSettings()
	s.NATSURL, s.DatabaseURL = servicestest.NATS(b), servicestest.Postgres(b)
	s.Replicas, s.Work = 1, 0
	log := must[Log](b)(OpenLog(s))
	pool := must[*pgxpool.Pool](b)(OpenDatabase(b.Context(), s))
	b.Cleanup(func() {
		pool.Close()
		_ = log.Close()
	})
	if err := MakeTables(b.Context(), pool, time.Minute); err != nil {
		b.Fatal(err)
	}
	must[[]uint64](b)(log.Ends(b.Context()))
	return s, log, pool
}

// sample is an order of one of a hundred customers that was placed at a time, and where it belongs.
func sample(b *testing.B, i int, at time.Time, partitions int) (partition int, id string, body []byte) {
	order := must[shop.Order](b)(shop.NewOrder(fmt.Sprintf("customer-%d@example.com", i%100), shop.SampleItems()...))
	order.PlacedAt = at
	return PartitionOf(order.UserEmail, partitions), order.ID, must[[]byte](b)(encode(order))
}

// BenchmarkLatency: a hundred orders a second come to three servers, each when it is due. How long until the
// log has one, and until it is in the sums?
func BenchmarkLatency(b *testing.B) {
	quiet(b)
	s := cluster(b)
	s.DatabaseURL, s.Work = servicestest.Postgres(b), 0
	log := must[Log](b)(OpenLog(s))
	defer log.Close()
	pool := must[*pgxpool.Pool](b)(OpenDatabase(b.Context(), s))
	defer pool.Close()
	must[[]uint64](b)(log.Ends(b.Context()))
	const n = 500
	counted := make(chan time.Duration, n)
	c := NewConsumer(log, pool, s, idle)
	c.process = func(ctx context.Context, p *share, records []Record) error {
		err := c.exactlyOnce(ctx, p, records)
		for _, r := range records {
			if order, bad := decode(r.Body); bad == nil && err == nil {
				counted <- time.Since(order.PlacedAt)
			}
		}
		return err
	}
	stop := begin(b, c)
	defer stop()
	place := func(i int) time.Duration {
		began := time.Now()
		partition, id, body := sample(b, i, began, s.Partitions)
		if err := log.Append(b.Context(), partition, id, body); err != nil {
			b.Error(err)
		}
		return time.Since(began)
	}
	for i := range 100 { // the first ones open connections and fill caches
		place(i)
	}
	for range 100 {
		<-counted
	}
	for b.Loop() {
		answered, both := make(chan time.Duration, n), [2][]time.Duration{}
		tick := time.NewTicker(10 * time.Millisecond)
		for i := range n {
			<-tick.C
			go func() { answered <- place(i) }()
		}
		tick.Stop()
		for range n {
			both[0], both[1] = append(both[0], <-answered), append(both[1], <-counted)
		}
		for i, name := range []string{"answered", "counted"} {
			slices.Sort(both[i])
			b.ReportMetric(both[i][n/2].Seconds()*1000, name+"-p50-ms")
			b.ReportMetric(both[i][n*99/100].Seconds()*1000, name+"-p99-ms")
		}
		b.ReportMetric(both[1][n/2].Seconds()/both[0][n/2].Seconds(), "counted/answered")
	}
	b.ReportMetric(0, "ns/op")
}

// BenchmarkState: orders of so many products fall into one window. How many sums a second are opened and
// closed, and how many bytes is one in memory?
func BenchmarkState(b *testing.B) {
	for _, keys := range []int{1_000, 1_000_000} {
		b.Run(fmt.Sprint("keys=", keys), func(b *testing.B) {
			bytes, took := 0.0, time.Duration(0)
			for b.Loop() {
				before := heap()
				began := time.Now()
				w := newWindows(0, 0, Shape{Tumbling, time.Minute, time.Minute})
				for key := range keys {
					w.Add(noon, sold(fmt.Sprint("PRODUCT-", key), 1, 100))
				}
				took += time.Since(began)
				bytes += float64(heap() - before)
				began = time.Now()
				w.Add(noon.Add(time.Hour), sold("LAST", 1, 100))
				w.Close()
				took += time.Since(began)
				if len(w.Open) != 1 {
					b.Fatalf("%d windows are open", len(w.Open))
				}
			}
			sums := float64(b.N) * float64(keys)
			b.ReportMetric(sums/took.Seconds(), "sums/s")
			b.ReportMetric(bytes/sums, "bytes/sum")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// heap is how many bytes are in use.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// BenchmarkCatchUp: a consumer begins a million orders behind (-short: 20,000), while a thousand more come
// each second. How many times as fast as they come does it read, until it is a fifth of a second behind?
func BenchmarkCatchUp(b *testing.B) {
	quiet(b)
	backlog := 1_000_000
	if testing.Short() {
		backlog = 20_000
	}
	for b.Loop() {
		s, log, pool := single(b)
		start := time.Now().Add(-time.Duration(backlog) * 10 * time.Millisecond)
		var appended, read atomic.Int64
		place := func(i int) {
			at := min(time.Duration(i), time.Duration(backlog)) * 10 * time.Millisecond
			partition, id, body := sample(b, i, start.Add(at), s.Partitions)
			if err := log.Append(b.Context(), partition, id, body); err != nil {
				b.Error(err)
			}
			appended.Add(1)
		}
		var group sync.WaitGroup
		var next atomic.Int64
		for range 256 {
			group.Go(func() {
				for i := next.Add(1); i <= int64(backlog); i = next.Add(1) {
					place(int(i))
				}
			})
		}
		group.Wait()
		caught := make(chan struct{})
		done := sync.OnceFunc(func() { close(caught) })
		stop := begin(b, NewConsumer(log, pool, s, func(context.Context, shop.Order) error {
			if read.Add(1)+200 >= appended.Load() {
				done()
			}
			return nil
		}))
		began := time.Now()
		group.Go(func() {
			tick := time.NewTicker(time.Millisecond)
			defer tick.Stop()
			for i := backlog; ; i++ {
				select {
				case <-tick.C:
					group.Go(func() { place(i) })
				case <-caught:
					return
				}
			}
		})
		<-caught
		took := time.Since(began)
		group.Wait()
		stop()
		came := float64(appended.Load()-int64(backlog)) / took.Seconds()
		rate := float64(read.Load()) / took.Seconds()
		b.ReportMetric(rate, "orders/s")
		b.ReportMetric(came, "live/s")
		b.ReportMetric(rate/came, "read/live")
	}
	b.ReportMetric(0, "ns/op")
}

// BenchmarkRebalance: four partitions, into which orders come all the time. How long until all are read, by
// those who ought to, when a second consumer comes, leaves, and dies? MEMBER_TTL is two seconds.
func BenchmarkRebalance(b *testing.B) {
	quiet(b)
	s, log, pool := single(b)
	var mu sync.Mutex
	reads := map[int]string{}       // who has read each partition last
	moved := make(chan struct{}, 1) // somebody has
	wait := func(want ...string) time.Duration {
		began := time.Now()
		for {
			mu.Lock()
			all := slices.Collect(maps.Values(reads))
			mu.Unlock()
			if slices.Sort(all); slices.Equal(all, want) {
				return time.Since(began)
			}
			<-moved
		}
	}
	forget := func() {
		mu.Lock()
		defer mu.Unlock()
		clear(reads)
	}
	consumer := func(name string, pool *pgxpool.Pool) *Consumer {
		own := s
		own.Name = name
		c := NewConsumer(log, pool, own, idle)
		c.process = func(ctx context.Context, p *share, records []Record) error {
			err := c.exactlyOnce(ctx, p, records)
			if err == nil {
				mu.Lock()
				reads[p.partition] = name
				mu.Unlock()
				select {
				case moved <- struct{}{}:
				default:
				}
			}
			return err
		}
		return c
	}
	ctx, cancel := context.WithCancel(b.Context())
	var customers sync.WaitGroup
	customers.Go(func() {
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for i := 0; ctx.Err() == nil; i++ {
			_, id, body := sample(b, i, time.Now(), s.Partitions)
			if err := log.Append(ctx, i%s.Partitions, id, body); err != nil && ctx.Err() == nil {
				b.Error(err)
			}
			<-tick.C
		}
	})
	defer customers.Wait()
	defer cancel()
	stopOne := begin(b, consumer("one", pool))
	defer stopOne()
	for b.Loop() {
		for _, end := range []string{"leaves", "dies"} {
			wait("one", "one", "one", "one")
			second := must[*pgxpool.Pool](b)(OpenDatabase(b.Context(), s))
			stopTwo := begin(b, consumer("two", second))
			b.ReportMetric(wait("one", "one", "two", "two").Seconds()/s.MemberTTL.Seconds(), "comes/TTL")
			began := time.Now()
			if end == "leaves" {
				stopTwo()
			} else {
				second.Close() // the others hear nothing of it any more
			}
			forget()
			wait("one", "one", "one", "one")
			b.ReportMetric(time.Since(began).Seconds()/s.MemberTTL.Seconds(), end+"/TTL")
			if end == "dies" {
				stopTwo()
			}
			second.Close()
		}
	}
	b.ReportMetric(0, "ns/op")
}
