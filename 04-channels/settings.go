package channels

import (
	"fmt"
	"time"

	"course.example/shop"
)

// Settings is what can be set from outside. The zero value is not usable: start
// from [DefaultSettings].
type Settings struct {
	Addr    string        // where to serve HTTP
	Variant string        // of this step: "" is the right one, see wrong.go
	Queue   int           // how many orders the channel holds
	Workers int           // how many orders are in work at a time
	Work    time.Duration // how long the work for an order takes
	Drain   time.Duration // how long the work may go on after SIGTERM
}

// DefaultSettings are those of the README.
func DefaultSettings() Settings {
	return Settings{
		Addr:    "127.0.0.1:8080",
		Queue:   64,
		Workers: 2,
		Work:    20 * time.Millisecond,
		Drain:   5 * time.Second,
	}
}

// ParseSettings reads the command line and the environment.
func ParseSettings(args []string) (Settings, error) {
	s := DefaultSettings()
	f := shop.NewFlags("shop")
	f.StringVar(&s.Addr, "addr", s.Addr, "where to serve HTTP")
	f.Env("addr", "ADDR")
	f.StringVar(&s.Variant, "variant", s.Variant,
		"what to do wrong: "+variantNames()+"; empty for the right way")
	f.Env("variant", "VARIANT")
	f.IntVar(&s.Queue, "queue", s.Queue, "orders that the channel holds")
	f.Env("queue", "QUEUE")
	f.IntVar(&s.Workers, "workers", s.Workers, "orders in work at a time")
	f.Env("workers", "WORKERS")
	f.DurationVar(&s.Work, "work", s.Work, "how long the work for one order takes")
	f.Env("work", "WORK")
	f.DurationVar(&s.Drain, "drain", s.Drain, "how long to go on working after SIGTERM")
	f.Env("drain", "DRAIN")
	if err := f.Parse(args); err != nil {
		return s, err
	}
	return s, s.Validate()
}

// Validate returns a [*shop.UsageError] for the first setting that cannot work.
func (s Settings) Validate() error {
	if _, known := queues[s.Variant]; !known {
		return usagef("variant %q is unknown; there are: %s", s.Variant, variantNames())
	}
	// A channel's buffer is allocated when it is made, at its full size.
	if s.Queue < 1 || s.Queue > 1_000_000 {
		return usagef("queue must be 1 to 1000000, is %d", s.Queue)
	}
	if s.Workers < 1 || s.Workers > 10_000 {
		return usagef("workers must be 1 to 10000, is %d", s.Workers)
	}
	if s.Work < 0 || s.Drain < 0 {
		return usagef("work and drain must not be negative, are %s and %s", s.Work, s.Drain)
	}
	return nil
}

func usagef(format string, args ...any) error {
	return &shop.UsageError{Problem: fmt.Sprintf(format, args...)}
}
