package microservices

import (
	"flag"
	"fmt"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"course.example/shop"
)

// Settings is what can be set from outside. The zero value is not usable: start
// from [DefaultSettings].
type Settings struct {
	Addr    string // where to serve
	Variant string // "" is the right one, see wrong.go

	// Of the order service.
	PaymentURL string        // the payment service, or the gateway before it
	Transport  string        // http or grpc
	Deadline   time.Duration // what a customer waits at most
	TryTimeout time.Duration // what one try may take
	Tries      int           // how often a charge is tried, the first included
	Bulkhead   int           // calls to payment at a time
	InFlight   int           // orders at a time; more are turned away

	// Of the payment service.
	Work      time.Duration // how long a charge takes
	Workers   int           // charges at a time
	Fail      float64       // share of the charges that fail, 0 to 1
	Slow      time.Duration // how long an answer is held back after the charge
	SlowShare float64       // share of the answers that are
	Book      string        // the folder of the charges, shared by all replicas
	KeyTTL    time.Duration // how long a key is remembered
	Keys      int           // how many keys are remembered

	// Of the gateway.
	PaymentURLs  string        // the replicas, separated by commas
	Balance      string        // a name of balance.go
	CheckEvery   time.Duration // between two health checks of a replica
	CheckTimeout time.Duration // after which one has failed
}

// DefaultSettings fit each other.
func DefaultSettings() Settings {
	return Settings{
		PaymentURL:   "http://127.0.0.1:8081",
		Transport:    "http",
		Deadline:     time.Second,
		TryTimeout:   300 * time.Millisecond,
		Tries:        3,
		Bulkhead:     32,
		InFlight:     64,
		Work:         20 * time.Millisecond,
		Workers:      16,
		SlowShare:    1,
		Book:         filepath.Join(os.TempDir(), "course-05-charges"),
		KeyTTL:       24 * time.Hour,
		Keys:         100_000,
		PaymentURLs:  "http://127.0.0.1:8082,http://127.0.0.1:8083,http://127.0.0.1:8084",
		Balance:      "round-robin",
		CheckEvery:   100 * time.Millisecond,
		CheckTimeout: 250 * time.Millisecond,
	}
}

// OrderSettings reads the order service's command line and environment.
func OrderSettings(args []string) (Settings, error) {
	s := DefaultSettings()
	f := s.flags("order", "127.0.0.1:8080")
	f.StringVar(&s.Variant, "variant", s.Variant,
		"what to do wrong: "+variantNames()+"; empty for the right way")
	f.StringVar(&s.PaymentURL, "payment-url", s.PaymentURL, "payment, or the gateway")
	f.StringVar(&s.Transport, "transport", s.Transport, "how to call it: http or grpc")
	f.DurationVar(&s.Deadline, "deadline", s.Deadline, "what a customer waits at most")
	f.DurationVar(&s.TryTimeout, "try-timeout", s.TryTimeout, "what one try may take")
	f.IntVar(&s.Tries, "tries", s.Tries, "tries of a charge, the first included")
	f.IntVar(&s.Bulkhead, "bulkhead", s.Bulkhead, "calls to payment at a time")
	f.IntVar(&s.InFlight, "in-flight", s.InFlight, "orders at a time")
	return s, s.parse(f, args)
}

// PaymentSettings reads the payment service's command line and environment.
func PaymentSettings(args []string) (Settings, error) {
	s := DefaultSettings()
	f := s.flags("payment", "127.0.0.1:8081")
	f.DurationVar(&s.Work, "work", s.Work, "how long a charge takes")
	f.IntVar(&s.Workers, "workers", s.Workers, "charges at a time")
	f.Float64Var(&s.Fail, "fail", s.Fail, "share of the charges that fail, 0 to 1")
	f.DurationVar(&s.Slow, "slow", s.Slow, "hold the answer back, after the charge")
	f.Float64Var(&s.SlowShare, "slow-share", s.SlowShare, "share of the slow answers")
	f.StringVar(&s.Book, "book", s.Book, "folder of the charges, for all replicas")
	f.DurationVar(&s.KeyTTL, "key-ttl", s.KeyTTL, "how long a key is remembered")
	f.IntVar(&s.Keys, "keys", s.Keys, "how many keys are remembered")
	return s, s.parse(f, args)
}

// GatewaySettings reads the gateway's command line and environment.
func GatewaySettings(args []string) (Settings, error) {
	s := DefaultSettings()
	f := s.flags("gateway", "127.0.0.1:8081")
	f.StringVar(&s.PaymentURLs, "payment-urls", s.PaymentURLs, "the replicas, with commas")
	f.StringVar(&s.Balance, "balance", s.Balance, "how to choose: "+balancerNames())
	f.DurationVar(&s.CheckEvery, "check-every", s.CheckEvery, "between two health checks")
	f.DurationVar(&s.CheckTimeout, "check-timeout", s.CheckTimeout, "when one has failed")
	return s, s.parse(f, args)
}

func (s *Settings) flags(program, addr string) *shop.Flags {
	s.Addr = addr
	f := shop.NewFlags(program)
	f.StringVar(&s.Addr, "addr", s.Addr, "where to serve")
	return f
}

// parse gives every flag the variable of its name: -payment-url is $PAYMENT_URL.
func (s *Settings) parse(f *shop.Flags, args []string) error {
	var names []string
	f.VisitAll(func(fl *flag.Flag) { names = append(names, fl.Name) })
	for _, name := range names {
		f.Env(name, strings.ToUpper(strings.ReplaceAll(name, "-", "_")))
	}
	if err := f.Parse(args); err != nil {
		return err
	}
	return s.Validate()
}

// Validate returns a [*shop.UsageError] for the first setting that cannot work.
func (s Settings) Validate() error {
	if _, known := variants[s.Variant]; !known {
		return usagef("variant %q is unknown; there are: %s", s.Variant, variantNames())
	}
	if s.Transport != "http" && s.Transport != "grpc" {
		return usagef("transport must be http or grpc, is %q", s.Transport)
	}
	if _, known := balancers[s.Balance]; !known {
		return usagef("balance must be one of %s, is %q", balancerNames(), s.Balance)
	}
	for _, address := range append(s.paymentURLs(), s.PaymentURL) {
		if u, err := url.Parse(address); err != nil || u.Host == "" || u.Scheme != "http" {
			return usagef("%q is no address of payment: want http://host:port", address)
		}
	}
	for name, share := range map[string]float64{"fail": s.Fail, "slow-share": s.SlowShare} {
		if !(share >= 0 && share <= 1) {
			return usagef("%s must be 0 to 1, is %v", name, share)
		}
	}
	for name, d := range map[string]time.Duration{"work": s.Work, "slow": s.Slow} {
		if d < 0 {
			return usagef("%s must not be negative, is %s", name, d)
		}
	}
	for name, d := range map[string]time.Duration{
		"deadline": s.Deadline, "try-timeout": s.TryTimeout, "key-ttl": s.KeyTTL,
		"check-every": s.CheckEvery, "check-timeout": s.CheckTimeout,
	} {
		if d < time.Millisecond {
			return usagef("%s must be at least 1ms, is %s", name, d)
		}
	}
	for name, n := range map[string]int{
		"tries": s.Tries, "bulkhead": s.Bulkhead, "in-flight": s.InFlight,
		"workers": s.Workers, "keys": s.Keys,
	} {
		if n < 1 || n > 10_000_000 {
			return usagef("%s must be 1 to 10000000, is %d", name, n)
		}
	}
	return nil
}

func (s Settings) paymentURLs() []string { return strings.Split(s.PaymentURLs, ",") }

func balancerNames() string {
	return strings.Join(slices.Sorted(maps.Keys(balancers)), ", ")
}

func usagef(format string, args ...any) error {
	return &shop.UsageError{Problem: fmt.Sprintf(format, args...)}
}
