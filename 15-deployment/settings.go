package deployment

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"course.example/shop"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Settings is what can be set from outside. The zero value is not usable: start from
// [DefaultSettings].
type Settings struct {
	URL     string        // of the database, with user and password
	Variant string        // of this step: "" is the right one, see wrong.go
	Version string        // of a replica; of a deployer, what runs where no desired.yaml says it
	Addr    string        // where the program serves HTTP
	Timeout time.Duration // of one conversation with the database
	Lease   time.Duration // how long the database waits for a silent consumer
	Check   time.Duration // how long a producer looks at an order before it writes it
	WarmUp  time.Duration // how long a replica takes from its start until it can serve
	Work    time.Duration // how long the work for an order takes
	Workers int           // orders that one consumer has in progress
	Poll    time.Duration // between two looks at an empty table
	Cache   int           // rows that a replica reads before it can serve

	Strategy string        // how a new version comes in: see strategies
	Desired  string        // the file that says what should run, see desired.go
	Look     time.Duration // between two looks at that file, and at what runs
	ReadyIn  time.Duration // how long a replica may take to be ready
	DrainIn  time.Duration // how long a replica may take to end
	Watch    time.Duration // how long a new version is watched at each stage, at least
	Enough   int           // orders that must have met it in that time
	Slow     time.Duration // what takes longer counts as bad
	MaxBad   float64       // share of bad answers beyond that of the old version
}

// DefaultSettings fit the database of the compose file.
func DefaultSettings() Settings {
	return Settings{
		URL:     "postgres://shop:shop@127.0.0.1:5432/shop?sslmode=disable",
		Version: "v1", Addr: "127.0.0.1:8080",
		Timeout: 5 * time.Second, Lease: 10 * time.Second,
		WarmUp: 300 * time.Millisecond, Work: 20 * time.Millisecond,
		Workers: 4, Poll: 50 * time.Millisecond,
		Strategy: "rolling", Look: time.Second, ReadyIn: 15 * time.Second, DrainIn: 12 * time.Second,
		Watch: 500 * time.Millisecond, Enough: 10, Slow: time.Second, MaxBad: 0.1,
	}
}

func (s *Settings) flags(program string) *shop.Flags {
	f := shop.NewFlags(program)
	f.StringVar(&s.URL, "database-url", s.URL, "the database, with user and password")
	f.Env("database-url", "DATABASE_URL")
	f.StringVar(&s.Variant, "variant", s.Variant,
		"what to do wrong: "+variantNames()+"; empty for the right way")
	f.Env("variant", "VARIANT")
	f.StringVar(&s.Version, "version", s.Version, "of the shop's programs")
	f.Env("version", "VERSION")
	f.DurationVar(&s.Timeout, "timeout", s.Timeout, "after which a silent database is away")
	f.Env("timeout", "TIMEOUT")
	return f
}

// ReplicaSettings reads the command line and environment of a producer or a consumer.
func ReplicaSettings(program string, args []string) (Settings, Release, error) {
	s := DefaultSettings()
	f := s.flags(program)
	f.StringVar(&s.Addr, "addr", s.Addr, "where to serve HTTP")
	f.Env("addr", "ADDR")
	f.DurationVar(&s.WarmUp, "warm-up", s.WarmUp, "from the start until it can serve")
	f.Env("warm-up", "WARM_UP")
	f.DurationVar(&s.Check, "check", s.Check, "how long a producer looks at an order")
	f.Env("check", "CHECK")
	f.DurationVar(&s.Lease, "lease", s.Lease, "of a silent consumer on the order in its hand")
	f.Env("lease", "LEASE")
	f.DurationVar(&s.Work, "work", s.Work, "how long the work for one order takes")
	f.Env("work", "WORK")
	f.IntVar(&s.Workers, "workers", s.Workers, "orders in progress at a time")
	f.Env("workers", "WORKERS")
	f.DurationVar(&s.Poll, "poll", s.Poll, "between two looks at an empty table")
	f.Env("poll", "POLL")
	f.IntVar(&s.Cache, "cache", s.Cache, "rows to read from the database before it can serve")
	f.Env("cache", "CACHE")
	if err := f.Parse(args); err != nil {
		return s, Release{}, err
	}
	if err := s.validate(); err != nil {
		return s, Release{}, err
	}
	r, err := FindRelease(s.Version)
	return s, r, err
}

// DeployerSettings reads the deployer's command line and environment.
func DeployerSettings(args []string) (Settings, error) {
	s := DefaultSettings()
	f := s.flags("deployer")
	f.StringVar(&s.Addr, "addr", s.Addr, "where customers come in")
	f.Env("addr", "ADDR")
	f.StringVar(&s.Strategy, "strategy", s.Strategy,
		"how a new version comes in: "+strings.Join(strategyNames(), ", "))
	f.Env("strategy", "STRATEGY")
	f.StringVar(&s.Desired, "desired", s.Desired, "the file that says what should run")
	f.Env("desired", "DESIRED")
	f.DurationVar(&s.Look, "look", s.Look, "between two looks at that file, and at what runs")
	f.Env("look", "LOOK")
	f.DurationVar(&s.ReadyIn, "ready-in", s.ReadyIn, "how long a replica may take to be ready")
	f.Env("ready-in", "READY_IN")
	f.DurationVar(&s.DrainIn, "drain-in", s.DrainIn, "how long a replica may take to end")
	f.Env("drain-in", "DRAIN_IN")
	f.DurationVar(&s.Watch, "watch", s.Watch, "how long each stage is watched, at least")
	f.Env("watch", "WATCH")
	f.IntVar(&s.Enough, "enough", s.Enough, "orders that must have met the new version")
	f.Env("enough", "ENOUGH")
	f.DurationVar(&s.Slow, "slow", s.Slow, "an answer that takes longer is a bad one")
	f.Env("slow", "SLOW")
	f.Float64Var(&s.MaxBad, "max-bad", s.MaxBad, "share of bad answers beyond the old version's")
	f.Env("max-bad", "MAX_BAD")
	if err := f.Parse(args); err != nil {
		return s, err
	}
	if _, err := FindRelease(s.Version); err != nil {
		return s, err
	}
	return s, s.validate()
}

// BookSettings reads the command line and environment of the book.
func BookSettings(args []string) (Settings, error) {
	s := DefaultSettings()
	if err := s.flags("book").Parse(args); err != nil {
		return s, err
	}
	return s, s.validate()
}

func (s Settings) validate() error {
	if _, err := pgxpool.ParseConfig(s.URL); err != nil {
		// The parser quotes the address, in which there is a password.
		return usagef("DATABASE_URL cannot be read: want " +
			"postgres://user:password@host:port/database")
	}
	if _, known := variants[s.Variant]; !known {
		return usagef("variant %q is unknown; there are: %s", s.Variant, variantNames())
	}
	if _, known := strategies[s.Strategy]; !known {
		return usagef("strategy %q is unknown; there are: %s", s.Strategy,
			strings.Join(strategyNames(), ", "))
	}
	for _, d := range []struct {
		name       string
		value, min time.Duration
	}{
		{"timeout", s.Timeout, 100 * time.Millisecond},
		{"lease", s.Lease, 100 * time.Millisecond},
		{"check", s.Check, 0},
		{"warm-up", s.WarmUp, 0},
		{"work", s.Work, 0},
		{"poll", s.Poll, time.Millisecond},
		{"look", s.Look, time.Millisecond},
		{"ready-in", s.ReadyIn, 100 * time.Millisecond},
		{"drain-in", s.DrainIn, 100 * time.Millisecond},
		{"watch", s.Watch, time.Millisecond},
		{"slow", s.Slow, time.Millisecond},
	} {
		if d.value < d.min || d.value > time.Hour {
			return usagef("%s must be %s to 1h, is %s", d.name, d.min, d.value)
		}
	}
	switch {
	case s.Work >= s.Timeout:
		return usagef("the work for an order takes %s, and the conversation with the database "+
			"in which it is done ends after %s: choose a longer timeout", s.Work, s.Timeout)
	case s.Workers < 1 || s.Workers > 1000:
		return usagef("workers must be 1 to 1000, is %d", s.Workers)
	case s.Cache < 0 || s.Cache > 100_000_000:
		return usagef("cache must be 0 to 100000000 rows, is %d", s.Cache)
	case s.Enough < 1 || s.Enough > 1_000_000:
		return usagef("enough must be 1 to 1000000, is %d", s.Enough)
	case !(s.MaxBad > 0 && s.MaxBad < 1):
		return usagef("max-bad must be between 0 and 1, is %g", s.MaxBad)
	}
	return nil
}

// Open returns a pool of connections to the database of the settings. It dials nothing yet.
func Open(ctx context.Context, s Settings) (*pgxpool.Pool, error) {
	config, err := pgxpool.ParseConfig(s.URL)
	if err != nil {
		return nil, s.validate()
	}
	config.MaxConns = 8
	config.ConnConfig.ConnectTimeout = openTimeout
	// A statement that was prepared before a column came or went is refused once ("cached plan
	// must not change result type"): while the tables change, each is described anew.
	config.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeDescribeExec
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("open a pool of connections: %w", err)
	}
	return pool, nil
}

func usagef(format string, args ...any) error {
	return &shop.UsageError{Problem: fmt.Sprintf(format, args...)}
}

func strategyNames() []string { return slices.Sorted(maps.Keys(strategies)) }

func variantNames() string {
	names := slices.DeleteFunc(slices.Sorted(maps.Keys(variants)),
		func(n string) bool { return n == "" || n == "right" })
	return strings.Join(names, ", ")
}
