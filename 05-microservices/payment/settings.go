package payment

import (
	"flag"
	"fmt"
	"strings"
	"time"

	"course.example/shop"
)

// Settings is what can be set from outside. Start from [DefaultSettings].
type Settings struct {
	Addr      string        // where to serve
	Work      time.Duration // how long a charge takes
	Workers   int           // charges at a time
	Fail      float64       // share of the charges that fail, 0 to 1
	Slow      time.Duration // how long an answer is held back after the charge
	SlowShare float64       // share of the answers that are
	Book      string        // folder of the charges; "" is a new one, for this run
	KeyTTL    time.Duration // how long a key is remembered
	Keys      int           // how many keys are remembered at least
}

// DefaultSettings fit each other.
func DefaultSettings() Settings {
	return Settings{
		Addr: "127.0.0.1:8081", Work: 20 * time.Millisecond, Workers: 16, SlowShare: 1,
		KeyTTL: 24 * time.Hour, Keys: 100_000,
	}
}

// ParseSettings reads the command line, and for every flag the variable of its name:
// -key-ttl is $KEY_TTL.
func ParseSettings(args []string) (Settings, error) {
	s := DefaultSettings()
	f := shop.NewFlags("payment")
	f.StringVar(&s.Addr, "addr", s.Addr, "where to serve")
	f.DurationVar(&s.Work, "work", s.Work, "how long a charge takes")
	f.IntVar(&s.Workers, "workers", s.Workers, "charges at a time")
	f.Float64Var(&s.Fail, "fail", s.Fail, "share of the charges that fail, 0 to 1")
	f.DurationVar(&s.Slow, "slow", s.Slow, "hold the answer back, after the charge")
	f.Float64Var(&s.SlowShare, "slow-share", s.SlowShare, "share of the slow answers")
	f.StringVar(&s.Book, "book", s.Book,
		"folder of the charges, the same for all replicas; empty: one for this run alone")
	f.DurationVar(&s.KeyTTL, "key-ttl", s.KeyTTL, "how long a key is remembered")
	f.IntVar(&s.Keys, "keys", s.Keys, "how many keys are remembered at least")
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
	if s.KeyTTL < time.Millisecond {
		return usagef("key-ttl must be at least 1ms, is %s", s.KeyTTL)
	}
	for name, n := range map[string]int{"workers": s.Workers, "keys": s.Keys} {
		if n < 1 || n > 10_000_000 {
			return usagef("%s must be 1 to 10000000, is %d", name, n)
		}
	}
	return nil
}

func usagef(format string, args ...any) error {
	return &shop.UsageError{Problem: fmt.Sprintf(format, args...)}
}
