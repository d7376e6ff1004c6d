package shop

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// inMemory is a listener without a network. In a bubble of synctest its connections
// wait as everything else does, so that the limits of a server are exact.
type inMemory struct {
	connections chan net.Conn
	closed      chan struct{}
}

func newInMemory() *inMemory { return &inMemory{make(chan net.Conn), make(chan struct{})} }

func (l *inMemory) Accept() (net.Conn, error) {
	select {
	case c := <-l.connections:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *inMemory) Close() error {
	select {
	case <-l.closed:
	default:
		close(l.closed)
	}
	return nil
}

func (l *inMemory) Addr() net.Addr { return &net.UnixAddr{Name: "memory", Net: "unix"} }

// send opens a connection and sends the text.
func (l *inMemory) send(t *testing.T, text string) net.Conn {
	t.Helper()
	client, server := net.Pipe()
	l.connections <- server
	if _, err := io.WriteString(client, text); err != nil {
		t.Error(err)
	}
	return client
}

const get1 = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"

// A drain waits for a request in progress, as long as it says and no longer. The request
// is not told to leave off: it has that time to itself.
func TestTheDrainHasItsTimeAndNoMore(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		takes, ends time.Duration
		err         error
	}{
		// Shutdown looks about twice a second, so it may see the end a little later.
		"in time":  {DrainTimeout - time.Second, DrainTimeout - time.Second, nil},
		"too long": {time.Hour, DrainTimeout, context.DeadlineExceeded},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, stop := context.WithCancel(t.Context())
				inProgress := make(chan struct{})
				handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					close(inProgress)
					select {
					case <-time.After(c.takes):
						w.WriteHeader(http.StatusTeapot)
					case <-r.Context().Done(): // the connection was closed
					}
				})
				l, served := newInMemory(), make(chan error, 1)
				go func() { served <- ServeOn(ctx, l, handler) }()
				client := l.send(t, get1)
				answer := make(chan string, 1)
				go func() {
					text, _ := io.ReadAll(client) // nothing, when the connection is closed
					answer <- string(text)
				}()
				<-inProgress
				began := time.Now()
				stop()
				<-l.closed // no new connection while it drains
				err := <-served
				took := time.Since(began)
				if !errors.Is(err, c.err) || took < c.ends || took > c.ends+time.Second {
					t.Errorf("after %v: %v", took, err)
				}
				if told := strings.Contains(<-answer, "418"); told != (c.err == nil) {
					t.Errorf("the request in progress was answered: %v", told)
				}
				if err != nil && !strings.Contains(err.Error(), "still in progress after 10s") {
					t.Errorf("it says %v", err)
				}
				if err := client.Close(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// A client that sends nothing, or half of what it has to, is not waited for.
func TestASilentClientIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		sends string
		limit time.Duration
	}{
		"no request":          {"GET / HT", 5 * time.Second},
		"no body":             {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n", 30 * time.Second},
		"no request any more": {get1, 2 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, stop := context.WithCancel(t.Context())
				l, served := newInMemory(), make(chan error, 1)
				go func() {
					served <- ServeOn(ctx, l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						if _, err := io.Copy(io.Discard, r.Body); err != nil {
							w.Header().Set("Connection", "close")
						}
					}))
				}()
				began := time.Now()
				client := l.send(t, c.sends)
				if _, err := io.Copy(io.Discard, client); err != nil { // until it is closed
					t.Error(err)
				}
				if took := time.Since(began); took < c.limit || took > c.limit+time.Second {
					t.Errorf("closed after %v, want %v", took, c.limit)
				}
				stop()
				if err := errors.Join(<-served, client.Close()); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// A server that cannot go on says so, without being asked to end.
func TestServeSaysWhatStopsIt(t *testing.T) {
	t.Parallel()
	l := newInMemory()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	err := ServeOn(t.Context(), l, http.NotFoundHandler())
	if !errors.Is(err, net.ErrClosed) || !strings.Contains(fmt.Sprint(err), "serve HTTP on memory") {
		t.Errorf("got %v", err)
	}
}

// Who waits for signals ends with the program, before the first one and after it.
func TestObeyEndsWithTheProgram(t *testing.T) {
	t.Parallel()
	for _, signalled := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			signals, finished := make(chan os.Signal, 2), make(chan struct{})
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			go obey(signals, finished, cancel) // a bubble waits for it to end
			if signalled {
				signals <- syscall.SIGTERM
			}
			synctest.Wait()
			if (ctx.Err() != nil) != signalled {
				t.Errorf("signalled %v, and the context has ended with %v", signalled, ctx.Err())
			}
			close(finished)
		})
	}
}

// urls is a log that tells where a server listens.
type urls chan string

func (u urls) Enabled(context.Context, slog.Level) bool { return true }
func (u urls) WithAttrs([]slog.Attr) slog.Handler       { return u }
func (u urls) WithGroup(string) slog.Handler            { return u }

func (u urls) Handle(_ context.Context, r slog.Record) error {
	r.Attrs(func(a slog.Attr) bool {
		if r.Message == "listening" && a.Key == "url" {
			u <- a.Value.String()
		}
		return true
	})
	return nil
}

// From the log one learns where the shop is; both protocols are spoken there, until
// it is asked to end. Not parallel: the log is the process's own.
func TestServeOnAFreePort(t *testing.T) {
	before := slog.Default()
	t.Cleanup(func() { slog.SetDefault(before) })
	listening := make(urls, 1)
	slog.SetDefault(slog.New(listening))
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	served := make(chan error, 1)
	go func() {
		served <- Serve(ctx, "127.0.0.1:0", http.HandlerFunc(
			func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(200 + r.ProtoMajor) }))
	}()
	url := <-listening
	for version, want := range map[int]int{1: 201, 2: 202} {
		transport := &http.Transport{Protocols: new(http.Protocols)}
		transport.Protocols.SetHTTP1(version == 1)
		transport.Protocols.SetUnencryptedHTTP2(version == 2)
		if got := get(t, transport, url); got != want {
			t.Errorf("HTTP/%d got %d", version, got)
		}
		transport.CloseIdleConnections()
	}
	stop()
	if err := <-served; err != nil {
		t.Error(err)
	}
}

func get(t *testing.T, transport http.RoundTripper, url string) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := transport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	if err := resp.Body.Close(); err != nil {
		t.Error(err)
	}
	return resp.StatusCode
}

func TestPortInUse(t *testing.T) {
	t.Parallel()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}()
	err = Serve(t.Context(), l.Addr().String(), http.NotFoundHandler())
	if err == nil || !strings.Contains(err.Error(), "taken by another program") ||
		!strings.Contains(err.Error(), "-addr") {
		t.Errorf("got %v", err)
	}
	if err := Serve(t.Context(), "nowhere:x", nil); err == nil {
		t.Error("served on an address that is none")
	}
}
