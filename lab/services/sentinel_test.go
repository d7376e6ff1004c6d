//go:build unix

package services

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"
)

// The primary is killed: Sentinels make the replica the primary, and the old one is its replica
// when it comes back.
func TestSentinelsPromoteTheReplica(t *testing.T) {
	c, _ := bench(t, LinkPort, LinkDocker)
	pair := provide(t, c, Need{Kind: Replicated, Count: 2})
	sentinels := provide(t, c, Need{Kind: Sentinel, Count: 3})
	if env := sentinels.Env()["SENTINEL_URL"]; strings.Count(env, "#shop") != 3 {
		t.Errorf("addresses %q", env)
	}
	if got := ask(t, pair[0], "SET k v"); got != "OK" {
		t.Errorf("the primary answers %q", got)
	}
	role := func(s *Server, want string) {
		t.Helper()
		deadline := time.Now().Add(startSlack)
		for info := ""; !strings.Contains(info, "role:"+want); info = ask(t, s, "INFO replication") {
			if time.Now().After(deadline) {
				t.Fatalf("%s is not a %s: %s", s.Name, want, info)
			}
			wait(t.Context(), poll)
		}
	}
	role(pair[1], "slave")
	must(t, pair[0].Kill(t.Context()))
	role(pair[1], "master")
	must(t, pair[0].Start(t.Context()))
	role(pair[0], "slave")
	if got := ask(t, pair[1], "GET k"); got != "v" {
		t.Errorf("the new primary has %q", got)
	}
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
