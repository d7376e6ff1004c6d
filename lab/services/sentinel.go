package services

import (
	"context"
	"crypto/sha1"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// A Redis with a replica, and Sentinels that make the replica the primary when the primary is
// gone. "replicated x2" are the primary (at first the one with the number 1) and its replica,
// "sentinel x3" watch over the pair that was asked for before them.
const (
	Replicated Kind = "replicated"
	Sentinel   Kind = "sentinel"
)

// sentinelName is what Sentinels call the pair.
const sentinelName = "shop"

var replicated = trait{
	kind: Replicated, title: "Redis with a replica", env: "REPLICATED_URL", ports: []int{6391},
	several: true, cluster: true, apart: true, address: redis.address, handshake: replicatedHandshake,
	boot: startSlack / 2, image: redis.image, packages: redis.packages,
	native: &native{find: findRedis, prepare: prepareReplicated},
}

// sentinel has an address of the form that Lettuce, a client for Java, has made known: the name
// of the pair stands behind it.
var sentinel = trait{
	kind: Sentinel, title: "Redis Sentinel", env: "SENTINEL_URL", ports: []int{26391},
	several: true, cluster: true, apart: true,
	address: func(ports []int) address {
		return address{URL: fmt.Sprintf("redis-sentinel://127.0.0.1:%d#%s", ports[0], sentinelName)}
	},
	handshake: sentinelHandshake,
	place:     firstIsPrimary,
	remove:    func(context.Context, address, string) error { return nil },
	boot:      startSlack / 2, image: redis.image, packages: redis.packages,
	native: &native{find: findRedis, prepare: prepareSentinel},
}

func prepareReplicated(_ context.Context, n node) (*process, error) {
	dir, err := n.site.run.MkdirData(n.name)
	if err != nil {
		return nil, err
	}
	args := []string{"--port", strconv.Itoa(n.ports[0]), "--bind", "127.0.0.1", "--dir", dir,
		"--daemonize", "no", "--save", "", "--repl-diskless-sync-delay", "0"}
	if first := n.all[0][0]; n.ports[0] != first {
		args = append(args, "--replicaof", fmt.Sprintf("127.0.0.1 %d", first))
	} else {
		args = append(args, "--replica-priority", firstPriority)
	}
	n.site.mu.Lock()
	defer n.site.mu.Unlock()
	n.site.shared[Replicated] = n.all
	return n.process(dir, n.programs[0], args...), nil
}

// replicatedHandshake wants a primary, or a replica that has all that its primary has.
func replicatedHandshake(ctx context.Context, a address) (string, error) {
	version, err := redisHandshake(ctx, a)
	if err != nil {
		return "", err
	}
	return version, withRedis(ctx, a.URL, func(do redisDo) error {
		info, err := do("INFO", "replication")
		if err == nil && !strings.Contains(info, "role:master") &&
			!strings.Contains(info, "master_link_status:up") {
			err = errors.New("the replica is not in step with its primary")
		}
		return err
	})
}

// prepareSentinel writes the file that a Sentinel keeps its own notes in, too. It knows the replica
// and the other Sentinels from the start: to find them by itself it would take some seconds.
func prepareSentinel(_ context.Context, n node) (*process, error) {
	n.site.mu.Lock()
	pair, _ := n.site.shared[Replicated].([][]int)
	n.site.mu.Unlock()
	if len(pair) < 2 {
		return nil, errors.New("a Sentinel watches over a pair: ask for replicated x2 before it")
	}
	dir, err := n.site.run.MkdirData(n.name)
	if err != nil {
		return nil, err
	}
	// A primary is gone after half a second of silence, if most of them say so.
	conf := fmt.Sprintf(`port %d
bind 127.0.0.1
dir %q
sentinel myid %s
sentinel monitor %[4]s 127.0.0.1 %[5]d %[6]d
sentinel down-after-milliseconds %[4]s 500
sentinel failover-timeout %[4]s 1000
`, n.ports[0], dir, sentinelID(n.ports[0]), sentinelName, pair[0][0], len(n.all)/2+1)
	for _, replica := range pair[1:] {
		conf += fmt.Sprintf("sentinel known-replica %s 127.0.0.1 %d\n", sentinelName, replica[0])
	}
	for _, other := range n.all {
		if other[0] != n.ports[0] {
			conf += fmt.Sprintf("sentinel known-sentinel %s 127.0.0.1 %d %s\n",
				sentinelName, other[0], sentinelID(other[0]))
		}
	}
	path := filepath.Join(dir, "sentinel.conf")
	if err := os.WriteFile(path, []byte(conf), 0o644); err != nil {
		return nil, fmt.Errorf("configure the Sentinel: %w", err)
	}
	return n.process(dir, n.programs[0], path, "--sentinel"), nil
}

// sentinelID are the 40 hexadecimal digits by which Sentinels tell each other apart.
func sentinelID(port int) string { return fmt.Sprintf("%x", sha1.Sum([]byte(strconv.Itoa(port)))) }

// sentinelHandshake has a Sentinel look around each second. Left alone it does so every ten, and
// so long is an old primary that has come back no replica yet.
func sentinelHandshake(ctx context.Context, a address) (string, error) {
	at := plainRedis(a.URL)
	version, err := redisHandshake(ctx, address{URL: at})
	if err != nil {
		return "", err
	}
	return version, withRedis(ctx, at, func(do redisDo) error {
		_, _ = do("SENTINEL", "DEBUG", "INFO-PERIOD", "1000", "PUBLISH-PERIOD", "500") // since 7.0
		return nil
	})
}

// firstPriority marks the node with the number 1, which is the primary at first.
const firstPriority = "1"

// firstIsPrimary is what a run finds on Sentinels that others have used before it: the pair is
// whole, and the node with the number 1 is the primary again.
func firstIsPrimary(ctx context.Context, a address, _ string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, startSlack/2)
	defer cancel()
	for {
		first, err := primaryOf(ctx, a)
		if first && err == nil {
			return a.URL, nil
		}
		if err == nil {
			err = withRedis(ctx, plainRedis(a.URL), func(do redisDo) error {
				_, err := do("SENTINEL", "FAILOVER", sentinelName)
				return err // also one that is under way
			})
		}
		wait(ctx, 10*poll)
		if ctx.Err() != nil {
			return "", fmt.Errorf("make the first node the primary again: %w",
				errors.Join(err, ctx.Err()))
		}
	}
}

// primaryOf says whether the primary that a Sentinel knows is the first node. What it knows may be
// old: it is an error that the node is no primary, or has no replica that has all.
func primaryOf(ctx context.Context, sentinel address) (first bool, err error) {
	var primary string
	err = withRedis(ctx, plainRedis(sentinel.URL), func(do redisDo) (err error) {
		primary, err = do("SENTINEL", "GET-MASTER-ADDR-BY-NAME", sentinelName)
		return err
	})
	if err != nil {
		return false, err
	}
	at := "redis://" + strings.ReplaceAll(primary, " ", ":")
	err = withRedis(ctx, at, func(do redisDo) error {
		info, err := do("INFO", "replication")
		if err != nil {
			return err
		}
		if !strings.Contains(info, "role:master") || !strings.Contains(info, "state=online") {
			return fmt.Errorf("%s is no primary with a replica", primary)
		}
		priority, err := do("CONFIG", "GET", "replica-priority")
		first = priority == "replica-priority "+firstPriority
		return err
	})
	return first, err
}

// plainRedis is a Sentinel's address for a client that knows nothing of Sentinels.
func plainRedis(url string) string {
	host, _, _ := strings.Cut(strings.TrimPrefix(url, "redis-sentinel://"), "#")
	return "redis://" + host
}
