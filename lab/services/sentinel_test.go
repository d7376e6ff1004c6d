//go:build unix

package services

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"
)

// Sentinels make the replica the primary, when they are told to and when the primary is killed.
// Who uses them next finds the first node as the primary again.
func TestSentinelsPromoteTheReplica(t *testing.T) {
	c, _ := bench(t, LinkPort, LinkDocker)
	pair := provide(t, c, Need{Kind: Replicated, Count: 2})
	sentinels := provide(t, c, Need{Kind: Sentinel, Count: 3})
	role := func(s *Server, want string) {
		t.Helper()
		deadline := time.Now().Add(startSlack)
		for info := ""; !strings.Contains(info, "role:"+want); wait(t.Context(), poll) {
			// A node that gets another role ends all its connections.
			err := withRedis(t.Context(), s.URL, func(do redisDo) (err error) {
				info, err = do("INFO", "replication")
				return err
			})
			if time.Now().After(deadline) {
				t.Fatalf("%s is not a %s: %s, %v", s.Name, want, info, err)
			}
		}
	}
	role(pair[1], "slave")
	for deadline := time.Now().Add(startSlack); ; wait(t.Context(), poll) {
		err := withRedis(t.Context(), plainRedis(sentinels[0].URL), func(do redisDo) error {
			_, err := do("SENTINEL", "FAILOVER", sentinelName)
			return err
		})
		if err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
	role(pair[1], "master")
	role(pair[0], "slave")

	env, cleanup, err := sentinels.Isolate(t.Context(), "next")
	must(t, err, cleanup(t.Context()))
	if got := env["SENTINEL_URL"]; strings.Count(got, "#shop") != 3 {
		t.Errorf("addresses %q", got)
	}
	role(pair[0], "master")
	role(pair[1], "slave")
	if got := ask(t, pair[0], "SET k v"); got != "OK" {
		t.Errorf("the primary answers %q", got)
	}
	must(t, pair[0].Kill(t.Context()))
	role(pair[1], "master")
}

func TestSentinelsNeedAPair(t *testing.T) {
	c, _ := bench(t, LinkPort, LinkDocker, LinkInstall)
	_, err := c.Provide(t.Context(), Need{Kind: Sentinel, Count: 3})
	if err == nil || !strings.Contains(err.Error(), "ask for replicated x2 before it") {
		t.Errorf("error %v", err)
	}
}

func TestEtcd(t *testing.T) {
	c, _ := bench(t, LinkPort, LinkDocker)
	server := provide(t, c, Need{Kind: Etcd})[0]
	if server.Version == "" || server.Env()["ETCD_URL"] != server.URL {
		t.Errorf("server %+v", server)
	}
	must(t, server.Kill(t.Context()), server.Start(t.Context()), server.Restart(t.Context()))
	ctx, cancel := context.WithTimeout(t.Context(), attempt)
	defer cancel()
	if err := errors.Join(server.Ready(ctx), server.Stop(t.Context())); err != nil {
		t.Error(err)
	}
}
