// Package gateway stands before the replicas of the payment service.
package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
)

const (
	// maxBody is how many bytes of a request are kept until a replica has it.
	maxBody = 20 << 10 // a charge has at most 16 kB
	// statusClientClosed is nginx's status for a caller who has gone.
	statusClientClosed = 499
)

// Gateway is a reverse proxy, which the caller takes for the service, and a load
// balancer, which spreads the requests over the replicas that are up. It understands
// nothing of charges. Run must be running for it to know who is up. It is safe for
// concurrent use.
type Gateway struct {
	settings Settings
	backends []*backend
	choose   balancer
	proxy    *httputil.ReverseProxy
	http1    *http.Transport
	http2    *http.Transport // for gRPC
	checks   *http.Transport
}

var (
	// errNobody is the end of a request that no replica could be given.
	errNobody = errors.New("no replica of payment is there: nothing was charged")
	// errTooLarge is the end of one that is too long to be kept for a second replica.
	errTooLarge = fmt.Errorf("the body is larger than %d bytes", maxBody)
	// errUnread is the end of one that did not come whole.
	errUnread = errors.New("the body cannot be read")
)

// New returns a gateway to the replicas in the settings.
func New(s Settings) (*Gateway, error) {
	replicas, err := s.replicas()
	if err != nil {
		return nil, err
	}
	g := &Gateway{settings: s, choose: balancers[s.Balance]()}
	for _, u := range replicas {
		g.backends = append(g.backends, &backend{url: u})
	}
	g.http1, g.http2, g.checks = transport(), transport(), transport()
	g.http2.Protocols = new(http.Protocols)
	g.http2.Protocols.SetUnencryptedHTTP2(true)
	// A check on a connection of its own each time: it must meet what a new caller
	// would meet, not what is left of better days.
	g.checks.DisableKeepAlives = true
	g.proxy = &httputil.ReverseProxy{
		// Where a request goes is chosen below, once for every attempt.
		Rewrite:      func(*httputil.ProxyRequest) {},
		Transport:    roundTripper(g.forward),
		ErrorHandler: explainRefusal,
		BufferPool:   &buffers{},
		// What is its own to say is said in explainRefusal, with the reason.
		ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError),
	}
	return g, nil
}

func transport() *http.Transport {
	return &http.Transport{
		DialContext:         (&net.Dialer{Timeout: 500 * time.Millisecond}).DialContext,
		MaxIdleConnsPerHost: 256,
		IdleConnTimeout:     90 * time.Second,
		DisableCompression:  true,
	}
}

// Handler is what the gateway serves: all of the payment service's API, and
// /healthz, which is about the gateway itself and tells who is up.
func (g *Gateway) Handler() *http.ServeMux {
	mux := http.NewServeMux()
	mux.Handle("/", g.proxy)
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		up := []string{}
		for _, b := range g.candidates() {
			up = append(up, b.url.Host)
		}
		answer(w, http.StatusOK, map[string]any{"status": "ready", "up": up})
	})
	return mux
}

// Run watches the replicas until ctx ends. Then it returns nil.
func (g *Gateway) Run(ctx context.Context) error {
	var watchers sync.WaitGroup
	for _, b := range g.backends {
		watchers.Go(func() { g.watch(ctx, b) })
	}
	watchers.Wait()
	for _, t := range []*http.Transport{g.http1, g.http2, g.checks} {
		t.CloseIdleConnections()
	}
	return nil
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// forward sends a request to a replica. When no connection could be made, nothing
// was sent, and the next one gets it. Once a byte is out, the request may have been
// carried out: whether to try again is for the caller to say, who knows whether it
// has a key.
func (g *Gateway) forward(r *http.Request) (*http.Response, error) {
	body, err := readBody(r)
	if err != nil {
		return nil, err
	}
	next := g.candidates()
	if len(next) == 0 {
		// Nobody is up as far as we know, and we may be wrong: that all are dead is
		// less likely than that our checks are. Envoy calls it panic mode.
		next = slices.Clone(g.backends)
	}
	for len(next) > 0 {
		b := g.choose(next)
		resp, err := g.send(b, r, body)
		if !neverSent(err) || r.Context().Err() != nil {
			return resp, err // answered, or perhaps carried out, or nobody waits for it
		}
		g.mark(b, false, err)
		next = slices.DeleteFunc(next, func(other *backend) bool { return other == b })
	}
	return nil, errNobody
}

// readBody reads the whole request: half of a charge must not be sent as if it were
// one.
func readBody(r *http.Request) ([]byte, error) {
	if r.Body == nil {
		return nil, nil
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	if err = errors.Join(err, r.Body.Close()); err != nil {
		return nil, fmt.Errorf("%w: %w", errUnread, err)
	}
	if len(body) > maxBody {
		return nil, errTooLarge
	}
	return body, nil
}

// candidates are the replicas that are up.
func (g *Gateway) candidates() []*backend {
	up := make([]*backend, 0, len(g.backends))
	for _, b := range g.backends {
		if b.up.Load() {
			up = append(up, b)
		}
	}
	return up
}

func (g *Gateway) send(b *backend, r *http.Request, body []byte) (*http.Response, error) {
	out, to := *r, *r.URL
	to.Scheme, to.Host = b.url.Scheme, b.url.Host
	out.URL = &to
	// Without GetBody the transport does not send it again by itself.
	out.Body, out.ContentLength = http.NoBody, int64(len(body))
	if len(body) > 0 {
		out.Body = io.NopCloser(bytes.NewReader(body))
	}
	by := g.http1
	if isGRPC(r) {
		by = g.http2
	}
	b.underway.Add(1)
	resp, err := by.RoundTrip(&out)
	if err != nil {
		b.underway.Add(-1)
		return nil, err
	}
	resp.Body = &counted{resp.Body, sync.OnceFunc(func() { b.underway.Add(-1) })}
	return resp, nil
}

func isGRPC(r *http.Request) bool {
	return r.ProtoMajor == 2 && strings.HasPrefix(r.Header.Get("Content-Type"), "application/grpc")
}

// counted is a body whose end is the end of its request.
type counted struct {
	io.ReadCloser
	end func()
}

func (c *counted) Close() error {
	c.end()
	return c.ReadCloser.Close()
}

// buffers are what the proxy copies answers with: made anew for each, they would be
// most of what the gateway allocates.
type buffers struct{ pool sync.Pool }

func (b *buffers) Get() []byte {
	if buffer, ok := b.pool.Get().(*[]byte); ok {
		return *buffer
	}
	return make([]byte, 32<<10)
}

func (b *buffers) Put(buffer []byte) { b.pool.Put(&buffer) }

// neverSent says that a request failed before any of it was sent.
func neverSent(err error) bool {
	dial := new(net.OpError)
	return errors.As(err, &dial) && dial.Op == "dial"
}

// explainRefusal answers for a replica that did not, in the caller's protocol. Only errNobody
// is a "not now". After anything else that befell a request which was sent, nobody
// knows what became of it: 504, whether the replica was too slow or broke off.
func explainRefusal(w http.ResponseWriter, r *http.Request, err error) {
	status, code := http.StatusGatewayTimeout, codes.DeadlineExceeded
	switch {
	case errors.Is(err, errNobody):
		status, code = http.StatusServiceUnavailable, codes.Unavailable
		w.Header().Set("Retry-After", "1")
	case errors.Is(err, errTooLarge):
		status, code = http.StatusRequestEntityTooLarge, codes.ResourceExhausted
	case errors.Is(err, errUnread):
		status, code = http.StatusBadRequest, codes.InvalidArgument
	case errors.Is(r.Context().Err(), context.Canceled):
		status, code = statusClientClosed, codes.Canceled
	default:
		err = fmt.Errorf("outcome unknown: the replica did not answer: %w", err)
	}
	slog.DebugContext(r.Context(), "not forwarded", "status", status, "error", err)
	if isGRPC(r) {
		// An answer of headers alone, which in gRPC is how an error may come.
		w.Header().Set("Content-Type", "application/grpc")
		w.Header().Set("Grpc-Status", strconv.Itoa(int(code)))
		w.Header().Set("Grpc-Message", "gateway: "+strconv.QuoteToASCII(err.Error()))
		return
	}
	answer(w, status, map[string]any{"error": fmt.Sprintf("gateway: %v", err)})
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(body); err != nil {
		slog.Debug("answer not delivered", "error", err) // the caller has gone
	}
}
