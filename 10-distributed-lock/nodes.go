package lock

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// ErrNoQuorum says that fewer than a majority of the Redis nodes can lock. Nobody can
// take the lock then, and nobody should: a minority cannot know what the others said.
var ErrNoQuorum = errors.New("too few Redis nodes can lock")

// nodeTimeout bounds what one node may take for one answer. A node that is dead
// refuses at once; this is for one that hangs.
const nodeTimeout = 500 * time.Millisecond

// answerShare is the part of the expiry within which a node must have answered. A
// lock is valid from before the first node was asked: what is spent on asking is
// missing when the work is done.
const answerShare = 0.1

// Nodes are Redis servers that know nothing of each other: no replication, no
// cluster. Redlock's safety rests on that they fail one by one. Safe for concurrent
// use.
type Nodes struct {
	clients  []*redis.Client
	patience time.Duration // how long all of them together may take for one answer
	acks     int           // how many replicas must have what was written, see failover.go
}

// Connect returns clients for the nodes of the settings. It connects to none of
// them yet: a node that is away today may be back tomorrow.
func Connect(s Settings) (*Nodes, error) {
	ownLog()
	n := &Nodes{
		patience: min(nodeTimeout, time.Duration(answerShare*float64(s.Expiry))), acks: s.Acks,
	}
	if s.Sentinels != "" {
		client, err := failoverClient(s)
		if err != nil {
			return nil, err
		}
		n.clients = []*redis.Client{client}
		return n, nil
	}
	for _, address := range s.addresses() {
		options, err := redis.ParseURL(address)
		if err != nil {
			return nil, usagef("REDIS_URL: %v; want redis://host:port/number, several "+
				"separated by commas", err)
		}
		options.DialTimeout = nodeTimeout
		options.ReadTimeout = nodeTimeout
		options.WriteTimeout = nodeTimeout
		// The deadline of an attempt must reach the socket, and whoever wants the
		// lock tries again by itself: a client that retries behind its back would
		// spend the time in which the lock is valid.
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

// answer is what a node has said to a question. Of a node that could not be asked it is
// no, and the vote has the error.
type answer int

const (
	no      answer = iota // somebody else's key is there
	yes                   // done
	missing               // there is no key
)

type vote struct {
	answer
	err error
}

// ballot has the vote of every node.
type ballot []vote

// of counts the votes that were this answer. A node that failed has not voted.
func (b ballot) of(want answer) (n int) {
	for _, v := range b {
		if v.err == nil && v.answer == want {
			n++
		}
	}
	return n
}

// ask has all nodes carry out one command, at the same time, and waits for all of them:
// a node that hangs costs the patience, a node that is dead nothing.
func (n *Nodes) ask(ctx context.Context, command ...any) ballot {
	return n.askWithin(ctx, n.patience, command...)
}

func (n *Nodes) askWithin(ctx context.Context, limit time.Duration, command ...any) ballot {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	votes := make(ballot, len(n.clients))
	var all sync.WaitGroup
	for i, c := range n.clients {
		all.Go(func() {
			if n.acks > 0 {
				votes[i] = n.askAcknowledged(ctx, c, command)
			} else {
				votes[i] = voteOf(c.Do(ctx, command...))
			}
		})
	}
	all.Wait()
	return votes
}

func voteOf(cmd *redis.Cmd) vote {
	said, err := cmd.Result()
	switch {
	case errors.Is(err, redis.Nil):
		return vote{answer: no}
	case err != nil:
		return vote{err: err}
	case said == "OK", said == int64(1):
		return vote{answer: yes}
	case said == int64(-1):
		return vote{answer: missing}
	default:
		return vote{answer: no}
	}
}

// Check returns nil when a majority can lock, and otherwise an [ErrNoQuorum] that says
// which nodes cannot. It asks each for what a lock takes, a write and a script, on a key
// that is never there, so that nothing changes (XX). A PING would be answered also by a
// node without memory, by a replica, and by one whose disk is full. No lock is taken, so that
// how long one lasts does not matter here: a machine that is slow for a moment is no reason to refuse.
func (n *Nodes) Check(ctx context.Context) error {
	votes := n.askWithin(ctx, nodeTimeout, "SET", keyPrefix, "", "XX", "PX", 1)
	for i, v := range n.askWithin(ctx, nodeTimeout, "EVAL", deleteOwn, 1, keyPrefix, "") {
		if votes[i].err == nil {
			votes[i] = v
		}
	}
	return n.quorumOr(votes)
}

// failed are the nodes, from 0, that did not vote.
func (b ballot) failed() (nodes []int) {
	for i, v := range b {
		if v.err != nil {
			nodes = append(nodes, i)
		}
	}
	return nodes
}

// quorumOr is nil when the nodes that have voted are a majority.
func (n *Nodes) quorumOr(votes ballot) error {
	var out []string
	for _, i := range votes.failed() {
		out = append(out, fmt.Sprintf("node %d at %s: %v", i+1, n.clients[i].Options().Addr,
			votes[i].err))
	}
	up := len(n.clients) - len(out)
	if up >= n.Quorum() {
		return nil
	}
	return fmt.Errorf("%w: %d of %d, and %d are needed (%s)",
		ErrNoQuorum, up, len(n.clients), n.Quorum(), strings.Join(out, "; "))
}

// refusal tells apart the two reasons why a lock was not to be had: somebody has it, or
// too few nodes could vote. Only the second is worth an alarm.
func (n *Nodes) refusal(votes ballot) error {
	if err := n.quorumOr(votes); err != nil {
		return err
	}
	return ErrTaken
}
