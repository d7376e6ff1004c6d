package gateway

import (
	"flag"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"course.example/shop"
)

// Settings is what can be set from outside. Start from [DefaultSettings].
type Settings struct {
	Addr         string        // where to serve
	PaymentURLs  string        // the replicas, separated by commas
	Balance      string        // a name of balance.go
	CheckEvery   time.Duration // between two health checks of a replica
	CheckTimeout time.Duration // after which one has failed
}

// DefaultSettings fit each other.
func DefaultSettings() Settings {
	return Settings{
		Addr:        "127.0.0.1:8081",
		PaymentURLs: "http://127.0.0.1:8082,http://127.0.0.1:8083,http://127.0.0.1:8084",
		Balance:     "round-robin",
		CheckEvery:  100 * time.Millisecond, CheckTimeout: 250 * time.Millisecond,
	}
}

// ParseSettings reads the command line, and for every flag the variable of its name:
// -payment-urls is $PAYMENT_URLS.
func ParseSettings(args []string) (Settings, error) {
	s := DefaultSettings()
	f := shop.NewFlags("gateway")
	f.StringVar(&s.Addr, "addr", s.Addr, "where to serve")
	f.StringVar(&s.PaymentURLs, "payment-urls", s.PaymentURLs, "the replicas, with commas")
	f.StringVar(&s.Balance, "balance", s.Balance, "how to choose: "+balancerNames())
	f.DurationVar(&s.CheckEvery, "check-every", s.CheckEvery, "between two health checks")
	f.DurationVar(&s.CheckTimeout, "check-timeout", s.CheckTimeout, "when one has failed")
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
	if _, known := balancers[s.Balance]; !known {
		return usagef("balance must be one of %s, is %q", balancerNames(), s.Balance)
	}
	if _, err := s.replicas(); err != nil {
		return err
	}
	for name, d := range map[string]time.Duration{
		"check-every": s.CheckEvery, "check-timeout": s.CheckTimeout,
	} {
		if d < time.Millisecond {
			return usagef("%s must be at least 1ms, is %s", name, d)
		}
	}
	return nil
}

func (s Settings) replicas() (all []*url.URL, err error) {
	for address := range strings.SplitSeq(s.PaymentURLs, ",") {
		u, err := url.Parse(address)
		if err != nil || u.Host == "" || u.Scheme != "http" {
			return nil, usagef("payment-urls: %q is no address: want http://host:port", address)
		}
		all = append(all, u)
	}
	return all, nil
}

func balancerNames() string {
	return strings.Join(slices.Sorted(maps.Keys(balancers)), ", ")
}

func usagef(format string, args ...any) error {
	return &shop.UsageError{Problem: fmt.Sprintf(format, args...)}
}
