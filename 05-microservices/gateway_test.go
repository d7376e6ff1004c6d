package microservices

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"course.example/shop"
)

// replica is a payment service that says who it is.
func replica(t *testing.T, name string) *httptest.Server {
	t.Helper()
	return serve(t, chargerFunc(func(context.Context, string, Charge) (Receipt, error) {
		return Receipt{ID: name}, nil
	}))
}

// gateway returns a running gateway to the replicas, and where it is.
func gateway(t testing.TB, s Settings, urls ...string) (*Gateway, string) {
	t.Helper()
	s.PaymentURLs = strings.Join(urls, ",")
	g, err := NewGateway(s)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var running sync.WaitGroup
	running.Go(func() {
		if err := g.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { cancel(); running.Wait() })
	server := httptest.NewUnstartedServer(g.Handler())
	server.Config.Protocols = new(http.Protocols)
	server.Config.Protocols.SetHTTP1(true)
	server.Config.Protocols.SetUnencryptedHTTP2(true)
	server.Start()
	t.Cleanup(server.Close)
	return g, server.URL
}

func up(g *Gateway, n int) func() bool {
	return func() bool { return len(g.candidates()) == n }
}

func charge(t *testing.T, payment Charger) (string, error) {
	t.Helper()
	r, err := payment.Charge(t.Context(), "key",
		Charge{OrderID: "o", UserEmail: shop.SampleEmail, AmountCents: 1})
	return r.ID, err
}

// One connection, many calls: they are spread all the same, gRPC's too, because the
// gateway balances requests and not connections.
func TestRoundRobin(t *testing.T) {
	t.Parallel()
	for _, transport := range transports {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			g, url := gateway(t, quick(t),
				replica(t, "a").URL, replica(t, "b").URL, replica(t, "c").URL)
			eventually(t, "all are up", up(g, 3))
			payment := dial(t, transport, url)
			var by tally
			for range 30 {
				name, err := charge(t, payment)
				if err != nil {
					t.Fatal(err)
				}
				by.add(name)
			}
			for _, name := range []string{"a", "b", "c"} {
				if n := by.of(name); n != 10 {
					t.Errorf("%s got %d of 30", name, n)
				}
			}
		})
	}
}

func TestLeastConnections(t *testing.T) {
	t.Parallel()
	busy, idle, idler := &backend{}, &backend{}, &backend{}
	busy.underway.Store(2)
	idle.underway.Store(1)
	choose := leastConnections()
	for range 20 {
		if b := choose([]*backend{busy, idle}); b != idle {
			t.Fatal("the busier one was chosen")
		}
	}
	idler.underway.Store(1)
	seen := map[*backend]bool{}
	for range 200 {
		seen[choose([]*backend{busy, idle, idler})] = true
	}
	if seen[busy] || !seen[idle] || !seen[idler] {
		t.Error("of two that are alike, one got everything")
	}
}

// A replica that holds everything it gets is given one request at a time; the other
// does the rest.
func TestLeastConnectionsSparesTheSlow(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	var atSlow atomic.Int64
	slow := serve(t, chargerFunc(func(ctx context.Context, _ string, _ Charge) (Receipt, error) {
		atSlow.Add(1)
		select {
		case <-release:
		case <-ctx.Done():
		}
		return Receipt{ID: "slow"}, nil
	}))
	s := quick(t)
	s.Balance = "least-connections"
	g, url := gateway(t, s, slow.URL, replica(t, "quick").URL)
	eventually(t, "both are up", up(g, 2))
	payment := dial(t, "http", url)
	var held sync.WaitGroup
	for atSlow.Load() == 0 { // by chance: whoever comes first to the slow one is held
		done := make(chan struct{})
		held.Go(func() {
			defer close(done)
			if _, err := charge(t, payment); err != nil {
				t.Error(err)
			}
		})
		eventually(t, "answered or held", func() bool {
			select {
			case <-done:
				return true
			default:
				return atSlow.Load() > 0
			}
		})
	}
	for range 20 {
		if name, err := charge(t, payment); name != "quick" || err != nil {
			t.Fatalf("served by %q: %v", name, err)
		}
	}
	close(release)
	held.Wait()
}

// Nobody notices the death of a replica: the gateway finds out by asking, or by the
// first request, which goes to another one. When it is back, it is found again.
func TestReplicaDiesAndReturns(t *testing.T) {
	t.Parallel()
	for _, transport := range transports {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			dying := replica(t, "dying")
			g, url := gateway(t, quick(t), dying.URL, replica(t, "staying").URL)
			eventually(t, "both are up", up(g, 2))
			payment := dial(t, transport, url)
			dying.Close()
			for range 10 {
				if name, err := charge(t, payment); name != "staying" || err != nil {
					t.Fatalf("served by %q: %v", name, err)
				}
			}
			eventually(t, "one is down", up(g, 1))
			listener, err := net.Listen("tcp", strings.TrimPrefix(dying.URL, "http://"))
			if err != nil {
				t.Fatal(err)
			}
			back := &http.Server{Handler: HTTPHandler(chargerFunc(hanging))}
			go func() {
				if err := back.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
					t.Error(err)
				}
			}()
			eventually(t, "both are up again", up(g, 2))
			if err := back.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// A replica that is there and ill is taken out by the active check alone.
func TestHealthCheckTakesOutTheIll(t *testing.T) {
	t.Parallel()
	var ill atomic.Bool
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if ill.Load() {
			w.WriteHeader(http.StatusInternalServerError)
		}
	}))
	t.Cleanup(server.Close)
	g, _ := gateway(t, quick(t), server.URL)
	eventually(t, "it is up", up(g, 1))
	ill.Store(true)
	eventually(t, "it is down", up(g, 0))
	ill.Store(false)
	eventually(t, "it is up again", up(g, 1))
}

// Once a request was sent, the gateway does not send it again: it cannot know
// whether it was carried out.
func TestGatewayDoesNotRepeatWhatWasSent(t *testing.T) {
	t.Parallel()
	var calls atomic.Int64
	breaks := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			return
		}
		calls.Add(1)
		panic(http.ErrAbortHandler) // the connection breaks without an answer
	}))
	t.Cleanup(breaks.Close)
	g, address := gateway(t, quick(t), breaks.URL, breaks.URL)
	eventually(t, "both are up", up(g, 2))
	payment := dial(t, "http", address)
	_, err := payment.Charge(t.Context(), "", Charge{OrderID: "o"})
	if !errors.Is(err, ErrUnavailable) || calls.Load() != 1 {
		t.Errorf("%d calls: %v", calls.Load(), err)
	}
}

func TestNobodyBehindTheGateway(t *testing.T) {
	t.Parallel()
	gone := replica(t, "gone")
	gone.Close()
	_, address := gateway(t, quick(t), gone.URL)
	for _, transport := range transports {
		if _, err := charge(t, dial(t, transport, address)); !errors.Is(err, ErrUnavailable) {
			t.Errorf("%s: %v", transport, err)
		}
	}
	resp, err := http.Post(address+"/charges", "application/json", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := io.ReadAll(resp.Body)
	if err = errors.Join(err, resp.Body.Close()); err != nil {
		t.Fatal(err)
	}
	var said struct{ Error string }
	if err := json.Unmarshal(raw, &said); err != nil || resp.StatusCode != 503 ||
		!strings.Contains(said.Error, "no replica") || resp.Header.Get("Retry-After") == "" {
		t.Errorf("%s: %s (%v)", resp.Status, raw, err)
	}
}

// A request is kept until a replica has it, so it must be short. One that is not is
// refused, not cut: what payment gets is what was sent.
func TestGatewayRefusesWhatIsTooLarge(t *testing.T) {
	t.Parallel()
	var got atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		n, err := io.Copy(io.Discard, r.Body)
		if err != nil {
			t.Error(err)
		}
		if r.Method == http.MethodPost {
			got.Add(n)
		}
	}))
	t.Cleanup(server.Close)
	_, address := gateway(t, quick(t), server.URL)
	for size, want := range map[int]int{
		maxCharge: http.StatusOK, maxCharge + 1: http.StatusRequestEntityTooLarge,
	} {
		resp, err := http.Post(address+"/charges", "text/plain",
			strings.NewReader(strings.Repeat("x", size)))
		if err != nil {
			t.Fatal(err)
		}
		if err := resp.Body.Close(); err != nil {
			t.Error(err)
		}
		if resp.StatusCode != want {
			t.Errorf("%d bytes: %s, want %d", size, resp.Status, want)
		}
	}
	if got.Load() != maxCharge {
		t.Errorf("payment got %d bytes, want %d", got.Load(), maxCharge)
	}
}

// As long as no check has come back, nobody is known to be up, and a request is
// served all the same.
func TestPanicMode(t *testing.T) {
	t.Parallel()
	s := quick(t)
	s.PaymentURLs = replica(t, "there").URL
	g, err := NewGateway(s) // not running: no checks
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(g.Handler())
	t.Cleanup(server.Close)
	t.Cleanup(g.http1.CloseIdleConnections)
	if name, err := charge(t, dial(t, "http", server.URL)); name != "there" || err != nil {
		t.Errorf("served by %q: %v", name, err)
	}
	if u, err := url.Parse(s.PaymentURLs); err != nil || g.backends[0].url.Host != u.Host {
		t.Error("another backend")
	}
}
