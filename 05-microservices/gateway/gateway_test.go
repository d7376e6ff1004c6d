package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"course.example/shop"
	"go.uber.org/goleak"
)

// Nothing that a test has started may outlive the tests.
func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	goleak.VerifyTestMain(m)
}

// quick are settings for tests in which nothing is to take time.
func quick() Settings {
	s := DefaultSettings()
	s.CheckEvery = 5 * time.Millisecond
	s.CheckTimeout = 10 * time.Second // a loaded machine must not look like a dead replica
	return s
}

// serve serves HTTP/1 and HTTP/2 without TLS, as the programs do.
func serve(tb testing.TB, handler http.Handler) *httptest.Server {
	tb.Helper()
	server := httptest.NewUnstartedServer(handler)
	server.Config.Protocols = new(http.Protocols)
	server.Config.Protocols.SetHTTP1(true)
	server.Config.Protocols.SetUnencryptedHTTP2(true)
	server.Start()
	tb.Cleanup(server.Close)
	return server
}

// replica is a server that says who it is.
func replica(t testing.TB, name string) *httptest.Server {
	t.Helper()
	return serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, name)
	}))
}

// start returns a running gateway to the replicas, and where it is.
func start(t testing.TB, s Settings, urls ...string) (*Gateway, string) {
	t.Helper()
	s.PaymentURLs = strings.Join(urls, ",")
	g, err := New(s)
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
	return g, serve(t, g.Handler()).URL
}

func up(g *Gateway, n int) func() bool {
	return func() bool { return len(g.candidates()) == n }
}

// caller returns a client that speaks HTTP/1, or HTTP/2 as gRPC does.
func caller(t testing.TB, protocol string) *http.Client {
	t.Helper()
	transport := &http.Transport{Protocols: new(http.Protocols)}
	transport.Protocols.SetHTTP1(protocol == "HTTP")
	transport.Protocols.SetUnencryptedHTTP2(protocol == "gRPC")
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// protocols are what a caller speaks. They look alike to a gateway that understands
// nothing of charges.
var protocols = map[string]string{"HTTP": "application/json", "gRPC": "application/grpc"}

// post sends a request and returns the answer and its body.
func post(t testing.TB, client *http.Client, url, kind, body string) (*http.Response, string) {
	t.Helper()
	resp, err := client.Post(url+"/charges", kind, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := io.ReadAll(resp.Body)
	if err = errors.Join(err, resp.Body.Close()); err != nil {
		t.Fatal(err)
	}
	return resp, string(raw)
}

// eventually waits until something holds.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	limit := time.After(20 * time.Second)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("waited 20 s until %s", what)
		}
	}
}

// One connection, many calls: they are spread all the same, gRPC's too, because the
// gateway balances requests and not connections.
func TestRoundRobin(t *testing.T) {
	t.Parallel()
	for protocol, kind := range protocols {
		t.Run(protocol, func(t *testing.T) {
			t.Parallel()
			g, url := start(t, quick(),
				replica(t, "a").URL, replica(t, "b").URL, replica(t, "c").URL)
			eventually(t, "all are up", up(g, 3))
			client := caller(t, protocol)
			by := map[string]int{}
			for range 30 {
				_, name := post(t, client, url, kind, "{}")
				by[name]++
			}
			if want := map[string]int{"a": 10, "b": 10, "c": 10}; !maps.Equal(by, want) {
				t.Errorf("of 30: %v", by)
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
	slow := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			return
		}
		atSlow.Add(1)
		select {
		case <-release:
		case <-r.Context().Done():
		}
		_, _ = io.WriteString(w, "slow")
	}))
	s := quick()
	s.Balance = "least-connections"
	g, url := start(t, s, slow.URL, replica(t, "quick").URL)
	eventually(t, "both are up", up(g, 2))
	client := caller(t, "HTTP")
	var held sync.WaitGroup
	for tries := 0; atSlow.Load() == 0; tries++ { // by chance: who comes first to the slow one is held
		if tries == 1000 {
			t.Fatal("of two that do nothing, one gets everything")
		}
		eventually(t, "both are up", up(g, 2))
		done := make(chan struct{})
		held.Go(func() {
			defer close(done)
			post(t, client, url, "text/plain", "{}")
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
		if _, name := post(t, client, url, "text/plain", "{}"); name != "quick" {
			t.Fatalf("served by %q", name)
		}
	}
	close(release)
	held.Wait()
}

// Nobody notices the death of a replica: the gateway finds out by asking, or by the
// first request, which goes to another one. When it is back, it is found again.
func TestReplicaDiesAndReturns(t *testing.T) {
	t.Parallel()
	for protocol, kind := range protocols {
		t.Run(protocol, func(t *testing.T) {
			t.Parallel()
			dying := replica(t, "dying")
			g, url := start(t, quick(), dying.URL, replica(t, "staying").URL)
			eventually(t, "both are up", up(g, 2))
			client := caller(t, protocol)
			dying.Close()
			for range 10 {
				if _, name := post(t, client, url, kind, "{}"); name != "staying" {
					t.Fatalf("served by %q", name)
				}
			}
			eventually(t, "one is down", up(g, 1))
			listener, err := net.Listen("tcp", strings.TrimPrefix(dying.URL, "http://"))
			if err != nil {
				t.Fatal(err)
			}
			back := &http.Server{Handler: http.HandlerFunc(
				func(http.ResponseWriter, *http.Request) {})}
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
	g, _ := start(t, quick(), server.URL)
	eventually(t, "it is up", up(g, 1))
	ill.Store(true)
	eventually(t, "it is down", up(g, 0))
	ill.Store(false)
	eventually(t, "it is up again", up(g, 1))
}

// Once a request was sent, the gateway does not send it again: it cannot know whether
// it was carried out. It says so in the caller's protocol, and does not call it "not now".
func TestGatewayDoesNotRepeatWhatWasSent(t *testing.T) {
	t.Parallel()
	for protocol, kind := range protocols {
		for end, fault := range map[string]func(http.ResponseWriter){
			"breaks":        func(http.ResponseWriter) { panic(http.ErrAbortHandler) },
			"breaks midway": func(w http.ResponseWriter) { w.Header().Set("Content-Length", "9") },
		} {
			t.Run(protocol+" "+end, func(t *testing.T) {
				t.Parallel()
				var calls atomic.Int64
				broken := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if r.Method == http.MethodPost {
						calls.Add(1)
						fault(w)
					}
				}))
				g, url := start(t, quick(), broken.URL, strings.Replace(broken.URL, "127.0.0.1", "localhost", 1))
				eventually(t, "both are up", up(g, 2))
				r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/charges",
					strings.NewReader("{}"))
				if err != nil {
					t.Fatal(err)
				}
				r.GetBody = nil // our own client must not repeat it either
				r.Header.Set("Content-Type", kind)
				r.Header.Set("Idempotency-Key", `"key"`)
				resp, err := caller(t, protocol).Do(r)
				if err == nil {
					_, err = io.Copy(io.Discard, resp.Body)
					_ = resp.Body.Close()
				}
				if calls.Load() != 1 {
					t.Errorf("the replicas got it %d times", calls.Load())
				}
				switch {
				case end == "breaks midway":
					if err == nil {
						t.Errorf("half an answer was passed on as a whole one: %s", resp.Status)
					}
				case err != nil:
					t.Error(err)
				case protocol == "HTTP" && resp.StatusCode != http.StatusGatewayTimeout,
					protocol == "gRPC" && resp.Header.Get("Grpc-Status") != "4",
					resp.Header.Get("Retry-After") != "":
					t.Errorf("%s, grpc-status %q, retry-after %q", resp.Status,
						resp.Header.Get("Grpc-Status"), resp.Header.Get("Retry-After"))
				}
			})
		}
	}
}

func TestNobodyBehindTheGateway(t *testing.T) {
	t.Parallel()
	gone := replica(t, "gone")
	gone.Close()
	_, url := start(t, quick(), gone.URL)
	resp, body := post(t, caller(t, "HTTP"), url, "application/json", "{}")
	var said struct{ Error string }
	if err := json.Unmarshal([]byte(body), &said); err != nil || resp.StatusCode != 503 ||
		!strings.Contains(said.Error, "no replica") || resp.Header.Get("Retry-After") == "" {
		t.Errorf("%s: %s (%v)", resp.Status, body, err)
	}
	resp, _ = post(t, caller(t, "gRPC"), url, "application/grpc", "{}")
	if resp.Header.Get("Grpc-Status") != "14" || resp.Header.Get("Retry-After") == "" ||
		!strings.Contains(resp.Header.Get("Grpc-Message"), "no replica") {
		t.Errorf("gRPC: %s %v", resp.Status, resp.Header)
	}
}

// Requests without a body, of whatever method, and one that ends in its middle.
func TestRequestsWithoutABody(t *testing.T) {
	t.Parallel()
	g := unwatched(t, replica(t, "there").URL)
	for _, method := range []string{"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"} {
		w := httptest.NewRecorder()
		g.Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), method, "/charges", nil))
		if w.Code != http.StatusOK || w.Body.String() != "there" && method != "HEAD" {
			t.Errorf("%s: %d %s", method, w.Code, w.Body)
		}
	}
	w := httptest.NewRecorder()
	g.Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "POST", "/charges",
		io.MultiReader(strings.NewReader("{"), iotest.ErrReader(io.ErrUnexpectedEOF))))
	if w.Code != http.StatusBadRequest {
		t.Errorf("half a body: %d %s", w.Code, w.Body)
	}
}

// A request is kept until a replica has it, so it must be short. One that is not is
// refused, not cut: what payment gets is what was sent.
func TestGatewayRefusesWhatIsTooLarge(t *testing.T) {
	t.Parallel()
	var got atomic.Int64
	server := serve(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		n, err := io.Copy(io.Discard, r.Body)
		if err != nil {
			t.Error(err)
		}
		if r.Method == http.MethodPost {
			got.Add(n)
		}
	}))
	_, url := start(t, quick(), server.URL)
	for size, want := range map[int]int{
		maxBody: http.StatusOK, maxBody + 1: http.StatusRequestEntityTooLarge,
	} {
		resp, _ := post(t, caller(t, "HTTP"), url, "text/plain", strings.Repeat("x", size))
		if resp.StatusCode != want {
			t.Errorf("%d bytes: %s, want %d", size, resp.Status, want)
		}
	}
	if got.Load() != maxBody {
		t.Errorf("payment got %d bytes, want %d", got.Load(), maxBody)
	}
}

// As long as no check has come back, nobody is known to be up, and a request is
// served all the same.
func TestPanicMode(t *testing.T) {
	t.Parallel()
	g := unwatched(t, replica(t, "there").URL)
	g.backends[0].up.Store(false)
	if w := forwarded(t, g); w.Body.String() != "there" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// unwatched returns a gateway that checks nothing, with backends that count as up.
func unwatched(t *testing.T, urls ...string) *Gateway {
	t.Helper()
	s := quick()
	s.PaymentURLs = strings.Join(urls, ",")
	g, err := New(s)
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
	gone, leave := context.WithCancel(t.Context())
	leave()
	for _, c := range []struct {
		ctx    context.Context
		err    error
		status int
		code   string
	}{
		{t.Context(), errNobody, http.StatusServiceUnavailable, "14"},
		{t.Context(), errTooLarge, http.StatusRequestEntityTooLarge, "8"},
		{t.Context(), errUnread, http.StatusBadRequest, "3"},
		{t.Context(), context.DeadlineExceeded, http.StatusGatewayTimeout, "4"},
		{t.Context(), io.ErrUnexpectedEOF, http.StatusGatewayTimeout, "4"},
		{gone, context.Canceled, statusClientClosed, "1"},
	} {
		r := httptest.NewRequestWithContext(c.ctx, http.MethodPost, "/", nil)
		w := httptest.NewRecorder()
		explainRefusal(w, r, c.err)
		if w.Code != c.status || (w.Header().Get("Retry-After") != "") != (w.Code == 503) {
			t.Errorf("%v: %d, come back after %q", c.err, w.Code, w.Header().Get("Retry-After"))
		}
		r.ProtoMajor = 2
		r.Header.Set("Content-Type", "application/grpc")
		w = httptest.NewRecorder()
		explainRefusal(w, r, c.err)
		if got := w.Header().Get("Grpc-Status"); w.Code != http.StatusOK || got != c.code {
			t.Errorf("gRPC %v: %d, status %s, want %s", c.err, w.Code, got, c.code)
		}
	}
}

func TestBadSettings(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"-balance dice":                        "least-connections, round-robin",
		"-payment-urls http://a:1,,http://b:2": "no address",
		"-check-every 0s":                      "check-every must be at least",
		"now":                                  "unexpected argument",
	} {
		_, err := ParseSettings(strings.Fields(args))
		usage := new(shop.UsageError)
		if !errors.As(err, &usage) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: want a usage error with %q, got: %v", args, want, err)
		}
	}
	if s, err := ParseSettings(nil); err != nil || s != DefaultSettings() {
		t.Errorf("without flags: %+v, %v", s, err)
	}
}
