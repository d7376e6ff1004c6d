package limits

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-redis/redis_rate/v10"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"course.example/shop"
)

// Settings are those of a gateway.
type Settings struct {
	Addr     string
	Upstream *url.URL      // the shop behind it
	Redis    string        // an address: redis://host:port/number
	Timeout  time.Duration // of Redis, for one request
	Limit    string        // one of limitNames
	Away     string        // local, open or closed
	N, Burst int           // requests a second, and at once
}

const mostCustomers = 100_000

var (
	limitNames = []string{"shared", "token-bucket", "sliding-window", "fixed-window", "concurrency"}
	awayNames  = []string{"local", "open", "closed"}
	variants   = map[string]string{"right": "shared", "per-process": "token-bucket"}
)

// ParseSettings reads flags and environment.
func ParseSettings(args []string) (Settings, error) {
	var s Settings
	flags := shop.NewFlags("gateway")
	flags.StringVar(&s.Addr, "addr", "127.0.0.1:8080", "`address` to listen at")
	flags.Env("addr", "ADDR")
	upstream := flags.String("shop", "http://127.0.0.1:8081", "`address` of the shop")
	flags.Env("shop", "SHOP_URL")
	flags.StringVar(&s.Redis, "redis", "redis://127.0.0.1:6379", "`address` of Redis")
	flags.Env("redis", "REDIS_URL")
	flags.DurationVar(&s.Timeout, "redis-timeout", 100*time.Millisecond,
		"how long a request waits for Redis")
	flags.Env("redis-timeout", "REDIS_TIMEOUT")
	variant := flags.String("variant", "right", "right or per-process")
	flags.Env("variant", "VARIANT")
	flags.StringVar(&s.Limit, "limit", "", "in place of the variant's: "+strings.Join(limitNames, ", "))
	flags.Env("limit", "LIMIT")
	flags.StringVar(&s.Away, "away", "local", "when Redis is away: "+strings.Join(awayNames, ", "))
	flags.Env("away", "AWAY")
	flags.IntVar(&s.N, "n", 20, "requests a second for each customer, or at a time")
	flags.IntVar(&s.Burst, "burst", 20, "how many of them at once")
	if err := flags.Parse(args); err != nil {
		return s, err
	}
	var known bool
	if s.Limit == "" {
		if s.Limit, known = variants[*variant]; !known {
			return s, &shop.UsageError{Problem: fmt.Sprintf(
				"there is no variant %q: there are right and per-process", *variant)}
		}
	}
	var err error
	if s.Upstream, err = url.Parse(*upstream); err != nil || s.Upstream.Host == "" {
		return s, &shop.UsageError{Problem: fmt.Sprintf(
			"-shop %q is no address: want http://host:port", *upstream)}
	}
	return s, s.check()
}

func (s Settings) check() error {
	var problem string
	switch {
	case !slices.Contains(limitNames, s.Limit):
		problem = fmt.Sprintf("-limit %q: want one of %s", s.Limit, strings.Join(limitNames, ", "))
	case !slices.Contains(awayNames, s.Away):
		problem = fmt.Sprintf("-away %q: want one of %s", s.Away, strings.Join(awayNames, ", "))
	case s.N < 1 || s.N > 1_000_000 || s.Burst < 1 || s.Burst > 1_000_000:
		problem = fmt.Sprintf("-n %d -burst %d: want 1 to 1000000", s.N, s.Burst)
	case s.Timeout <= 0:
		problem = fmt.Sprintf("-redis-timeout %v: want more than 0", s.Timeout)
	default:
		return nil
	}
	return &shop.UsageError{Problem: problem}
}

// Limiter returns what the settings ask for, and how to let go of it.
func (s Settings) Limiter() (limiter Limiter, end func() error, err error) {
	local, err := NewPerCustomer(mostCustomers, s.local)
	if err != nil || s.Limit != "shared" {
		return local, func() error { return nil }, err
	}
	options, err := redis.ParseURL(s.Redis)
	if err != nil {
		return nil, nil, &shop.UsageError{Problem: fmt.Sprintf(
			"REDIS_URL: %v; want redis://host:port/number", err)}
	}
	// The one deadline is that of the request. Whether to ask again, the breaker says.
	options.ContextTimeoutEnabled, options.MaxRetries, options.DialerRetries = true, -1, 1
	options.MaintNotificationsConfig = &maintnotifications.Config{
		Mode: maintnotifications.ModeDisabled, // for Redis in the cloud
	}
	quiet()
	client := redis.NewClient(options)
	limit := redis_rate.Limit{Rate: s.N, Period: time.Second, Burst: s.Burst}
	away := map[string]Limiter{"local": local, "open": Open{}, "closed": Closed{}}[s.Away]
	return NewShared(client, limit, s.Timeout, away), client.Close, nil
}

var quiet = sync.OnceFunc(func() { redis.SetLogger(silence{}) })

// silence keeps go-redis from a line for every dial that fails: the breaker says it once.
type silence struct{}

func (silence) Printf(context.Context, string, ...any) {}

// local is one customer's limit in this process.
func (s Settings) local() Limit {
	switch s.Limit {
	case "sliding-window":
		return NewSliding(s.N, time.Second)
	case "fixed-window":
		return NewFixed(s.N, time.Second)
	case "concurrency":
		return NewConcurrent(s.N)
	default: // also when Redis is away
		return NewBucket(s.N, time.Second, s.Burst)
	}
}
