package order

import (
	"flag"
	"fmt"
	"net/url"
	"strings"
	"time"

	"course.example/shop"
)

// Settings is what can be set from outside. Start from [DefaultSettings].
type Settings struct {
	Addr       string        // where to serve
	Variant    string        // "" is the right one, see wrong.go
	PaymentURL string        // the payment service, or the gateway before it
	Transport  string        // http or grpc
	Deadline   time.Duration // what a customer waits at most
	TryTimeout time.Duration // what one try may take
	Tries      int           // how often a charge is tried, the first included
	Bulkhead   int           // calls to payment at a time
	InFlight   int           // orders at a time; more are turned away
}

// DefaultSettings fit each other.
func DefaultSettings() Settings {
	return Settings{
		Addr: "127.0.0.1:8080", PaymentURL: "http://127.0.0.1:8081", Transport: "http",
		Deadline: time.Second, TryTimeout: 300 * time.Millisecond, Tries: 3,
		Bulkhead: 32, InFlight: 64,
	}
}

// ParseSettings reads the command line, and for every flag the variable of its name:
// -payment-url is $PAYMENT_URL.
func ParseSettings(args []string) (Settings, error) {
	s := DefaultSettings()
	f := shop.NewFlags("order")
	f.StringVar(&s.Addr, "addr", s.Addr, "where to serve")
	f.StringVar(&s.Variant, "variant", s.Variant,
		"what to do wrong: "+variantNames()+"; empty for the right way")
	f.StringVar(&s.PaymentURL, "payment-url", s.PaymentURL, "payment, or the gateway")
	f.StringVar(&s.Transport, "transport", s.Transport, "how to call it: http or grpc")
	f.DurationVar(&s.Deadline, "deadline", s.Deadline, "what a customer waits at most")
	f.DurationVar(&s.TryTimeout, "try-timeout", s.TryTimeout, "what one try may take")
	f.IntVar(&s.Tries, "tries", s.Tries, "tries of a charge, the first included")
	f.IntVar(&s.Bulkhead, "bulkhead", s.Bulkhead, "calls to payment at a time")
	f.IntVar(&s.InFlight, "in-flight", s.InFlight, "orders at a time")
	f.VisitAll(func(fl *flag.Flag) {
		f.Env(fl.Name, strings.ToUpper(strings.ReplaceAll(fl.Name, "-", "_")))
	})
	if err := f.Parse(args); err != nil {
		return s, err
	}
	return s, s.Validate()
}

// Validate returns a [*shop.UsageError] for the first setting that cannot work.
func (s Settings) Validate() error {
	if _, known := variants[s.Variant]; !known {
		return usagef("variant %q is unknown; there are: %s", s.Variant, variantNames())
	}
	if s.Transport != "http" && s.Transport != "grpc" {
		return usagef("transport must be http or grpc, is %q", s.Transport)
	}
	if u, err := url.Parse(s.PaymentURL); err != nil || u.Host == "" || u.Scheme != "http" {
		return usagef("payment-url %q is no address: want http://host:port", s.PaymentURL)
	}
	for name, d := range map[string]time.Duration{
		"deadline": s.Deadline, "try-timeout": s.TryTimeout,
	} {
		if d < time.Millisecond {
			return usagef("%s must be at least 1ms, is %s", name, d)
		}
	}
	for name, n := range map[string]int{
		"tries": s.Tries, "bulkhead": s.Bulkhead, "in-flight": s.InFlight,
	} {
		if n < 1 || n > 10_000_000 {
			return usagef("%s must be 1 to 10000000, is %d", name, n)
		}
	}
	return nil
}

func usagef(format string, args ...any) error {
	return &shop.UsageError{Problem: fmt.Sprintf(format, args...)}
}
