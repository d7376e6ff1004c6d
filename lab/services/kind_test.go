//go:build unix

package services

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"course.example/lab/internal/home"
)

// toy is a kind of server that nobody has heard of: all that the package knows of it is its entry.
var toy = trait{
	kind: "toy", title: "Toy", env: "TOY_URL", ports: []int{4999}, several: true, cluster: true,
	address: func(ports []int) address {
		return address{URL: fmt.Sprintf("toy://127.0.0.1:%d", ports[0])}
	},
	handshake: func(ctx context.Context, a address) (string, error) {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", strings.TrimPrefix(a.URL, "toy://"))
		if err != nil {
			return "", err
		}
		defer conn.Close()
		said, err := bufio.NewReader(conn).ReadString('\n')
		return strings.TrimSpace(said), err
	},
	boot: 20 * time.Second, image: "toy:1",
	native: &native{
		find: func() ([]string, error) { return []string{os.Args[0]}, nil }, more: 1,
		prepare: func(_ context.Context, n node) (*process, error) {
			dir, err := n.site.run.Mkdir(n.name)
			p := n.process(dir, n.programs[0])
			var routes []string
			for _, ports := range n.all {
				routes = append(routes, strconv.Itoa(ports[1]))
			}
			p.spec.Env = environ(nil, helperEnv+"=toy", "TOY_PORT="+strconv.Itoa(n.ports[0]),
				"TOY_ROUTES="+strings.Join(routes, ","))
			return p, err
		},
	},
}

func init() { helpers["toy"] = helpToy }

// helpToy is the toy's server: it says which routes to the others it was told.
func helpToy() error {
	l, err := net.Listen("tcp", "127.0.0.1:"+os.Getenv("TOY_PORT"))
	if err != nil {
		return err
	}
	for {
		conn, err := l.Accept()
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintln(conn, os.Getenv("TOY_ROUTES")); err != nil {
			return err
		}
		_ = conn.Close() // it has been told
	}
}

// Whoever adds a server writes its entry, and nothing else of the package.
func TestEntryIsAllThatAServerTakes(t *testing.T) {
	t.Setenv(home.EnvDir, t.TempDir())
	traits[toy.kind] = toy
	kinds = append(kinds, toy.kind)
	t.Cleanup(func() {
		delete(traits, toy.kind)
		kinds = kinds[:len(kinds)-1]
	})
	need, err := ParseNeed("toy x3")
	must(t, err)
	c, _ := chain(t, Options{})
	// Containers would be three servers that know nothing of each other.
	if _, err := c.lookDocker(t.Context(), need); !strings.Contains(err.Error(), "a cluster") {
		t.Errorf("docker: %v", err)
	}
	nodes := provide(t, c, need)
	var routes []string
	for i, n := range nodes {
		if n.Name != fmt.Sprintf("toy-%d", i+1) || n.Provider != "native, private" {
			t.Errorf("node %+v", n)
		}
		routes = append(routes, n.Version)
	}
	if len(nodes) != 3 || len(strings.Split(routes[0], ",")) != 3 ||
		len(slices.Compact(routes)) != 1 {
		t.Errorf("nodes that do not know each other: %q", routes)
	}
	if urls := strings.Split(nodes.Env()["TOY_URL"], ","); len(urls) != 3 {
		t.Errorf("addresses %q", urls)
	}
	must(t, nodes[1].Kill(t.Context()), nodes[1].Start(t.Context()), nodes[2].Restart(t.Context()))
	env, cleanup, err := nodes.Isolate(t.Context(), "toy")
	must(t, err, cleanup(t.Context()))
	if env["TOY_URL"] != nodes.Env()["TOY_URL"] {
		t.Errorf("a place of one's own where there are none: %v", env)
	}
	report, err := c.Inspect(t.Context(), toy.kind)
	if err != nil || report.Uses != LinkNative || report.Title != "Toy" {
		t.Errorf("report %+v, %v", report, err)
	}
}

func TestEntriesAreWhole(t *testing.T) {
	t.Parallel()
	path, err := composeFile()
	must(t, err)
	raw, err := os.ReadFile(path)
	must(t, err)
	for _, kind := range Kinds() {
		tr := traits[kind]
		if tr.title == "" || tr.env == "" || tr.handshake == nil || tr.boot == 0 ||
			tr.native == nil && tr.standIn == nil || (tr.place == nil) != (tr.remove == nil) ||
			tr.native != nil && tr.packages["apt-get"] == "" && tr.native.tool == "" {
			t.Errorf("the entry of %s lacks something", kind)
		}
		i := tr.container(Need{}, tr.ports)
		want := append([]string{"\n  " + string(kind) + ":", "image: " + tr.image}, tr.args...)
		for n, inside := range i.Inside {
			want = append(want, fmt.Sprintf("127.0.0.1:%d:%d", i.Outside[n], inside))
		}
		for _, w := range want {
			if !strings.Contains(string(raw), w) {
				t.Errorf("%s lacks %q of %s", composeName, w, kind)
			}
		}
	}
}
