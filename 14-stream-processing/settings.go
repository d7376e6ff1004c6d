package streams

import (
	"fmt"
	"net/url"
	"os"
	"strings"
	"time"

	"course.example/shop"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats.go/jetstream"
)

// DefaultGroup is the group whose readers serve the customers.
const DefaultGroup = "sales"

// Settings is what can be set from outside. Start from [DefaultSettings].
type Settings struct {
	NATSURL      string        // servers, separated by commas; a path begins the names of streams
	KafkaBrokers string        // host:port, several separated by commas: the log is there and not on NATS
	DatabaseURL  string        // with user and password
	Variant      string        // "" is the right one, see wrong.go
	Name         string        // of this process, the same in all its lives
	Partitions   int           // of the log; it cannot be changed later
	Replicas     int           // of each partition
	Leader       string        // the tag of the server that leads new partitions; "" leaves it to chance
	MaxAge       time.Duration // of a record: retention by age
	MaxBytes     int64         // of a partition: retention by size; -1 is no limit
	Timeout      time.Duration // of one conversation with the database
	Addr         string        // of the producer and of the results

	Customers int           // that the sample customer is made into
	Products  int           // of each of his
	Offline   time.Duration // up to how much every tenth order comes late

	Group     string        // that shares the partitions
	From      time.Time     // where a new group begins; the zero time is the beginning of the log
	MemberTTL time.Duration // after which a silent reader is gone
	Window    time.Duration // the size of a tumbling window
	Sliding   int           // how many of them a sliding window spans
	Slack     time.Duration // see Windows
	Lateness  time.Duration // see Windows
	PayWithin time.Duration // how long after an order its payment counts; 0: nobody pays, and nothing is joined
	Work      time.Duration // how long the work for an order takes
	Workers   int           // orders in work at a time
	Batch     int           // records in one transaction, at most

	stream func(*jetstream.StreamConfig) // what a wrong variant changes
}

// DefaultSettings fit the servers that the lab starts.
func DefaultSettings() Settings {
	host, err := os.Hostname()
	if err != nil {
		host = "reader" // a name for the log, nothing more
	}
	return Settings{
		NATSURL:     "nats://127.0.0.1:4222",
		DatabaseURL: "postgres://shop:shop@127.0.0.1:5432/shop?sslmode=disable",
		Name:        fmt.Sprintf("%s-%d", host, os.Getpid()),
		Partitions:  4, Replicas: 3, MaxAge: 24 * time.Hour, MaxBytes: 1 << 30,
		Timeout: 5 * time.Second, Addr: "127.0.0.1:8080",
		Customers: 100, Products: 5,
		Group: DefaultGroup, MemberTTL: 2 * time.Second,
		Window: time.Minute, Sliding: 5, Slack: time.Second, Lateness: time.Minute,
		Work: 20 * time.Millisecond, Workers: 1, Batch: 500,
	}
}

// Read reads a program's command line and environment.
func (s *Settings) Read(program string, args []string) error {
	f := shop.NewFlags(program)
	text := func(p *string, name, env, usage string) { f.StringVar(p, name, *p, usage); f.Env(name, env) }
	number := func(p *int, name, env, usage string) { f.IntVar(p, name, *p, usage); f.Env(name, env) }
	span := func(p *time.Duration, name, env, usage string) {
		f.DurationVar(p, name, *p, usage)
		f.Env(name, env)
	}
	text(&s.NATSURL, "nats-url", "NATS_URL", "the servers of the log, separated by commas")
	text(&s.KafkaBrokers, "kafka-brokers", "KAFKA_BROKERS", "host:port, several with commas: keep the log there")
	text(&s.DatabaseURL, "database-url", "DATABASE_URL", "the database, with user and password")
	text(&s.Variant, "variant", "VARIANT", "what to do wrong: "+variantNames()+"; empty for right")
	text(&s.Name, "name", "PROCESS", "of this process, the same when it is started again")
	text(&s.Addr, "addr", "ADDR", "where to serve HTTP")
	f.TextVar(&s.From, "from", s.From, "where a new group begins, as 2026-12-24T18:00:00Z")
	f.Env("from", "FROM")
	f.Int64Var(&s.MaxBytes, "max-bytes", s.MaxBytes, "how large a partition of the log may be; -1 is no limit")
	f.Env("max-bytes", "MAX_BYTES")
	text(&s.Group, "group", "GROUP", "of readers that share the partitions")
	text(&s.Leader, "leader", "LEADER", "tag of the server that is to lead new partitions")
	number(&s.Partitions, "partitions", "PARTITIONS", "of the log, always the same number")
	number(&s.Replicas, "replicas", "REPLICAS", "of each partition: 1, 3 or 5")
	number(&s.Customers, "customers", "CUSTOMERS", "that the sample customer is made into")
	number(&s.Products, "products", "PRODUCTS", "that each sample product is made into")
	number(&s.Sliding, "sliding", "SLIDING", "how many windows a sliding one spans")
	number(&s.Workers, "workers", "WORKERS", "orders in work at a time")
	number(&s.Batch, "batch", "BATCH", "records in one transaction, at most")
	span(&s.MaxAge, "max-age", "MAX_AGE", "how long the log keeps a record")
	span(&s.Timeout, "timeout", "TIMEOUT", "after which a silent database is away")
	span(&s.Offline, "offline", "OFFLINE", "up to how much every tenth order comes late")
	span(&s.MemberTTL, "member-ttl", "MEMBER_TTL", "after which a silent reader is gone")
	span(&s.Window, "window", "WINDOW", "the size of a tumbling window")
	span(&s.Slack, "slack", "SLACK", "by how much orders may overtake each other")
	span(&s.Lateness, "lateness", "LATENESS", "how long after its end a window takes late orders")
	span(&s.PayWithin, "pay-within", "PAY_WITHIN", "how long after an order its payment counts; 0 for no payments")
	span(&s.Work, "work", "WORK", "how long the work for one order takes")
	if err := f.Parse(args); err != nil {
		return err
	}
	if err := s.Validate(); err != nil {
		return err
	}
	if change := variants[s.Variant].settings; change != nil {
		change(s)
	}
	return nil
}

// Validate returns a [*shop.UsageError] for the first setting that cannot work.
func (s *Settings) Validate() error {
	if _, err := pgxpool.ParseConfig(s.DatabaseURL); err != nil {
		return usagef("DATABASE_URL: want postgres://user:password@host:port/database")
	}
	for _, server := range strings.Split(s.NATSURL, ",") {
		if u, err := url.Parse(strings.TrimSpace(server)); err != nil || u.Host == "" {
			return usagef("NATS_URL: want nats://host:port, several separated by commas")
		}
	}
	if _, known := variants[s.Variant]; !known {
		return usagef("variant %q is unknown; there are: %s", s.Variant, variantNames())
	}
	if s.Name == "" || s.Group == "" {
		return usagef("name and group must not be empty")
	}
	for _, n := range []struct {
		name       string
		value, max int
	}{
		{"partitions", s.Partitions, 256}, {"replicas", s.Replicas, 5},
		{"customers", s.Customers, 1_000_000}, {"products", s.Products, 1_000_000},
		{"sliding", s.Sliding, 100}, {"workers", s.Workers, 1000}, {"batch", s.Batch, 10_000},
	} {
		if n.value < 1 || n.value > n.max {
			return usagef("%s must be 1 to %d, is %d", n.name, n.max, n.value)
		}
	}
	if s.Sliding < 2 {
		return usagef("sliding must be 2 or more: a sliding window spans several, is %d", s.Sliding)
	}
	for _, d := range []struct {
		name             string
		value, min, most time.Duration
	}{
		{"max-age", s.MaxAge, time.Second, 10_000 * time.Hour},
		{"timeout", s.Timeout, 100 * time.Millisecond, time.Minute},
		{"offline", s.Offline, 0, 24 * time.Hour},
		{"member-ttl", s.MemberTTL, 100 * time.Millisecond, time.Minute},
		{"window", s.Window, 10 * time.Millisecond, 24 * time.Hour},
		{"slack", s.Slack, 0, 24 * time.Hour},
		{"lateness", s.Lateness, 0, 24 * time.Hour},
		{"pay-within", s.PayWithin, 0, 24 * time.Hour},
		{"work", s.Work, 0, time.Minute},
	} {
		if d.value < d.min || d.value > d.most {
			return usagef("%s must be %s to %s, is %s", d.name, d.min, d.most, d.value)
		}
	}
	if s.MaxBytes != -1 && s.MaxBytes < 1024 {
		return usagef("max-bytes must be 1024 or more, or -1 for no limit, is %d", s.MaxBytes)
	}
	if s.Window%time.Millisecond != 0 {
		return usagef("window must be whole milliseconds, is %s", s.Window)
	}
	return nil
}

func usagef(format string, args ...any) error {
	return &shop.UsageError{Problem: fmt.Sprintf(format, args...)}
}

// Names of the shapes of windows.
const (
	Tumbling = "tumbling"
	Sliding  = "sliding"
)

// windows is the state of a partition of which nothing is known yet.
func (s *Settings) windows() *Windows {
	return &Windows{
		Shapes: []Shape{
			{Name: Tumbling, Size: s.Window, Every: s.Window},
			{Name: Sliding, Size: time.Duration(s.Sliding) * s.Window, Every: s.Window},
		},
		Slack: s.Slack, Lateness: s.Lateness,
		Open: map[Window]map[string]Sum{}, Seen: map[string]time.Time{},
	}
}

// batchSize is how many records a transaction holds: many of those that are quickly done, few of those
// that take long. What is done and not committed is done again after a crash.
func (s *Settings) batchSize() int {
	const longest = 200 * time.Millisecond
	if s.Work == 0 {
		return s.Batch
	}
	return max(1, min(s.Batch, int(longest/s.Work)))
}

// servers are the addresses alone: a path is ours.
func (s *Settings) servers() string {
	var all []string
	for _, server := range strings.Split(s.NATSURL, ",") {
		if u, err := url.Parse(strings.TrimSpace(server)); err == nil {
			u.Path = ""
			all = append(all, u.String())
		}
	}
	return strings.Join(all, ",")
}

// prefix begins the names of streams. It is the path of the first address, so that several can use the
// same servers.
func (s *Settings) prefix() string {
	first, _, _ := strings.Cut(s.NATSURL, ",")
	u, err := url.Parse(strings.TrimSpace(first))
	if err != nil || strings.Trim(u.Path, "/") == "" {
		return ""
	}
	return strings.Trim(u.Path, "/") + "-"
}
