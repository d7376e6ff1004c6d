package lock

import (
	"fmt"
	"net/url"
	"strings"
	"time"

	"course.example/shop"
	"github.com/redis/go-redis/v9"
)

// Settings is what can be set from outside. The zero value is not usable: start
// from [DefaultSettings].
type Settings struct {
	Redis     string // the nodes, separated by commas
	Nodes     int    // how many of them to use, 0 for all
	Sentinels string // of a pair, in place of the nodes
	Acks      int    // how many replicas must have confirmed a lock
	Account   string // where the account is served
	Database  string // of the account
	Variant   string // of this step: "" is the right one, see wrong.go

	Expiry  time.Duration // after which a lock is free again, if it is not extended
	Wait    time.Duration // how long to wait for a lock; 0 tries once
	Retry   time.Duration // the longest pause between two tries
	Fencing bool          // whether writes carry a fencing token
	Redlock string        // whose: by-hand or redsync

	Addr    string        // where to serve HTTP
	Work    time.Duration // how long billing one order takes
	Gap     time.Duration // between the last look at the lease and the write
	Workers int           // orders in progress at a time in one program
}

// Two implementations of one algorithm.
const (
	redlockByHand  = "by-hand"
	redlockRedsync = "redsync"
)

// DefaultSettings fit the five nodes of the compose file's profile redlock.
func DefaultSettings() Settings {
	var nodes []string
	for port := 6381; port <= 6385; port++ {
		nodes = append(nodes, fmt.Sprintf("redis://127.0.0.1:%d/0", port))
	}
	return Settings{
		Redis:    strings.Join(nodes, ","),
		Account:  "http://127.0.0.1:8090",
		Database: "postgres://shop:shop@127.0.0.1:5432/shop?sslmode=disable",
		Expiry:   2 * time.Second,
		Wait:     10 * time.Second,
		Retry:    20 * time.Millisecond,
		Fencing:  true,
		Redlock:  redlockByHand,
		Addr:     "127.0.0.1:8080",
		Work:     20 * time.Millisecond,
		Workers:  4,
	}
}

// BillerSettings reads the command line and environment of producer and consumer.
func BillerSettings(program string, args []string) (Settings, error) {
	s := DefaultSettings()
	f := shop.NewFlags(program)
	f.StringVar(&s.Redis, "redis-url", s.Redis, "the Redis nodes, separated by commas")
	f.Env("redis-url", "REDIS_URL")
	f.IntVar(&s.Nodes, "nodes", s.Nodes, "how many of the nodes to use; 0 for all")
	f.Env("nodes", "NODES")
	f.StringVar(&s.Sentinels, "sentinel-url", s.Sentinels,
		"Sentinels that know the primary of a pair, used in place of the nodes")
	f.Env("sentinel-url", "SENTINEL_URL")
	f.IntVar(&s.Acks, "acks", s.Acks, "how many replicas must have confirmed a lock")
	f.Env("acks", "ACKS")
	f.StringVar(&s.Account, "account-url", s.Account, "where the account is served")
	f.Env("account-url", "ACCOUNT_URL")
	f.StringVar(&s.Variant, "variant", s.Variant,
		"what to do wrong: "+variantNames()+"; empty for the right way")
	f.Env("variant", "VARIANT")
	f.DurationVar(&s.Expiry, "expiry", s.Expiry, "after which a lock is free again")
	f.Env("expiry", "EXPIRY")
	f.DurationVar(&s.Wait, "wait", s.Wait, "how long to wait for a lock; 0 tries once")
	f.Env("wait", "WAIT")
	f.DurationVar(&s.Retry, "retry", s.Retry, "the longest pause between two tries")
	f.Env("retry", "RETRY")
	f.BoolVar(&s.Fencing, "fencing", s.Fencing, "whether writes carry a fencing token")
	f.Env("fencing", "FENCING")
	f.StringVar(&s.Redlock, "redlock", s.Redlock, "whose Redlock: by-hand or redsync")
	f.Env("redlock", "REDLOCK")
	f.DurationVar(&s.Work, "work", s.Work, "how long billing one order takes")
	f.Env("work", "WORK")
	f.DurationVar(&s.Gap, "gap", s.Gap, "between the last look at the lock and the write")
	f.Env("gap", "GAP")
	f.IntVar(&s.Workers, "workers", s.Workers, "orders in progress at a time")
	f.Env("workers", "WORKERS")
	addAddr(&s, f)
	if err := f.Parse(args); err != nil {
		return s, err
	}
	return s, s.Validate()
}

// AccountSettings reads the account's command line and environment.
func AccountSettings(args []string) (Settings, error) {
	s := DefaultSettings()
	s.Addr = "127.0.0.1:8090"
	f := shop.NewFlags("account")
	f.StringVar(&s.Database, "database-url", s.Database, "where the account keeps its pages")
	f.Env("database-url", "DATABASE_URL")
	f.BoolVar(&s.Fencing, "fencing", s.Fencing, "whether tokens are checked")
	f.Env("fencing", "FENCING")
	f.StringVar(&s.Variant, "variant", s.Variant, "no-fencing asks for no tokens")
	f.Env("variant", "VARIANT")
	addAddr(&s, f)
	if err := f.Parse(args); err != nil {
		return s, err
	}
	if s.Variant == "no-fencing" {
		s.Fencing = false
	}
	return s, nil
}

func addAddr(s *Settings, f *shop.Flags) {
	f.StringVar(&s.Addr, "addr", s.Addr, "where to serve HTTP")
	f.Env("addr", "ADDR")
}

// addresses are those of the nodes that are to be used.
func (s Settings) addresses() []string {
	all := strings.Split(s.Redis, ",")
	for i := range all {
		all[i] = strings.TrimSpace(all[i])
	}
	if s.Nodes > 0 {
		all = all[:min(s.Nodes, len(all))]
	}
	return all
}

// Validate returns a [*shop.UsageError] for the first setting that cannot work.
func (s Settings) Validate() error {
	seen := map[string]bool{}
	for _, address := range s.addresses() {
		options, err := redis.ParseURL(address)
		if err != nil {
			return usagef("REDIS_URL: %v; want redis://host:port/number, several "+
				"separated by commas", err)
		}
		if seen[options.Addr] {
			return usagef("REDIS_URL has %s twice: a majority must be of different nodes", options.Addr)
		}
		seen[options.Addr] = true
	}
	if s.Sentinels != "" {
		if _, _, err := s.sentinels(); err != nil {
			return err
		}
	}
	if have := len(strings.Split(s.Redis, ",")); s.Nodes < 0 || s.Nodes > have {
		return usagef("nodes must be 0 (all) to %d, the number of addresses in REDIS_URL, "+
			"is %d", have, s.Nodes)
	}
	if u, err := url.Parse(s.Account); err != nil || u.Scheme != "http" || u.Host == "" {
		return usagef("ACCOUNT_URL: %q is no address; want http://host:port", s.Account)
	}
	if _, known := variants[s.Variant]; !known {
		return usagef("variant %q is unknown; there are: %s", s.Variant, variantNames())
	}
	if s.Acks < 0 || s.Acks > 9 || s.Acks > 0 && s.Redlock != redlockByHand {
		return usagef("acks must be 0 to 9, and Redlock by hand to wait for them, is %d", s.Acks)
	}
	if s.Redlock != redlockByHand && s.Redlock != redlockRedsync {
		return usagef("redlock must be %s or %s, is %q", redlockByHand, redlockRedsync, s.Redlock)
	}
	for _, d := range []struct {
		name            string
		value, min, max time.Duration
	}{
		// Below a tenth of a second the answers take too large a part of it.
		{"expiry", s.Expiry, 100 * time.Millisecond, time.Hour},
		{"wait", s.Wait, 0, time.Hour},
		{"retry", s.Retry, time.Microsecond, time.Minute},
		{"work", s.Work, 0, time.Hour},
		{"gap", s.Gap, 0, 5 * time.Second}, // nothing ends it, and a drain has its limit
	} {
		if d.value < d.min || d.value > d.max {
			return usagef("%s must be %s to %s, is %s", d.name, d.min, d.max, d.value)
		}
	}
	if s.Workers < 1 || s.Workers > 1000 {
		return usagef("workers must be 1 to 1000, is %d", s.Workers)
	}
	return nil
}

func usagef(format string, args ...any) error {
	return &shop.UsageError{Problem: fmt.Sprintf(format, args...)}
}
