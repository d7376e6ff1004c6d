// Command otlp is a small receiver of the OpenTelemetry Protocol: the lab's stand-in for Jaeger
// and Seq where there is no Docker. It takes traces, logs and metrics over HTTP and gRPC, in
// memory that is bounded, prints each finished trace as a waterfall and serves a page to search
// them.
//
// It is a module of its own: gRPC and the collector's packages would double the time that a
// first `make run-07` takes to compile, for steps that send no telemetry.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, os.Args[1:], os.Stdout, nil)
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintf(os.Stderr, "otlp: %v\n", err)
		os.Exit(1)
	}
}

// drainTimeout bounds how long requests in progress may take at the end.
const drainTimeout = 3 * time.Second

// run receives until ctx ends. It writes nothing to out but finished traces, and says to at, which
// may be nil, where it listens for HTTP.
func run(ctx context.Context, args []string, out io.Writer, at chan<- string) error {
	flags := flag.NewFlagSet("otlp", flag.ContinueOnError)
	web := flags.String("http", "127.0.0.1:4318", "where to take OTLP over HTTP, and the page")
	rpc := flags.String("grpc", "127.0.0.1:4317", "where to take OTLP over gRPC")
	if err := flags.Parse(args); err != nil {
		return err
	}
	var config net.ListenConfig
	webListener, err := config.Listen(ctx, "tcp", *web)
	if err != nil {
		return fmt.Errorf("listen for HTTP; -http takes another address: %w", err)
	}
	rpcListener, err := config.Listen(ctx, "tcp", *rpc)
	if err != nil {
		return errors.Join(fmt.Errorf("listen for gRPC; -grpc takes another address: %w", err),
			webListener.Close())
	}
	if at != nil {
		at <- webListener.Addr().String()
	}
	store := newStore(defaultLimits)
	server := &http.Server{
		Handler: guard(webListener.Addr(), newHandler(store)), ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout: 30 * time.Second, WriteTimeout: 30 * time.Second, IdleTimeout: 2 * time.Minute,
	}
	rpcServer := newGRPC(store)

	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return ignoreClosed(server.Serve(webListener)) })
	group.Go(func() error { return ignoreClosed(rpcServer.Serve(rpcListener)) })
	group.Go(func() error { return printFinished(ctx, store, out) })
	group.Go(func() error {
		<-ctx.Done()
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
		defer cancel()
		// A client that keeps its stream open must not keep the receiver from ending.
		defer context.AfterFunc(grace, rpcServer.Stop)()
		err := server.Shutdown(grace)
		rpcServer.GracefulStop()
		return err
	})
	return group.Wait()
}

func ignoreClosed(err error) error {
	if errors.Is(err, http.ErrServerClosed) || errors.Is(err, grpc.ErrServerStopped) {
		return nil
	}
	return err
}
