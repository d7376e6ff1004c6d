package shop

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"syscall"
	"time"
)

// DrainTimeout bounds how long [Serve] waits for requests in progress when it is
// asked to end.
const DrainTimeout = 10 * time.Second

// Serve answers HTTP on addr until ctx ends, then drains: it takes no new
// connection and waits up to [DrainTimeout] for the requests in progress. It
// returns nil after a complete drain. A port that is taken is an error at once,
// with the way out in its text.
func Serve(ctx context.Context, addr string, handler http.Handler) error {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("%s is taken by another program: choose another address "+
			"with -addr or ADDR, for example 127.0.0.1:0 for any free port: %w", addr, err)
	}
	if err != nil {
		return fmt.Errorf("listen for HTTP: %w", err)
	}
	slog.Info("listening", "url", "http://"+listener.Addr().String())
	return ServeOn(ctx, listener, handler)
}

// ServeOn is [Serve] for a program that must know its address before it serves: it listens
// first. The listener is closed when ServeOn returns.
func ServeOn(ctx context.Context, listener net.Listener, handler http.Handler) error {
	server := &http.Server{
		Handler: guard(listener.Addr(), handler),
		// Without these a client that sends nothing keeps a connection forever.
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       30 * time.Second,
		IdleTimeout:       2 * time.Minute,
		Protocols:         protocols(),
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serve HTTP on %s: %w", listener.Addr(), err)
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), DrainTimeout)
	defer cancel()
	if err := server.Shutdown(grace); err != nil {
		return errors.Join(
			fmt.Errorf("requests were still in progress after %s: %w", DrainTimeout, err),
			server.Close())
	}
	return nil
}

// protocols lets a client choose HTTP/2 without TLS by speaking it from the first
// byte on (RFC 9113, section 3.3), as gRPC does inside a house.
func protocols() *http.Protocols {
	p := new(http.Protocols)
	p.SetHTTP1(true)
	p.SetUnencryptedHTTP2(true)
	return p
}
