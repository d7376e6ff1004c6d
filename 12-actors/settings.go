package actors

import (
	"context"
	"fmt"
	"os"
	"time"

	"course.example/shop"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/redis/go-redis/v9"
)

// Settings is what can be set from outside. The zero value is not usable: start
// from [DefaultSettings].
type Settings struct {
	RedisURL    string // where the members are, and the states if Store says so
	DatabaseURL string // where the states are when Store is postgres
	Store       string // redis or postgres
	Variant     string // of this step: "" is the right one, see wrong.go
	Name        string // of the process, as logs and the dashboard call it
	Host        string // on which the engine listens

	Lease time.Duration // a silo that is silent for so long is taken for dead
	Work  time.Duration // how long the work for an order takes
	// Workers is how many orders a silo works on at a time; 0 is as many as come.
	Workers int
	Idle    time.Duration // after which a grain is deactivated
	Try     time.Duration // how long one call to a grain may take, without the work

	Addr     string        // where the web app serves HTTP
	Embed    bool          // the web app is a silo itself
	Patience time.Duration // how long a customer waits in all
}

// DefaultSettings fit the servers of the compose file.
func DefaultSettings() Settings {
	return Settings{
		RedisURL:    "redis://127.0.0.1:6379/0",
		DatabaseURL: "postgres://postgres:postgres@127.0.0.1:5432/postgres",
		Store:       "redis",
		Name:        fmt.Sprintf("silo-%d", os.Getpid()),
		Host:        "127.0.0.1",
		Lease:       2 * time.Second,
		Work:        20 * time.Millisecond,
		Idle:        10 * time.Second,
		Try:         time.Second,
		Addr:        "127.0.0.1:8080",
		Patience:    10 * time.Second,
	}
}

// Flags returns the flags of a program, silo or web. They set s.
func (s *Settings) Flags(program string) *shop.Flags {
	f := shop.NewFlags(program)
	text := func(p *string, name, env, usage string) {
		f.StringVar(p, name, *p, usage)
		f.Env(name, env)
	}
	span := func(p *time.Duration, name, env, usage string) {
		f.DurationVar(p, name, *p, usage)
		f.Env(name, env)
	}
	text(&s.RedisURL, "redis-url", "REDIS_URL", "where the table of members is")
	text(&s.DatabaseURL, "database-url", "DATABASE_URL", "for -store postgres")
	text(&s.Store, "store", "STORE", "where grains keep their state: redis or postgres")
	text(&s.Variant, "variant", "VARIANT",
		"what to do wrong: "+variantNames()+"; empty for the right way")
	text(&s.Name, "name", "PROCESS", "of this process, in the log and on the dashboard")
	text(&s.Host, "host", "HOST", "on which silos talk to each other")
	span(&s.Lease, "lease", "LEASE", "a silo that is silent for so long is taken for dead")
	span(&s.Work, "work", "WORK", "how long the work for one order takes")
	f.IntVar(&s.Workers, "workers", s.Workers, "orders in work at a time in a silo; 0: all that come")
	f.Env("workers", "WORKERS")
	span(&s.Idle, "idle", "IDLE", "after which a grain that nobody calls is deactivated")
	if program == "web" {
		text(&s.Addr, "addr", "ADDR", "where to serve HTTP")
		f.BoolVar(&s.Embed, "embed", s.Embed, "be a silo, too")
		f.Env("embed", "EMBED")
	}
	return f
}

// ReadSettings reads the command line and the environment of a program: silo or web.
func ReadSettings(program string, args []string) (Settings, error) {
	s := DefaultSettings()
	if program == "web" {
		s.Name = program
	}
	if err := s.Flags(program).Parse(args); err != nil {
		return s, err
	}
	return s, s.Validate()
}

// Program is a program that is run with its settings, for [shop.Main].
func Program(name string, run func(context.Context, Settings) error) func(context.Context) error {
	return func(ctx context.Context) error {
		s, err := ReadSettings(name, os.Args[1:])
		if err != nil {
			return err
		}
		return run(ctx, s)
	}
}

// Validate returns a [*shop.UsageError] for the first setting that cannot work.
func (s Settings) Validate() error {
	if _, err := redis.ParseURL(s.RedisURL); err != nil {
		return usagef("REDIS_URL is not an address of Redis: want redis://host:port/0")
	}
	if _, known := variants[s.Variant]; !known {
		return usagef("variant %q is unknown; there are: %s", s.Variant, variantNames())
	}
	switch s.Store {
	case "redis":
	case "postgres":
		if _, err := pgxpool.ParseConfig(s.DatabaseURL); err != nil {
			return usagef("DATABASE_URL is not an address of Postgres: " +
				"want postgres://user:password@host:port/database")
		}
	default:
		return usagef("store %q is unknown; there are: redis, postgres", s.Store)
	}
	if s.Workers < 0 || s.Workers > 10_000 {
		return usagef("workers must be 0 to 10000, is %d", s.Workers)
	}
	for _, d := range []struct {
		name       string
		value, min time.Duration
	}{
		{"lease", s.Lease, 300 * time.Millisecond},
		{"work", s.Work, 0},
		{"idle", s.Idle, 10 * time.Millisecond},
		{"try", s.Try, 10 * time.Millisecond},
		{"patience", s.Patience, 10 * time.Millisecond},
	} {
		if d.value < d.min || d.value > time.Hour {
			return usagef("%s must be %s to 1h, is %s", d.name, d.min, d.value)
		}
	}
	return nil
}

func usagef(format string, args ...any) error {
	return &shop.UsageError{Problem: fmt.Sprintf(format, args...)}
}
