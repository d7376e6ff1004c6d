package lock

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/redis/go-redis/v9"
)

// errUnacknowledged says that a primary has written, and its replica has not said that it
// has it, too.
var errUnacknowledged = errors.New("no replica has confirmed it in time")

// failoverClient is one node that is a pair: Sentinels say which of the two is the primary
// now. Replication is asynchronous. What the primary has said yes to, the replica may never
// hear of. So one lock can have two holders around a failover, which is why Redlock wants
// nodes that know nothing of each other.
func failoverClient(s Settings) (*redis.Client, error) {
	name, hosts, err := s.sentinels()
	if err != nil {
		return nil, err
	}
	return redis.NewFailoverClient(&redis.FailoverOptions{
		MasterName: name, SentinelAddrs: hosts,
		DialTimeout: nodeTimeout, ReadTimeout: nodeTimeout, WriteTimeout: nodeTimeout,
		ContextTimeoutEnabled: true, MaxRetries: -1, DialerRetries: 1, // as of other nodes
	}), nil
}

// sentinels are the name of the pair and where its Sentinels are.
func (s Settings) sentinels() (name string, hosts []string, err error) {
	for address := range strings.SplitSeq(s.Sentinels, ",") {
		u, err := url.Parse(strings.TrimSpace(address))
		if err != nil || u.Scheme != "redis-sentinel" || u.Port() == "" || u.Fragment == "" {
			return "", nil, usagef("SENTINEL_URL: want redis-sentinel://host:port#name-of-the-pair, " +
				"several separated by commas")
		}
		name, hosts = u.Fragment, append(hosts, u.Host)
	}
	return name, hosts, nil
}

// askAcknowledged has the command wait (WAIT) until so many replicas have it in memory, too:
// in one go, because WAIT counts what was written on its own connection. It makes nothing
// undone. A replica that is started anew has forgotten again.
func (n *Nodes) askAcknowledged(ctx context.Context, node *redis.Client, command []any) vote {
	pipe := node.Pipeline()
	said := pipe.Do(ctx, command...)
	have := pipe.Do(ctx, "WAIT", n.acks, (n.patience / 2).Milliseconds())
	_, _ = pipe.Exec(ctx) // each command has its own error
	v := voteOf(said)
	if v.err != nil {
		return v
	}
	var count int
	if count, v.err = have.Int(); v.err == nil && count < n.acks {
		v.err = fmt.Errorf("%w: %d of %d", errUnacknowledged, count, n.acks)
	}
	return v
}
