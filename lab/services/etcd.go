package services

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// Etcd is a store of keys that several nodes agree on.
const Etcd Kind = "etcd"

var etcd = trait{
	kind: Etcd, title: "etcd", env: "ETCD_URL", ports: []int{2379}, apart: true,
	address: func(ports []int) address {
		return address{URL: fmt.Sprintf("http://127.0.0.1:%d", ports[0])}
	},
	handshake: etcdHandshake, boot: startSlack / 2, image: "quay.io/coreos/etcd:v3.6.13",
	containerEnv: []string{"ETCD_LISTEN_CLIENT_URLS=http://0.0.0.0:2379",
		"ETCD_ADVERTISE_CLIENT_URLS=http://127.0.0.1:2379"},
	native: &native{
		find: func() ([]string, error) {
			server, err := lookFor("etcd", append([]string{"etcd"}, brewed("etcd", "bin/etcd")...)...)
			return []string{server}, err
		},
		prepare: prepareEtcd, more: 1, // the port for its peers
	},
	packages: map[string]string{
		"apt-get": "etcd-server", "brew": "etcd", "dnf": "etcd", "zypper": "etcd",
	},
}

func prepareEtcd(_ context.Context, n node) (*process, error) {
	dir, err := n.site.run.MkdirData(n.name)
	if err != nil {
		return nil, err
	}
	clients := fmt.Sprintf("http://127.0.0.1:%d", n.ports[0])
	peers := fmt.Sprintf("http://127.0.0.1:%d", n.ports[1])
	p := n.process(dir, n.programs[0], "--name", n.name, "--data-dir", dir,
		"--listen-client-urls", clients, "--advertise-client-urls", clients,
		"--listen-peer-urls", peers, "--initial-advertise-peer-urls", peers,
		"--initial-cluster", n.name+"="+peers, "--logger", "zap", "--log-level", "warn")
	p.spec.Env = environ([]string{"ETCD_"})
	return p, nil
}

// etcdHandshake asks for health, which a node has only with a leader, and for the version.
func etcdHandshake(ctx context.Context, a address) (string, error) {
	var health struct {
		Health string `json:"health"`
		Reason string `json:"reason"`
	}
	if err := askEtcd(ctx, a.URL, "/health", &health); err != nil {
		return "", err
	}
	if health.Health != "true" {
		return "", fmt.Errorf("etcd is not healthy: %s", health.Reason)
	}
	var version struct {
		Server string `json:"etcdserver"`
	}
	err := askEtcd(ctx, a.URL, "/version", &version)
	return version.Server, err
}

func askEtcd(ctx context.Context, url, path string, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(url, "/")+path, nil)
	if err != nil {
		return err
	}
	raw, err := doHTTP(req, "etcd")
	if err != nil {
		return err
	}
	if err := json.Unmarshal(raw, into); err != nil {
		return fmt.Errorf("what answers there is not etcd: %w", err)
	}
	return nil
}
