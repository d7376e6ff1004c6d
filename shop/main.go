package shop

import (
	"context"
	"errors"
	"flag"
	"log/slog"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"
)

// Exit codes of every program of the course.
const (
	exitOK    = 0
	exitError = 1
	exitUsage = 2
)

// Main is the main function of every program of the course: it sets the logger
// up, runs run, and exits with 0 when it returned nil, with 1 when it failed
// and with 2 when the program was started wrongly.
//
// SIGINT and SIGTERM end run's context: the program stops taking work, finishes
// what is in progress and returns. A second signal is for the impatient: it exits
// at once with 128 plus the signal's number, as a shell would report it.
func Main(run func(context.Context) error) {
	os.Exit(mainCode(run))
}

func mainCode(run func(context.Context) error) int {
	logger, err := newLogger(os.Stdout)
	if err != nil {
		slog.Error("cannot start", "error", err)
		return exitUsage
	}
	slog.SetDefault(logger)

	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	finished := make(chan struct{})
	defer close(finished)
	go obey(signals, finished, cancel)

	return exitCode(run(ctx), ctx.Err() != nil)
}

func obey(signals <-chan os.Signal, finished <-chan struct{}, cancel func()) {
	select {
	case s := <-signals:
		slog.Info("draining: finishing the work in progress; a second signal exits at once",
			"signal", s.String())
		if os.Getenv("LOG_MEMORY") == "yes" {
			logMemory()
		}
		cancel()
	case <-finished:
		return
	}
	select {
	case s := <-signals:
		slog.Warn("exiting at once", "signal", s.String())
		code := exitError
		if number, ok := s.(syscall.Signal); ok {
			code = 128 + int(number)
		}
		os.Exit(code)
	case <-finished:
	}
}

// logMemory says what the program holds when it is asked to end: what it remembers of the
// orders that it has done, it will remember forever. LOG_MEMORY=yes asks for it.
func logMemory() {
	runtime.GC()
	runtime.GC() // what is in a sync.Pool lives through the first one
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	slog.Info("memory", "heap_mb", m.HeapAlloc>>20, "goroutines", runtime.NumGoroutine())
}

func exitCode(err error, signalled bool) int {
	usage := new(UsageError)
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return exitOK
	case signalled && errors.Is(err, context.Canceled):
		// The context ended because we were asked to end: that is success.
		return exitOK
	case errors.As(err, &usage):
		slog.Error("cannot start", "error", err)
		return exitUsage
	default:
		slog.Error("stopped by an error", "error", err)
		return exitError
	}
}

// CloseTimeout bounds how long [Close] waits.
const CloseTimeout = 5 * time.Second

// Close calls end, which lets go of something as a program ends, and waits for
// [CloseTimeout] at most. A library may want to part from a server in order, and the
// server may not answer any more: what is still open then, the operating system closes.
func Close(what string, end func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		end()
	}()
	late := time.NewTimer(CloseTimeout)
	defer late.Stop()
	select {
	case <-done:
	case <-late.C:
		slog.Warn("not closed in order: ending all the same", "what", what,
			"after", CloseTimeout)
	}
}
