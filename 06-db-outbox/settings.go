package outbox

import (
	"fmt"
	"os"
	"time"

	"course.example/shop"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Settings is what can be set from outside. The zero value is not usable: start
// from [DefaultSettings].
type Settings struct {
	URL         string        // of the database, with user and password
	Variant     string        // of this step: "" is the right one, see wrong.go
	Name        string        // of this process, the same in all its lives
	Connections int           // of one process to the database, at most
	Timeout     time.Duration // of one conversation with the database
	Lease       time.Duration // how long a silent consumer keeps its messages

	Addr    string // where the producer serves HTTP
	Group   int    // orders that the producer writes with one commit, at most
	Writers int    // batches that the producer has on their way at a time

	Take        string        // how to take a message: see ways
	Batch       int           // messages in one transaction, at most, see batchSize
	Window      int           // how many of the oldest optimistic chooses from
	PerCustomer bool          // one customer's orders one after the other
	Wait        string        // notify or poll
	Poll        time.Duration // between two looks when polling
	SlowPoll    time.Duration // the same behind NOTIFY
	Work        time.Duration // how long the work for an order takes
	Workers     int           // loops in one consumer
	Attempts    int           // how often a failing order is tried before it is parked
	Keep        time.Duration // how long a processed message is kept

	crash crash
}

// DefaultSettings fit the database of the compose file.
func DefaultSettings() Settings {
	host, err := os.Hostname()
	if err != nil {
		host = "consumer" // a name for the log, nothing more
	}
	return Settings{
		URL:         "postgres://shop:shop@127.0.0.1:5432/shop?sslmode=disable",
		Name:        fmt.Sprintf("%s-%d", host, os.Getpid()),
		Connections: 16,
		Timeout:     5 * time.Second,
		Lease:       10 * time.Second,
		Addr:        "127.0.0.1:8080",
		Group:       256,
		Writers:     2,
		Take:        "skip-locked",
		Batch:       100,
		Window:      16,
		Wait:        waitNotify,
		Poll:        100 * time.Millisecond,
		SlowPoll:    time.Second,
		Work:        20 * time.Millisecond,
		Workers:     1,
		Attempts:    5,
		Keep:        time.Hour,
	}
}

// Flags returns the flags that every program of this step has. They set s.
func (s *Settings) Flags(program string) *shop.Flags {
	f := shop.NewFlags(program)
	f.StringVar(&s.URL, "database-url", s.URL, "the database, with user and password")
	f.Env("database-url", "DATABASE_URL")
	f.StringVar(&s.Variant, "variant", s.Variant,
		"what to do wrong: "+variantNames()+"; empty for the right way")
	f.Env("variant", "VARIANT")
	f.StringVar(&s.Name, "name", s.Name, "of this process, the same when it is started again")
	f.Env("name", "PROCESS")
	f.IntVar(&s.Connections, "connections", s.Connections, "to the database, at most")
	f.Env("connections", "CONNECTIONS")
	f.DurationVar(&s.Timeout, "timeout", s.Timeout, "after which a silent database is away")
	f.Env("timeout", "TIMEOUT")
	f.DurationVar(&s.Lease, "lease", s.Lease,
		"after which the database takes back what a silent consumer holds")
	f.Env("lease", "LEASE")
	f.Func("crash-at", "die at a point, the n-th time: after-order:20", func(text string) error {
		var err error
		s.crash, err = parseCrash(text)
		return err
	})
	f.Env("crash-at", "CRASH_AT")
	return f
}

// ProducerSettings reads the producer's command line and environment.
func ProducerSettings(args []string) (Settings, error) {
	s := DefaultSettings()
	f := s.Flags("producer")
	f.StringVar(&s.Addr, "addr", s.Addr, "where to serve HTTP")
	f.Env("addr", "ADDR")
	f.IntVar(&s.Group, "group", s.Group, "orders written with one commit, at most")
	f.Env("group", "GROUP_SIZE")
	f.IntVar(&s.Writers, "writers", s.Writers, "commits under way at a time, at most")
	f.Env("writers", "WRITERS")
	if err := f.Parse(args); err != nil {
		return s, err
	}
	return s, s.Validate()
}

// ConsumerSettings reads the consumer's command line and environment.
func ConsumerSettings(args []string) (Settings, error) {
	s := DefaultSettings()
	f := s.Flags("consumer")
	f.StringVar(&s.Take, "take", s.Take, "how to take a message: "+wayNames())
	f.Env("take", "TAKE")
	f.IntVar(&s.Batch, "batch", s.Batch, "messages in one transaction, at most")
	f.Env("batch", "BATCH")
	f.IntVar(&s.Window, "window", s.Window, "oldest messages that optimistic chooses from")
	f.Env("window", "WINDOW")
	f.BoolVar(&s.PerCustomer, "per-customer", s.PerCustomer,
		"one customer's orders one after the other")
	f.Env("per-customer", "PER_CUSTOMER")
	f.StringVar(&s.Wait, "wait", s.Wait, "how to learn of a message: notify, poll")
	f.Env("wait", "WAIT")
	f.DurationVar(&s.Poll, "poll", s.Poll, "the pause between two looks when polling")
	f.Env("poll", "POLL")
	f.DurationVar(&s.SlowPoll, "slow-poll", s.SlowPoll, "the same behind NOTIFY")
	f.Env("slow-poll", "SLOW_POLL")
	f.DurationVar(&s.Work, "work", s.Work, "how long the work for one order takes")
	f.Env("work", "WORK")
	f.IntVar(&s.Workers, "workers", s.Workers, "loops that take messages side by side")
	f.Env("workers", "WORKERS")
	f.IntVar(&s.Attempts, "attempts", s.Attempts, "tries before a message is parked")
	f.Env("attempts", "ATTEMPTS")
	f.DurationVar(&s.Keep, "keep", s.Keep, "how long a processed message is kept")
	f.Env("keep", "KEEP")
	if err := f.Parse(args); err != nil {
		return s, err
	}
	return s, s.Validate()
}

// Validate returns a [*shop.UsageError] for the first setting that cannot work.
func (s Settings) Validate() error {
	if _, err := pgxpool.ParseConfig(s.URL); err != nil {
		return usagef("DATABASE_URL: %v", withoutAddress(err))
	}
	if _, known := variants[s.Variant]; !known {
		return usagef("variant %q is unknown; there are: %s", s.Variant, variantNames())
	}
	if _, known := ways[s.Take]; !known {
		return usagef("take %q is unknown; there are: %s", s.Take, wayNames())
	}
	if s.Wait != waitNotify && s.Wait != waitPoll {
		return usagef("wait must be notify or poll, is %q", s.Wait)
	}
	if s.Name == "" {
		return usagef("name must not be empty")
	}
	if s.Work < 0 {
		return usagef("work must not be negative, is %s", s.Work)
	}
	if err := s.validateTimes(); err != nil {
		return err
	}
	return s.validateNumbers()
}

func (s Settings) validateTimes() error {
	for _, d := range []struct {
		name       string
		value, min time.Duration
	}{
		{"timeout", s.Timeout, 100 * time.Millisecond},
		{"lease", s.Lease, 100 * time.Millisecond},
		{"poll", s.Poll, time.Millisecond},
		{"slow-poll", s.SlowPoll, time.Millisecond},
		{"keep", s.Keep, time.Second},
	} {
		if d.value < d.min || d.value > 24*time.Hour {
			return usagef("%s must be %s to 24h, is %s", d.name, d.min, d.value)
		}
	}
	if s.Work >= s.Lease {
		return usagef("the work for an order takes %s, and the lease of a consumer ends after "+
			"%s: choose a longer lease", s.Work, s.Lease)
	}
	return nil
}

// longBatch is how long the work for a batch may take. What others could do is
// locked meanwhile, and what is done is not committed yet.
const longBatch = 200 * time.Millisecond

// batchSize is how many messages a consumer takes at a time: many of those that are
// quickly done, and one of those that take long. It must leave time within the lease.
func (s Settings) batchSize() int {
	if s.Work == 0 {
		return s.Batch
	}
	return max(1, min(s.Batch, int(min(longBatch, s.Lease/2)/s.Work)))
}

func (s Settings) validateNumbers() error {
	for _, n := range []struct {
		name       string
		value, max int
	}{
		{"connections", s.Connections, 1000},
		{"group", s.Group, 10_000},
		{"writers", s.Writers, 100},
		{"batch", s.Batch, 10_000},
		{"window", s.Window, 10_000},
		{"workers", s.Workers, 1000},
		{"attempts", s.Attempts, 100},
	} {
		if n.value < 1 || n.value > n.max {
			return usagef("%s must be 1 to %d, is %d", n.name, n.max, n.value)
		}
	}
	return nil
}

func usagef(format string, args ...any) error {
	return &shop.UsageError{Problem: fmt.Sprintf(format, args...)}
}
