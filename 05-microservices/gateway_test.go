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
	"testing/synctest"
	"time"

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

// unwatched returns a gateway that checks nothing, with backends that count as up.
func unwatched(t *testing.T, urls ...string) *Gateway {
	t.Helper()
	s := quick(t)
	s.PaymentURLs = strings.Join(urls, ",")
	g, err := NewGateway(s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.http1.CloseIdleConnections)
	t.Cleanup(g.checks.CloseIdleConnections)
	for _, b := range g.backends {
		b.up.Store(true)
	}
	return g
}

// forwarded sends one request through the gateway, as its server would.
func forwarded(t *testing.T, g *Gateway) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	g.Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(),
		http.MethodPost, "/charges", strings.NewReader(`{"order_id":"o"}`)))
	return w
}

// The first request that cannot be sent takes a dead replica out, and every other
// is spared the attempt.
func TestDeadReplicaIsTakenOutByTheFirstRequest(t *testing.T) {
	t.Parallel()
	gone := replica(t, "gone")
	gone.Close()
	g := unwatched(t, gone.URL, replica(t, "there").URL)
	for range 2 { // the round robin's turn comes to either
		if w := forwarded(t, g); !strings.Contains(w.Body.String(), "there") {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	}
	if g.backends[0].up.Load() || !g.backends[1].up.Load() {
		t.Errorf("up: the dead one %t, the other %t",
			g.backends[0].up.Load(), g.backends[1].up.Load())
	}
}

// To give up on a replica for one request is not to forget it.
func TestPanicModeForgetsNobody(t *testing.T) {
	t.Parallel()
	gone := replica(t, "gone")
	gone.Close()
	there := replica(t, "there")
	g := unwatched(t, gone.URL, there.URL)
	for range 4 {
		for _, b := range g.backends {
			b.up.Store(false)
		}
		if w := forwarded(t, g); !strings.Contains(w.Body.String(), "there") {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	}
	if b := g.backends; len(b) != 2 || b[0] == nil || b[1] == nil ||
		b[0].url.Host == b[1].url.Host {
		t.Errorf("the backends are %v", b)
	}
}

// A request is under way until its answer is read to the end.
func TestRequestsUnderWayAreCounted(t *testing.T) {
	t.Parallel()
	g := unwatched(t, replica(t, "there").URL)
	b := g.backends[0]
	ask := func() (*http.Response, error) {
		return g.send(b, httptest.NewRequestWithContext(t.Context(),
			http.MethodGet, "/healthz", nil), nil)
	}
	resp, err := ask()
	if err != nil {
		t.Fatal(err)
	}
	if n := b.underway.Load(); n != 1 {
		t.Errorf("before the answer is read %d are under way", n)
	}
	if err := resp.Body.Close(); err != nil {
		t.Error(err)
	}
	if err := resp.Body.Close(); err != nil { // a proxy may close twice
		t.Error(err)
	}
	if n := b.underway.Load(); n != 0 {
		t.Errorf("after the answer %d are under way", n)
	}
	g.http1.DialContext = func(context.Context, string, string) (net.Conn, error) {
		return nil, errors.New("no way there")
	}
	g.http1.CloseIdleConnections()
	if _, err := ask(); err == nil || b.underway.Load() != 0 {
		t.Errorf("after %v %d are under way", err, b.underway.Load())
	}
}

// One check that fails is no death, two in a row are, and one that goes well is the
// way back. Each check meets what a new caller would meet.
func TestTwoFailedChecksInARow(t *testing.T) {
	t.Parallel()
	var g *Gateway
	const ill = http.StatusInternalServerError
	script := []struct {
		before bool // whether it is up when this check comes
		status int
	}{
		{false, 200}, {true, ill}, {true, 200}, {true, ill}, {true, ill}, {false, ill}, {false, 200},
		{true, 200},
	}
	var checks, connections atomic.Int64
	done := make(chan struct{})
	server := httptest.NewUnstartedServer(http.HandlerFunc(
		func(w http.ResponseWriter, _ *http.Request) {
			n := int(checks.Add(1)) - 1
			if n >= len(script) {
				return
			}
			if up := g.backends[0].up.Load(); up != script[n].before {
				t.Errorf("when check %d comes the replica is up: %t", n+1, up)
			}
			w.WriteHeader(script[n].status)
			if n == len(script)-1 {
				close(done)
			}
		}))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	server.Start()
	t.Cleanup(server.Close)
	g = unwatched(t, server.URL)
	g.backends[0].up.Store(false)
	ctx, stop := context.WithCancel(t.Context())
	var watching sync.WaitGroup
	watching.Go(func() { g.watch(ctx, g.backends[0]) })
	<-done
	if made := connections.Load(); made < int64(len(script)) {
		t.Errorf("%d checks went over %d connections", len(script), made)
	}
	stop()
	watching.Wait()
}

// Too slow is ill: who does not answer a check in time will not answer a charge.
func TestCheckHasATimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := unwatched(t, "http://replica:1")
		ours, theirs := net.Pipe() // nobody is at the other end
		defer func() { _ = theirs.Close() }()
		g.checks.DialContext = func(context.Context, string, string) (net.Conn, error) {
			return ours, nil
		}
		begun := time.Now()
		err := g.check(t.Context(), g.backends[0])
		if took := time.Since(begun); !errors.Is(err, context.DeadlineExceeded) ||
			took != g.settings.CheckTimeout {
			t.Errorf("after %v: %v", took, err)
		}
	})
}

// What the caller is told when no replica has answered.
func TestGatewaySaysWhy(t *testing.T) {
	t.Parallel()
	for want, err := range map[int]error{
		http.StatusBadGateway:            errors.New("broken"),
		http.StatusServiceUnavailable:    errNobody,
		http.StatusRequestEntityTooLarge: errTooLarge,
		http.StatusGatewayTimeout:        context.DeadlineExceeded,
	} {
		w := httptest.NewRecorder()
		sayWhy(w, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", nil), err)
		if w.Code != want || (w.Header().Get("Retry-After") != "") != (want == 503) {
			t.Errorf("%v: %d, come back after %q", err, w.Code, w.Header().Get("Retry-After"))
		}
	}
}
