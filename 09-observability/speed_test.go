package observability

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"course.example/lab/services"
	"course.example/lab/services/servicestest"
	wmamqp "github.com/ThreeDotsLabs/watermill-amqp/v3/pkg/amqp"
	"github.com/ThreeDotsLabs/watermill/message"
)

// BenchmarkPublish measures what a channel per message costs: Watermill's publisher with confirms
// beside ours, on one broker, in turns. 1 and 16 are the messages that are on their way at a time.
func BenchmarkPublish(b *testing.B) {
	w := newUnseenWorld(b)
	config := wmamqp.NewDurableQueueConfig(w.s.URL)
	config.Publish.ConfirmDelivery = true
	theirs, err := wmamqp.NewPublisher(config, frameworkLog())
	must(b, err)
	defer func() { check(b, theirs.Close()) }()
	ours := w.connect()
	defer func() { check(b, ours.Close()) }()
	const rounds = 6
	for _, atATime := range []int{1, 16} {
		took := map[message.Publisher]time.Duration{}
		n := max(b.N/rounds, atATime)
		for round := range 2 * rounds {
			p := []message.Publisher{theirs, ours.publisher}[round%2]
			began := time.Now()
			var left atomic.Int64
			left.Store(int64(n))
			var all sync.WaitGroup
			for range atATime {
				all.Go(func() {
					for left.Add(-1) >= 0 {
						check(b, p.Publish(EmailedTopic, message.NewMessage("1", []byte("{}"))))
					}
				})
			}
			all.Wait()
			took[p] += time.Since(began)
		}
		rate := func(p message.Publisher) float64 { return float64(rounds*n) / took[p].Seconds() }
		name := fmt.Sprintf("-%d", atATime)
		b.ReportMetric(rate(theirs), "watermill"+name+"-msg/s")
		b.ReportMetric(rate(ours.publisher), "ours"+name+"-msg/s")
		b.ReportMetric(rate(ours.publisher)/rate(theirs), "ours"+name+"-x")
	}
	b.ReportMetric(0, "ns/op")
}

// BenchmarkBeside07 measures the orders per second of the built programs, beside those of step
// 07's, on one broker, in turns: what a framework, a second message per order and being seen
// cost. One consumer with one worker, and no work. Its programs are found in the folder beside.
func BenchmarkBeside07(b *testing.B) {
	receiver := servicestest.Private(b, services.Jaeger, 1)[0].URL
	seen := []string{endpointVar + "=" + receiver}
	systems := []*system{
		{name: "07", folder: "../07-rabbitmq", programs: []string{"producer", "consumer"}},
		{name: "off", folder: "."},
		{name: "everything", folder: ".", env: seen},
		{name: "traces-10%", folder: ".", env: append(slices.Clip(seen),
			"OTEL_TRACES_SAMPLER=parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG=0.1")},
	}
	for _, s := range systems {
		if s.programs == nil {
			s.programs = []string{"producer", "consumer", "shipper"}
		}
		s.start(b)
	}
	const rounds = 5
	n := max(b.N/rounds, 10*atOnce)
	for round := range rounds {
		for i := range systems {
			// Each round begins with another one: what comes first meets what the last has left.
			systems[(round+i)%len(systems)].play(b, n)
		}
	}
	for _, s := range systems {
		b.ReportMetric(s.median(n), s.name+"-orders/s")
		b.ReportMetric(s.median(n)/systems[0].median(n), s.name+"-x-of-07")
	}
	b.ReportMetric(0, "ns/op")
}

// atOnce are the customers that wait for an answer at a time.
const atOnce = 64

// system are the programs of one step.
type system struct {
	name, folder string
	programs     []string
	env          []string

	shop      string
	processed atomic.Int64
	placed    int64
	took      []time.Duration
}

func (s *system) start(b *testing.B) {
	b.Helper()
	env := append(os.Environ(), "AMQP_URL="+servicestest.RabbitMQ(b).URL, "ADDR=127.0.0.1:0",
		"LOG_FORMAT=json", "WORK=0s", "WORKERS=1", "OTEL_BSP_MAX_QUEUE_SIZE=20000")
	env = append(env, s.env...)
	listens := make(chan string, 1)
	for _, program := range s.programs {
		path := filepath.Join(b.TempDir(), program)
		build := exec.CommandContext(b.Context(), "go", "build", "-C", s.folder, "-buildvcs=false",
			"-o", path, "./"+program)
		build.Env = append(os.Environ(), "GOWORK=off")
		if out, err := build.CombinedOutput(); err != nil {
			b.Fatalf("build %s of %s: %v\n%s", program, s.folder, err, out)
		}
		ctx, cancel := context.WithCancel(context.Background())
		run := exec.CommandContext(ctx, path)
		run.Env = env
		if program == "shipper" {
			run.Env = append(slices.Clip(env), "WORKERS=8")
		}
		if runtime.GOOS != "windows" {
			run.Cancel = func() error { return run.Process.Signal(syscall.SIGTERM) }
		}
		run.WaitDelay = time.Minute
		out := &counting{of: []byte(`"msg":"order processed"`), n: &s.processed}
		if program == "producer" {
			out.address = listens
		}
		run.Stdout = out
		must(b, run.Start())
		b.Cleanup(func() { cancel(); _ = run.Wait() })
	}
	select {
	case s.shop = <-listens:
	case <-time.After(patience):
		b.Fatalf("%s does not listen", s.name)
	}
	eventually(b, s.name+" is ready", func() bool {
		res, err := http.Get(s.shop + "/healthz")
		return err == nil && res.Body.Close() == nil && res.StatusCode == http.StatusOK
	})
}

// play places n orders and waits until all of them are processed.
func (s *system) play(b *testing.B, n int) {
	b.Helper()
	client := http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: atOnce}}
	defer client.CloseIdleConnections()
	var left atomic.Int64
	left.Store(int64(n))
	var all sync.WaitGroup
	began := time.Now()
	for range atOnce {
		all.Go(func() {
			for left.Add(-1) >= 0 {
				res, err := client.Post(s.shop+"/orders", "application/json", http.NoBody)
				if err != nil {
					b.Error(err)
					return
				}
				_, _ = io.Copy(io.Discard, res.Body)
				if err := res.Body.Close(); err != nil || res.StatusCode != http.StatusAccepted {
					b.Errorf("%s: %s, %v", s.name, res.Status, err)
					return
				}
			}
		})
	}
	all.Wait()
	s.placed += int64(n)
	accepted := time.Since(began)
	for s.processed.Load() < s.placed {
		before := s.processed.Load()
		eventually(b, fmt.Sprintf("%s to go on: %d of %d orders are processed", s.name, before,
			s.placed), func() bool { return s.processed.Load() > before })
	}
	s.took = append(s.took, time.Since(began))
	b.Logf("%s: %d orders accepted in %v, processed in %v", s.name, n, accepted, s.took[len(s.took)-1])
}

func (s *system) median(n int) float64 {
	took := slices.Sorted(slices.Values(s.took))
	return float64(n) / took[len(took)/2].Seconds()
}

// counting is a program's output. It counts the lines with a text, and finds the address.
type counting struct {
	of      []byte
	n       *atomic.Int64
	address chan<- string
	pending []byte
}

func (c *counting) Write(p []byte) (int, error) {
	c.pending = append(c.pending, p...)
	end := bytes.LastIndexByte(c.pending, '\n') + 1
	lines := c.pending[:end]
	c.n.Add(int64(bytes.Count(lines, c.of)))
	if c.address != nil {
		for line := range bytes.Lines(lines) {
			var l struct{ Msg, URL string }
			if json.Unmarshal(line, &l) == nil && l.Msg == "listening" {
				c.address <- l.URL
				c.address = nil
				break
			}
		}
	}
	c.pending = append(c.pending[:0], c.pending[end:]...)
	return len(p), nil
}
