package actors

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"course.example/12-actors/dashboard"
	"course.example/12-actors/engine"
	"course.example/shop"
	"github.com/asynkron/protoactor-go/cluster"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/semaphore"
)

// Silo hosts the shop's grains.
type Silo struct {
	settings Settings
	node     *Node
	counter  *dashboard.Counter
	memory   func() engine.Store // where an activation keeps its state
	workers  *semaphore.Weighted // nil: as many as come
}

// RunSilo hosts grains until ctx ends.
func RunSilo(ctx context.Context, settings Settings) (err error) {
	backing, err := openBacking(ctx, settings)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, backing.close()) }()
	silo, err := startSilo(ctx, settings, backing)
	if err != nil {
		return err
	}
	shop.Ready(ctx, slog.String("silo", settings.Name), slog.String("store", settings.Store),
		slog.String("address", silo.node.me.Address))
	return silo.node.Run(ctx)
}

func startSilo(ctx context.Context, settings Settings, b *backing) (*Silo, error) {
	s := &Silo{
		settings: settings,
		counter:  dashboard.NewCounter(settings.Name),
		memory:   variants[settings.Variant].memory(b.store),
	}
	if settings.Workers > 0 {
		s.workers = semaphore.NewWeighted(int64(settings.Workers))
	}
	// The order of things: grains cannot be called before the silo has joined, and
	// what joins is a silo that knows its grains.
	node, err := startNode(ctx, b.table, s.counter, settings,
		NewOrderKind(func() Order { return newOrder(s) }, settings.Idle),
		NewStockKind(func() Stock { return newStock(s) }, settings.Idle))
	if err != nil {
		return nil, err
	}
	s.node = node
	return s, nil
}

// turn is the context of one call to a grain. The engine gives none. It is longer
// than any caller waits: a call that was begun is brought to an end, and whoever
// calls again finds it done.
func (s *Silo) turn() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), 20*s.settings.Try+s.settings.Work)
}

// work does an order's work. All grains of a silo share its workers.
func (s *Silo) work(ctx context.Context, order shop.Order) error {
	if s.workers != nil {
		if err := s.workers.Acquire(ctx, 1); err != nil {
			return fmt.Errorf("wait for a worker: %w", err)
		}
		defer s.workers.Release(1)
	}
	return shop.Work(ctx, order, s.settings.Work)
}

// failed is what a grain returns to its caller. An activation that the store has
// found out of date ends at once, before the calls that wait in its mailbox: they
// are served by the next one.
func (s *Silo) failed(grain cluster.GrainContext, err error) error {
	if errors.Is(err, engine.ErrStale) {
		slog.Warn("write refused: another activation of this grain has written",
			"grain", name(grain), "refused", s.counter.Stale(grain.Kind()))
		grain.Stop(grain.Self())
	}
	if engine.Refused(err) || engine.Busy(err) {
		return err
	}
	return engine.Abort(err)
}

func processed(ctx context.Context, order, effect string) {
	shop.Processed(ctx, order, slog.String("effect", effect))
}

// backing is the servers that a process of this step needs.
type backing struct {
	redis    *redis.Client
	postgres *pgxpool.Pool
	table    *Table
	store    engine.Store
	books    Books // the same
}

// quietRedis keeps the pool of connections from printing what every call that fails
// reports as its error.
var quietRedis = sync.OnceFunc(func() { redis.SetLogger(silence{}) })

type silence struct{}

func (silence) Printf(context.Context, string, ...any) {}

func openBacking(ctx context.Context, settings Settings) (_ *backing, err error) {
	quietRedis()
	options, err := redis.ParseURL(settings.RedisURL)
	if err != nil {
		return nil, usagef("REDIS_URL is not an address of Redis: %v", err)
	}
	// A Redis that does not answer must not take the whole lease to say so.
	options.DialTimeout, options.ReadTimeout = settings.Lease/2, settings.Lease/2
	b := &backing{redis: redis.NewClient(options)}
	defer func() {
		if err != nil {
			err = errors.Join(err, b.close())
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if err := b.redis.Ping(ctx).Err(); err != nil {
		return nil, fmt.Errorf("no Redis answers at %s (REDIS_URL): %w", options.Addr, err)
	}
	b.table = NewTable(b.redis, settings.Lease)
	if settings.Store == "redis" {
		b.books = NewRedisStore(b.redis)
		b.store = b.books
		return b, nil
	}
	b.postgres, err = pgxpool.New(ctx, settings.DatabaseURL)
	if err != nil {
		return nil, fmt.Errorf("connect to Postgres (DATABASE_URL): %w", err)
	}
	b.books, err = NewPostgresStore(ctx, b.postgres)
	b.store = b.books
	return b, err
}

func (b *backing) close() error {
	if b.postgres != nil {
		b.postgres.Close()
	}
	if err := b.redis.Close(); err != nil {
		return fmt.Errorf("close the connection to Redis: %w", err)
	}
	return nil
}
