package eventsourcing

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"course.example/shop"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Settings is what can be set from outside. The zero value is not usable: start from
// [DefaultSettings].
type Settings struct {
	URL         string        // of the database, with user and password
	Variant     string        // of this step: "" is the right one, see wrong.go
	Name        string        // of this process, the same in all its lives
	Connections int           // of one process to the database, at most
	Timeout     time.Duration // of one conversation with the database
	Lease       time.Duration // how long a silent session keeps its locks
	Order       string        // snapshot or lock: see inorder.go
	Reads       int           // the newest version of order-placed that can be read
	Writes      int           // the version of order-placed that is written

	Addr       string        // where the producer serves HTTP
	Group      int           // commands whose events are written with one commit, at most
	Writers    int           // batches that the producer has on their way at a time
	Snapshot   int           // events since the last snapshot for a new one; 0: none
	Wait       time.Duration // how long a query waits for a position
	ClockError time.Duration // how wrong this producer's clock is
	Hold       time.Duration // a fault: how long every fourth append is held at most

	Projections string        // which of them this process works at, comma-separated
	Batch       int           // events in one transaction, at most
	Poll        time.Duration // the pause between two looks, if no bell rings
	Work        time.Duration // how long it takes to send a letter
	Resume      time.Duration // between two looks at what is parked

	crash crash
}

// DefaultSettings fit the database of the compose file.
func DefaultSettings() Settings {
	host, err := os.Hostname()
	if err != nil {
		host = "program" // a name for the log, nothing more
	}
	newest := OrderPlaced{}.Kind().Schema
	return Settings{
		URL:         "postgres://shop:shop@127.0.0.1:5432/shop?sslmode=disable",
		Name:        fmt.Sprintf("%s-%d", host, os.Getpid()),
		Connections: 16, Timeout: 5 * time.Second, Lease: 10 * time.Second,
		Order: orderSnapshot, Reads: newest, Writes: newest,
		Addr: "127.0.0.1:8080", Group: 256, Writers: 2,
		Snapshot: 100, Wait: 2 * time.Second,
		Projections: "customers,stock,sales,mail", Batch: 2000, Poll: 100 * time.Millisecond,
		Work: 20 * time.Millisecond, Resume: 30 * time.Second,
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
		"after which the database takes back what a silent session holds")
	f.Env("lease", "LEASE")
	f.StringVar(&s.Order, "order", s.Order, "what keeps the log in order: snapshot, lock")
	f.Env("order", "ORDER")
	f.IntVar(&s.Reads, "reads", s.Reads,
		"the newest version of order-placed that is read: 2 and 3 are old")
	f.Env("reads", "READS")
	f.Func("crash-at", "die at a point, the n-th time: after-write:20", func(text string) error {
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
	f.IntVar(&s.Group, "group", s.Group, "commands written with one commit, at most")
	f.Env("group", "GROUP_SIZE")
	f.IntVar(&s.Writers, "writers", s.Writers, "commits under way at a time, at most")
	f.Env("writers", "WRITERS")
	f.IntVar(&s.Snapshot, "snapshot", s.Snapshot, "events before another snapshot; 0: none")
	f.Env("snapshot", "SNAPSHOT")
	f.DurationVar(&s.Wait, "wait", s.Wait, "how long a query waits for a position")
	f.Env("wait", "WAIT")
	f.IntVar(&s.Writes, "writes", s.Writes, "the version of order-placed that is written")
	f.Env("writes", "WRITES")
	f.DurationVar(&s.ClockError, "clock-error", s.ClockError, "how wrong this producer's clock is")
	f.Env("clock-error", "CLOCK_ERROR")
	f.DurationVar(&s.Hold, "hold", s.Hold, "a fault: how long every fourth commit is held at most")
	f.Env("hold", "HOLD")
	if err := f.Parse(args); err != nil {
		return s, err
	}
	return s, s.Validate()
}

// ConsumerSettings reads the projector's command line and environment.
func ConsumerSettings(args []string) (Settings, error) {
	s := DefaultSettings()
	f := s.Flags("consumer")
	f.StringVar(&s.Projections, "projections", s.Projections, "what to project, comma-separated")
	f.Env("projections", "PROJECTIONS")
	f.IntVar(&s.Batch, "batch", s.Batch, "events in one transaction, at most")
	f.Env("batch", "BATCH")
	f.DurationVar(&s.Poll, "poll", s.Poll, "the pause between two looks, if no bell rings")
	f.Env("poll", "POLL")
	f.DurationVar(&s.Work, "work", s.Work, "how long it takes to send a letter")
	f.Env("work", "WORK")
	f.DurationVar(&s.Resume, "resume", s.Resume, "between two looks at what is parked")
	f.Env("resume", "RESUME")
	if err := f.Parse(args); err != nil {
		return s, err
	}
	return s, s.Validate()
}

// ProjectionNames are those that this process works at.
func (s Settings) ProjectionNames() []string { return strings.Split(s.Projections, ",") }

// longBatch is how long the work for a batch may take: nothing of it is committed meanwhile.
const longBatch = 200 * time.Millisecond

// batchSize is how many events are taken at a time: few where each takes long.
func (s Settings) batchSize(p projection) int {
	if p.works == nil || s.Work == 0 {
		return s.Batch
	}
	return max(1, min(s.Batch, int(min(longBatch, s.Lease/2)/s.Work)))
}

// Validate returns a [*shop.UsageError] for the first setting that cannot work.
func (s Settings) Validate() error {
	if _, err := pgxpool.ParseConfig(s.URL); err != nil {
		return badURL(err)
	}
	if _, known := variants[s.Variant]; !known {
		return usagef("variant %q is unknown; there are: %s", s.Variant, variantNames())
	}
	if s.Order != orderSnapshot && s.Order != orderLock {
		return usagef("order must be snapshot or lock, is %q", s.Order)
	}
	for _, name := range s.ProjectionNames() {
		if _, known := projections[name]; !known {
			return usagef("projection %q is unknown; there are: %s", name,
				strings.Join(slices.Sorted(maps.Keys(projections)), ", "))
		}
	}
	if s.Name == "" {
		return usagef("name must not be empty")
	}
	if s.Work >= s.Lease {
		return usagef("a letter takes %s, and the lease of a projector ends after %s: "+
			"choose a longer lease", s.Work, s.Lease)
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
		{"wait", s.Wait, time.Millisecond},
		{"resume", s.Resume, 10 * time.Millisecond},
		{"work", s.Work, 0}, {"hold", s.Hold, 0},
	} {
		if d.value < d.min || d.value > 24*time.Hour {
			return usagef("%s must be %s to 24h, is %s", d.name, d.min, d.value)
		}
	}
	return nil
}

func (s Settings) validateNumbers() error {
	newest := OrderPlaced{}.Kind().Schema
	for _, n := range []struct {
		name            string
		value, min, max int
	}{
		{"connections", s.Connections, 2, 1000},
		{"group", s.Group, 1, 1000},
		{"writers", s.Writers, 1, 100},
		{"batch", s.Batch, 1, 10_000}, {"snapshot", s.Snapshot, 0, 1_000_000},
		{"reads", s.Reads, 2, newest}, {"writes", s.Writes, 2, newest},
	} {
		if n.value < n.min || n.value > n.max {
			return usagef("%s must be %d to %d, is %d", n.name, n.min, n.max, n.value)
		}
	}
	return nil
}

func usagef(format string, args ...any) error {
	return &shop.UsageError{Problem: fmt.Sprintf(format, args...)}
}
