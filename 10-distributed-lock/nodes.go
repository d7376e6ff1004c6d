package lock

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/go-redsync/redsync/v4"
	redsyncredis "github.com/go-redsync/redsync/v4/redis"
	"github.com/go-redsync/redsync/v4/redis/goredis/v9"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// ErrNoQuorum says that fewer than a majority of the Redis nodes answer. Nobody can
// take the lock then, and nobody should: a minority cannot know what the others said.
var ErrNoQuorum = errors.New("too few Redis nodes answer")

// nodeTimeout bounds what one node may take for one answer. A node that is dead
// refuses at once; this is for one that hangs.
const nodeTimeout = 500 * time.Millisecond

// Nodes are Redis servers that know nothing of each other: no replication, no
// cluster. Redlock's safety rests on that they fail one by one. Safe for concurrent
// use.
type Nodes struct{ clients []*redis.Client }

// Connect returns clients for the nodes of the settings. It connects to none of
// them yet: a node that is away today may be back tomorrow.
func Connect(s Settings) (*Nodes, error) {
	ownLog()
	n := &Nodes{}
	for _, address := range s.addresses() {
		options, err := redis.ParseURL(address)
		if err != nil {
			return nil, usagef("REDIS_URL: %v; want redis://host:port/number, several "+
				"separated by commas", err)
		}
		options.DialTimeout = nodeTimeout
		options.ReadTimeout = nodeTimeout
		options.WriteTimeout = nodeTimeout
		// redsync's own deadline per attempt must reach the socket, and whoever
		// wants the lock tries again by itself: a client that retries behind its
		// back would spend the time in which the lock is valid.
		options.ContextTimeoutEnabled = true
		options.MaxRetries = -1
		options.DialerRetries = 1
		options.MaintNotificationsConfig = &maintnotifications.Config{
			Mode: maintnotifications.ModeDisabled, // for Redis in the cloud
		}
		n.clients = append(n.clients, redis.NewClient(options))
	}
	return n, nil
}

// ownLog makes go-redis log as everybody here does. It has one logger for all
// clients, and would print a line of its own kind for every dial that fails.
var ownLog = sync.OnceFunc(func() { redis.SetLogger(clientLog{}) })

type clientLog struct{}

func (clientLog) Printf(ctx context.Context, format string, args ...any) {
	slog.DebugContext(ctx, "go-redis: "+fmt.Sprintf(format, args...))
}

// Close closes the connections to all nodes.
func (n *Nodes) Close() error {
	var errs []error
	for _, c := range n.clients {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}

// Quorum is how many nodes make a majority: any two majorities share a node, so
// two holders cannot both have one, as long as no node forgets.
func (n *Nodes) Quorum() int { return len(n.clients)/2 + 1 }

func (n *Nodes) pools() []redsyncredis.Pool {
	var pools []redsyncredis.Pool
	for _, c := range n.clients {
		pools = append(pools, goredis.NewPool(c))
	}
	return pools
}

// Check returns nil when a majority answers, and otherwise an [ErrNoQuorum] that
// says which nodes do not.
func (n *Nodes) Check(ctx context.Context) error {
	failures := make([]error, len(n.clients))
	var all sync.WaitGroup
	for i, c := range n.clients {
		all.Go(func() { failures[i] = c.Ping(ctx).Err() })
	}
	all.Wait()
	return n.quorumOr(failures)
}

// quorumOr is nil when the nodes without a failure are a majority.
func (n *Nodes) quorumOr(failures []error) error {
	var away []string
	for i, err := range failures {
		if err != nil {
			away = append(away, fmt.Sprintf("node %d at %s: %v",
				i+1, n.clients[i].Options().Addr, err))
		}
	}
	up := len(n.clients) - len(away)
	if up >= n.Quorum() {
		return nil
	}
	return fmt.Errorf("%w: %d of %d, and %d are needed (%s)",
		ErrNoQuorum, up, len(n.clients), n.Quorum(), strings.Join(away, "; "))
}

// explain tells apart the two reasons why redsync did not get a lock: somebody
// has it, or too few nodes could be asked. Only the second is worth an alarm.
func (n *Nodes) explain(err error) error {
	failures := make([]error, len(n.clients))
	each(err, func(leaf error) {
		var failed *redsync.RedisError
		if errors.As(leaf, &failed) && failed.Node < len(failures) {
			failures[failed.Node] = failed.Err
		}
	})
	if err := n.quorumOr(failures); err != nil {
		return err
	}
	return ErrTaken
}

// each visits the errors that were joined into one.
func each(err error, visit func(error)) {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, one := range joined.Unwrap() {
			each(one, visit)
		}
		return
	}
	visit(err)
}
