package observability

import (
	"fmt"
	"net/url"
	"os"
	"time"

	"course.example/shop"
	amqp "github.com/rabbitmq/amqp091-go"
)

// Settings is what can be set from outside. Start from [DefaultSettings]. Where telemetry goes
// is set by OpenTelemetry's own variables: see telemetry.go.
type Settings struct {
	URL       string        // of the broker, with user and password
	Variant   string        // of this step: "" is the right one, see wrong.go
	Heartbeat time.Duration // silence for this long means that the broker is dead
	Addr      string        // where the process serves HTTP
	Process   string        // its name among its kind: consumer-1
	Flush     time.Duration // how long the last telemetry may take at the end

	Work     time.Duration // how long the work for an order takes
	Workers  int           // messages in work at a time in one process
	Attempts int           // how often a failing message is tried before it is given up
	Pause    time.Duration // before the second attempt; it doubles from there
}

// DefaultSettings fit the broker of the compose file.
func DefaultSettings() Settings {
	return Settings{
		URL: "amqp://guest:guest@127.0.0.1:5672/", Heartbeat: 5 * time.Second,
		Addr: "127.0.0.1:8080", Flush: 3 * time.Second,
		Work: 20 * time.Millisecond, Workers: 1, Attempts: 3, Pause: 50 * time.Millisecond,
	}
}

// ReadSettings reads the command line and the environment of one of the programs.
func ReadSettings(program string, args []string) (Settings, error) {
	s := DefaultSettings()
	s.Process = program
	if program != "producer" {
		s.Addr = "127.0.0.1:0" // several of them run side by side
	}
	if program == "shipper" {
		s.Workers = 8 // a batch is made of what is in work at a time
	}
	f := shop.NewFlags(program)
	f.StringVar(&s.URL, "amqp-url", s.URL, "the broker, with user and password")
	f.Env("amqp-url", "AMQP_URL")
	f.StringVar(&s.Variant, "variant", s.Variant,
		"what to do wrong: "+variantNames()+"; empty for the right way")
	f.Env("variant", "VARIANT")
	f.DurationVar(&s.Heartbeat, "heartbeat", s.Heartbeat, "after which silence is death")
	f.Env("heartbeat", "HEARTBEAT")
	f.StringVar(&s.Addr, "addr", s.Addr, "where to serve HTTP: /healthz and /metrics")
	f.Env("addr", "ADDR")
	f.StringVar(&s.Process, "process", s.Process, "its name among its kind, on every span")
	f.Env("process", "PROCESS")
	f.DurationVar(&s.Flush, "flush", s.Flush, "how long the last telemetry may take at the end")
	f.Env("flush", "FLUSH")
	if program != "producer" {
		f.DurationVar(&s.Work, "work", s.Work, "how long the work for one order takes")
		f.Env("work", "WORK")
		f.IntVar(&s.Workers, "workers", s.Workers, "messages in work at a time")
		f.Env("workers", "WORKERS")
		f.IntVar(&s.Attempts, "attempts", s.Attempts, "tries before a message is given up")
		f.Env("attempts", "ATTEMPTS")
	}
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
	if s.Flush < 0 || s.Flush > time.Minute {
		return usagef("flush must be 0s to 1m, is %s", s.Flush)
	}
	if s.Work < 0 {
		return usagef("work must not be negative, is %s", s.Work)
	}
	for _, n := range []struct {
		name       string
		value, max int
	}{{"workers", s.Workers, 1000}, {"attempts", s.Attempts, 100}} {
		if n.value < 1 || n.value > n.max {
			return usagef("%s must be 1 to %d, is %d", n.name, n.max, n.value)
		}
	}
	// The SDK would fall back to its defaults in silence, and send to where nobody listens.
	names := []string{endpointVar, seqVar}
	for _, signal := range signals {
		names = append(names, endpointOf(signal))
	}
	for _, name := range names {
		if raw := os.Getenv(name); raw != "" {
			if u, err := url.Parse(raw); err != nil || u.Host == "" {
				return usagef("%s=%q is not a URL like http://127.0.0.1:4318", name, raw)
			}
		}
	}
	return nil
}

func usagef(format string, args ...any) error {
	return &shop.UsageError{Problem: fmt.Sprintf(format, args...)}
}
