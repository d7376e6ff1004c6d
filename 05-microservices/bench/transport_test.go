package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"course.example/05-microservices/gateway"
	"course.example/05-microservices/order"
	"course.example/05-microservices/payment"
	"course.example/shop"
	"github.com/HdrHistogram/hdrhistogram-go"
)

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	os.Exit(m.Run())
}

// BenchmarkTransport makes the same call as JSON over HTTP/1.1 and as gRPC, the
// latter on net/http's HTTP/2 server, as the payment program serves it, and on
// gRPC's own. Payment's work takes no time, and nothing is written down: what is
// measured is the way there and back. The three take turns, so that what else the
// machine does meets all alike.
func BenchmarkTransport(b *testing.B) {
	for _, callers := range []int{1, 16, 64} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			roads := []*road{
				openRoad(b, "json", "http", serveBoth),
				openRoad(b, "grpc", "grpc", serveBoth),
				openRoad(b, "grpc-own", "grpc", serveGRPC),
			}
			for _, r := range roads { // connections, buffers, warm caches
				r.drive(b, callers, callers*20)
				r.reset()
			}
			b.ResetTimer()
			const rounds = 10
			for range rounds {
				for _, r := range roads {
					r.drive(b, callers, max(b.N/rounds, 1))
				}
			}
			b.ReportMetric(0, "ns/op")
			for _, r := range roads {
				r.report(b)
			}
			b.ReportMetric(roads[1].rate()/roads[0].rate(), "grpc/json")
			b.ReportMetric(roads[2].rate()/roads[0].rate(), "grpc-own/json")
		})
	}
}

// road is one way to payment, and what was seen of it.
type road struct {
	name    string
	payment order.Charger
	wire    *meter
	times   *hdrhistogram.Histogram // in microseconds
	took    time.Duration
}

func openRoad(
	b *testing.B, name, transport string, serve func(*testing.B, net.Listener),
) *road {
	b.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	wire := &meter{Listener: listener}
	serve(b, wire)
	r := &road{name: name, wire: wire}
	r.payment = dial(b, transport, "http://"+listener.Addr().String())
	r.reset()
	return r
}

func (r *road) reset() {
	r.times, r.took = hdrhistogram.New(1, 60_000_000, 3), 0
	r.wire.bytes.Store(0)
}

func (r *road) rate() float64 { return float64(r.times.TotalCount()) / r.took.Seconds() }

// drive lets so many callers make n calls, each the next as soon as it has the
// answer to the last: a closed loop.
func (r *road) drive(b *testing.B, callers, n int) {
	b.Helper()
	key, c := order.ChargeFor(newOrder(b))
	var left atomic.Int64
	left.Store(int64(n))
	var mu sync.Mutex
	var group sync.WaitGroup
	begun := time.Now()
	for range callers {
		group.Go(func() {
			mine := hdrhistogram.New(1, 60_000_000, 3)
			for left.Add(-1) >= 0 {
				asked := time.Now()
				if _, err := r.payment.Charge(b.Context(), key, c); err != nil {
					b.Error(err)
					return
				}
				if err := mine.RecordValue(time.Since(asked).Microseconds()); err != nil {
					b.Error(err)
				}
			}
			mu.Lock()
			defer mu.Unlock()
			r.times.Merge(mine)
		})
	}
	group.Wait()
	r.took += time.Since(begun)
}

func (r *road) report(b *testing.B) {
	b.ReportMetric(r.rate(), r.name+"-calls/s")
	b.ReportMetric(float64(r.times.ValueAtQuantile(50)), r.name+"-p50-µs")
	b.ReportMetric(float64(r.times.ValueAtQuantile(99)), r.name+"-p99-µs")
	b.ReportMetric(float64(r.wire.bytes.Load())/float64(r.times.TotalCount()), r.name+"-B/call")
}

// atOnce is a payment service that answers with a receipt, and does nothing.
type atOnce struct{}

// Charge implements [payment.Charger].
func (atOnce) Charge(
	_ context.Context, _ string, c payment.Charge,
) (payment.Receipt, error) {
	return payment.Receipt{
		ID: "0199c1d2-7d3b-7cc0-8a31-5b6c7d8e9f00", OrderID: c.OrderID,
		AmountCents: *c.AmountCents, ChargedAtMs: time.Now().UnixMilli(),
	}, nil
}

func serveBoth(b *testing.B, l net.Listener) {
	b.Helper()
	mux := http.NewServeMux()
	mux.Handle("POST /charges", payment.ChargeHandler(atOnce{}))
	server := &http.Server{
		Handler: payment.Both(payment.GRPCServer(atOnce{}), mux), Protocols: new(http.Protocols),
	}
	server.Protocols.SetHTTP1(true)
	server.Protocols.SetUnencryptedHTTP2(true)
	go func() { _ = server.Serve(l) }() // its end is asked for below
	b.Cleanup(func() {
		if err := server.Close(); err != nil {
			b.Error(err)
		}
	})
}

func serveGRPC(b *testing.B, l net.Listener) {
	b.Helper()
	server := payment.GRPCServer(atOnce{})
	go func() { _ = server.Serve(l) }() // its end is asked for below
	b.Cleanup(server.Stop)
}

var _ net.Listener = (*meter)(nil)

// meter counts what goes over the connections of a listener, in both directions:
// all that TCP carries, without its own headers.
type meter struct {
	net.Listener
	bytes atomic.Int64
}

func (m *meter) Accept() (net.Conn, error) {
	c, err := m.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &meteredConn{c, m}, nil
}

type meteredConn struct {
	net.Conn
	meter *meter
}

func (c *meteredConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.meter.bytes.Add(int64(n))
	return n, err
}

func (c *meteredConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.meter.bytes.Add(int64(n))
	return n, err
}

// BenchmarkReplicas answers "is it easy to add new consumers?": orders a second
// through the gateway, with replicas that work 20 ms on a charge, two at a time.
func BenchmarkReplicas(b *testing.B) {
	var alone float64
	for _, replicas := range []int{1, 2, 4} {
		b.Run(fmt.Sprintf("replicas=%d", replicas), func(b *testing.B) {
			rate := driveGateway(b, "round-robin", slices.Repeat([]time.Duration{20}, replicas))
			if replicas == 1 {
				alone = rate
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(rate, "orders/s")
			if alone > 0 {
				b.ReportMetric(rate/alone, "speed-up")
			}
		})
	}
}

// BenchmarkBalance has one replica of three that takes ten times as long: what does
// it cost to give it its turn all the same?
func BenchmarkBalance(b *testing.B) {
	for _, balance := range []string{"round-robin", "least-connections"} {
		b.Run(balance, func(b *testing.B) {
			rate := driveGateway(b, balance, []time.Duration{20, 20, 200})
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(rate, "orders/s")
		})
	}
}

// driveGateway places b.N orders through a gateway to replicas that each take so many
// milliseconds, and returns how many a second.
func driveGateway(b *testing.B, balance string, work []time.Duration) float64 {
	b.Helper()
	book := b.TempDir()
	var urls []string
	for _, ms := range work {
		urls = append(urls, startPayment(b, book, ms*time.Millisecond))
	}
	// A loaded machine must not look like a dead payment service.
	s := order.DefaultSettings()
	s.PaymentURL = startGateway(b, balance, urls)
	s.TryTimeout, s.Deadline = 10*time.Second, 30*time.Second
	orders := order.NewOrders(s, dial(b, "http", s.PaymentURL))
	var left atomic.Int64
	left.Store(int64(b.N))
	var customers sync.WaitGroup
	b.ResetTimer()
	for range 32 {
		customers.Go(func() {
			for left.Add(-1) >= 0 {
				if err := orders.Place(b.Context(), newOrder(b)); err != nil {
					b.Error(err)
				}
			}
		})
	}
	customers.Wait()
	b.StopTimer()
	return float64(b.N) / b.Elapsed().Seconds()
}

func startPayment(b *testing.B, dir string, work time.Duration) (url string) {
	b.Helper()
	s := payment.DefaultSettings()
	s.Work, s.Workers = work, 2
	book, err := payment.OpenBook(dir, s.KeyTTL, s.Keys)
	if err != nil {
		b.Fatal(err)
	}
	server := httptest.NewServer(payment.HTTPHandler(payment.NewPayment(s, book)))
	b.Cleanup(func() {
		server.Close()
		if err := book.Close(); err != nil {
			b.Error(err)
		}
	})
	return server.URL
}

// startGateway returns where a gateway is that knows all of the replicas to be up.
func startGateway(b *testing.B, balance string, urls []string) (url string) {
	b.Helper()
	s := gateway.DefaultSettings()
	s.Balance, s.PaymentURLs, s.CheckTimeout = balance, strings.Join(urls, ","), 10*time.Second
	g, err := gateway.New(s)
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(b.Context()))
	var running sync.WaitGroup
	running.Go(func() {
		if err := g.Run(ctx); err != nil {
			b.Error(err)
		}
	})
	server := httptest.NewServer(g.Handler())
	b.Cleanup(func() { server.Close(); cancel(); running.Wait() })
	for up := 0; up < len(urls); {
		resp, err := http.Get(server.URL + "/healthz")
		if err != nil {
			b.Fatal(err)
		}
		var health struct{ Up []string }
		err = errors.Join(json.NewDecoder(resp.Body).Decode(&health), resp.Body.Close())
		if up = len(health.Up); err != nil {
			b.Fatal(err)
		}
	}
	return server.URL
}

func dial(b *testing.B, transport, url string) order.Charger {
	b.Helper()
	way, err := order.Dial(order.Settings{Transport: transport, PaymentURL: url})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := way.Close(); err != nil {
			b.Error(err)
		}
	})
	return way
}

func newOrder(b *testing.B) shop.Order {
	b.Helper()
	o, err := shop.NewOrder(shop.SampleEmail, shop.SampleItems()...)
	if err != nil {
		b.Fatal(err)
	}
	return o
}
