package bench

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"course.example/05-microservices/payment"
)

const (
	repeats  = 21
	callers  = 32
	replicas = 3
	body     = `{"user_email":"ada@example.com","items":[` +
		`{"sku":"GO-GOPHER","quantity":1,"price_cents":1999}]}`
)

// BenchmarkChain answers what it costs that a call may fail: orders a second of this
// step, with all of its policies, its log and a book that survives a kill, beside those
// of the same hops in bare net/http. A charge takes no time. Both run as programs of
// their own at the same time, and have their turn one after the other.
//
//	go test -run '^$' -bench Chain -benchtime 20000x ./bench
func BenchmarkChain(b *testing.B) {
	bin := build(b)
	book := b.TempDir()
	ours := chain(b, func(role string, next []string) *exec.Cmd {
		cmd := exec.Command(filepath.Join(bin, role))
		cmd.Env = []string{"LOG_FORMAT=json", "WORK=0s", "BOOK=" + book,
			"PAYMENT_URL=" + next[0], "PAYMENT_URLS=" + strings.Join(next, ","),
			// Many callers on two cores must not look like a payment that hangs.
			"TRY_TIMEOUT=10s", "DEADLINE=30s", "CHECK_TIMEOUT=10s"}
		return cmd
	})
	bare := chain(b, func(role string, next []string) *exec.Cmd {
		return exec.Command(filepath.Join(bin, "bare"), append([]string{role}, next...)...)
	})
	var rates, references, ratios []float64
	n := max(b.N/repeats, callers)
	drive(b, ours, n/4) // connections, warm caches
	drive(b, bare, n/4)
	b.ResetTimer()
	for i := range repeats {
		var rate, reference float64
		if i%2 == 0 {
			rate, reference = drive(b, ours, n), drive(b, bare, n)
		} else {
			reference, rate = drive(b, bare, n), drive(b, ours, n)
		}
		rates, references = append(rates, rate), append(references, reference)
		ratios = append(ratios, rate/reference)
	}
	b.StopTimer()
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(median(rates), "orders/s")
	b.ReportMetric(median(references), "bare/s")
	b.ReportMetric(median(ratios), "of-bare")
	b.ReportMetric(100*spread(ratios), "%spread")
	charges, err := payment.Charges(book, time.Hour)
	if err != nil || len(charges) == 0 {
		b.Errorf("the book has %d charges, %v", len(charges), err)
	}
}

func median(values []float64) float64 {
	return slices.Sorted(slices.Values(values))[len(values)/2]
}

// spread is how far apart the middle half of the values is, as a share of the median.
func spread(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return (sorted[len(sorted)*3/4] - sorted[len(sorted)/4]) / median(values)
}

func build(b *testing.B) (bin string) {
	b.Helper()
	bin = b.TempDir()
	cmd := exec.Command("go", "build", "-buildvcs=false", "-o", bin+string(os.PathSeparator),
		"../cmd/order", "../cmd/gateway", "../cmd/payment", "./bare")
	if out, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("build: %v\n%s", err, out)
	}
	return bin
}

// chain starts payment, gateway and order, and returns where orders are taken.
func chain(b *testing.B, program func(role string, next []string) *exec.Cmd) string {
	b.Helper()
	var payments []string
	for range replicas {
		payments = append(payments, start(b, program("payment", []string{"http://127.0.0.1:9"})))
	}
	gateway := start(b, program("gateway", payments))
	return start(b, program("order", []string{gateway}))
}

// start starts a program, waits until it is ready, and ends it with the benchmark.
func start(b *testing.B, cmd *exec.Cmd) (url string) {
	b.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	address := listener.Addr().String()
	if err := listener.Close(); err != nil {
		b.Fatal(err)
	}
	log, err := os.CreateTemp(b.TempDir(), "log-*")
	if err != nil {
		b.Fatal(err)
	}
	cmd.Env = append(cmd.Environ(), "ADDR="+address)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // it says that it was killed
		_ = log.Close()
	})
	url = "http://" + address
	for deadline := time.Now().Add(10 * time.Second); ; {
		resp, err := http.Get(url + "/healthz")
		if err == nil {
			_ = resp.Body.Close()
			return url
		}
		if time.Now().After(deadline) {
			b.Fatalf("%s is not ready: %v", cmd.Path, err)
		}
	}
}

// drive places n orders, each caller the next as soon as it has the answer to its
// last, and returns how many a second.
func drive(b *testing.B, url string, n int) float64 {
	b.Helper()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: callers}}
	defer client.CloseIdleConnections()
	var left atomic.Int64
	left.Store(int64(n))
	var group sync.WaitGroup
	begun := time.Now()
	for range callers {
		group.Go(func() {
			for left.Add(-1) >= 0 {
				if err := buy(client, url); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	group.Wait()
	return float64(n) / time.Since(begun).Seconds()
}

func buy(client *http.Client, url string) error {
	resp, err := client.Post(url+"/orders", "application/json", strings.NewReader(body))
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }() // it is read to its end
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	var answer struct {
		OrderID string `json:"order_id"`
	}
	if err := json.Unmarshal(raw, &answer); err != nil || answer.OrderID == "" {
		return fmt.Errorf("%s: %s", resp.Status, raw)
	}
	return nil
}
