package rabbitmq

import (
	"errors"
	"fmt"
	"math"
	"net/url"
	"time"

	"course.example/shop"
	amqp "github.com/rabbitmq/amqp091-go"
)

// Settings is what can be set from outside. The zero value is not usable: start
// from [DefaultSettings].
type Settings struct {
	URL       string        // of the broker, with user and password
	Variant   string        // of this step: "" is the right one, see wrong.go
	Heartbeat time.Duration // silence for this long means that the other side is dead

	Addr   string // where the producer serves HTTP
	Window int    // how many orders may wait for the broker's confirm at a time

	Work     time.Duration // how long the work for an order takes
	Prefetch int           // unacknowledged orders the broker pushes to one consumer
	Workers  int           // orders in work at a time in one consumer
	Attempts int           // how often a failing order is tried before it is given up
}

// DefaultSettings fit the broker of the compose file.
func DefaultSettings() Settings {
	return Settings{
		URL:       "amqp://guest:guest@127.0.0.1:5672/",
		Heartbeat: 10 * time.Second,
		Addr:      "127.0.0.1:8080",
		Window:    256,
		Work:      20 * time.Millisecond,
		Prefetch:  10,
		Workers:   1,
		Attempts:  5,
	}
}

// Flags returns the flags that every program of this step has. They set s.
func (s *Settings) Flags(program string) *shop.Flags {
	f := shop.NewFlags(program)
	f.StringVar(&s.URL, "amqp-url", s.URL, "the broker, with user and password")
	f.Env("amqp-url", "AMQP_URL")
	f.StringVar(&s.Variant, "variant", s.Variant,
		"what to do wrong: "+variantNames()+"; empty for the right way")
	f.Env("variant", "VARIANT")
	f.DurationVar(&s.Heartbeat, "heartbeat", s.Heartbeat, "after which silence is death")
	f.Env("heartbeat", "HEARTBEAT")
	return f
}

// ProducerSettings reads the producer's command line and environment.
func ProducerSettings(args []string) (Settings, error) {
	s := DefaultSettings()
	f := s.Flags("producer")
	f.StringVar(&s.Addr, "addr", s.Addr, "where to serve HTTP")
	f.Env("addr", "ADDR")
	f.IntVar(&s.Window, "window", s.Window, "orders that may wait for a confirm at a time")
	f.Env("window", "WINDOW")
	if err := f.Parse(args); err != nil {
		return s, err
	}
	return s, s.Validate()
}

// ConsumerSettings reads the consumer's command line and environment.
func ConsumerSettings(args []string) (Settings, error) {
	s := DefaultSettings()
	f := s.Flags("consumer")
	f.DurationVar(&s.Work, "work", s.Work, "how long the work for one order takes")
	f.Env("work", "WORK")
	f.IntVar(&s.Prefetch, "prefetch", s.Prefetch, "unacknowledged orders at a time")
	f.Env("prefetch", "PREFETCH")
	f.IntVar(&s.Workers, "workers", s.Workers, "orders in work at a time")
	f.Env("workers", "WORKERS")
	f.IntVar(&s.Attempts, "attempts", s.Attempts, "tries before an order is given up")
	f.Env("attempts", "ATTEMPTS")
	if err := f.Parse(args); err != nil {
		return s, err
	}
	return s, s.Validate()
}

// Validate returns a [*shop.UsageError] for the first setting that cannot work.
func (s Settings) Validate() error {
	if _, err := amqp.ParseURI(s.URL); err != nil {
		return usagef("AMQP_URL is not an AMQP address: %v; "+
			"want amqp://user:password@host:port/vhost", withoutPassword(err))
	}
	if _, known := variants[s.Variant]; !known {
		return usagef("variant %q is unknown; there are: %s", s.Variant, variantNames())
	}
	if s.Heartbeat < time.Second || s.Heartbeat > time.Hour {
		return usagef("heartbeat must be 1s to 1h, is %s", s.Heartbeat)
	}
	if s.Work < 0 {
		return usagef("work must not be negative, is %s", s.Work)
	}
	for _, n := range []struct {
		name       string
		value, max int
	}{
		{"window", s.Window, 1 << 20},
		{"prefetch", s.Prefetch, math.MaxUint16}, // basic.qos has 16 bits for it
		{"workers", s.Workers, 10_000},
		{"attempts", s.Attempts, 100},
	} {
		if n.value < 1 || n.value > n.max {
			return usagef("%s must be 1 to %d, is %d", n.name, n.max, n.value)
		}
	}
	return nil
}

// withoutPassword strips the address from the error of a parser that quotes it.
func withoutPassword(err error) error {
	if quoting := new(url.Error); errors.As(err, &quoting) {
		return quoting.Err
	}
	return err
}

func usagef(format string, args ...any) error {
	return &shop.UsageError{Problem: fmt.Sprintf(format, args...)}
}
