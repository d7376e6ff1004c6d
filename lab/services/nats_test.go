//go:build unix

package services

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"course.example/lab/internal/home"
)

// natsStream is what JetStream answers about a stream.
type natsStream struct {
	Error   *natsAPIError `json:"error"`
	Cluster struct {
		Leader   string `json:"leader"`
		Replicas []any  `json:"replicas"`
	} `json:"cluster"`
	State struct {
		Messages int `json:"messages"`
	} `json:"state"`
}

// natsAsk asks JetStream with a body, until it answers without an error or the test's patience ends:
// a cluster that has just lost its leader chooses another one.
func natsAsk(t *testing.T, s *Server, subject, body string) (answer natsStream) {
	t.Helper()
	await(t, subject, func() bool {
		answer = natsStream{}
		ctx, cancel := context.WithTimeout(t.Context(), attempt)
		defer cancel()
		err := withNATS(ctx, s.URL, func(c *natsConn) error {
			return c.request(subject, body, &answer)
		})
		if err == nil && answer.Error != nil {
			err = answer.Error
		}
		return err == nil
	})
	return answer
}

func natsCluster(t *testing.T) Servers {
	t.Helper()
	c, _ := bench(t, LinkDocker)
	nodes := provide(t, c, Need{Kind: NATS, Count: 3, Private: true})
	for i, n := range nodes {
		if n.Name != fmt.Sprintf("nats-%d", i+1) || n.Version == "" {
			t.Errorf("node %+v", n)
		}
	}
	return nodes
}

// When the servers are provided, a stream with three replicas can be made: at once, and by a client
// of any node. It outlives the death of its leader.
func TestNATSClusterKeepsAStream(t *testing.T) {
	nodes := natsCluster(t)
	var made natsStream
	ctx, cancel := context.WithTimeout(t.Context(), 2*attempt)
	defer cancel()
	must(t, withNATS(ctx, nodes[2].URL, func(c *natsConn) error {
		return c.request("$JS.API.STREAM.CREATE.s",
			`{"name":"s","subjects":["s.>"],"num_replicas":3}`, &made)
	}))
	if made.Error != nil || len(made.Cluster.Replicas) != 2 || made.Cluster.Leader == "" {
		t.Fatalf("no stream with three replicas: %+v", made)
	}
	leader := slices.IndexFunc(nodes, func(n *Server) bool { return n.Name == made.Cluster.Leader })
	n, other := nodes[leader], nodes[(leader+1)%len(nodes)]
	natsAsk(t, other, "s.x", "before")
	must(t, n.Kill(t.Context()))
	if n.Ready(t.Context()) == nil {
		t.Errorf("%s answers and was killed", n.Name)
	}
	natsAsk(t, other, "s.x", "meanwhile")
	must(t, n.Start(t.Context()), natsJoined(t.Context(), n.address()))
	must(t, other.Restart(t.Context()), natsJoined(t.Context(), other.address()))
	info := natsAsk(t, n, "$JS.API.STREAM.INFO.s", "")
	// One that was answered late is published again.
	if info.State.Messages < 2 {
		t.Errorf("%d messages are left of 2", info.State.Messages)
	}
}

// A node that comes back alone cannot do its part, and is up all the same.
func TestNATSNodeAloneIsUpAndNotInItsCluster(t *testing.T) {
	nodes := natsCluster(t)
	for _, n := range nodes {
		must(t, n.Kill(t.Context()))
	}
	patience := rejoin
	rejoin = 100 * time.Millisecond
	t.Cleanup(func() { rejoin = patience })
	must(t, nodes[0].Start(t.Context()), nodes[0].Ready(t.Context()))
	if natsJoined(t.Context(), nodes[0].address()) == nil {
		t.Error("one of three says that it is healthy")
	}
	must(t, nodes[1].Start(t.Context()), nodes[2].Start(t.Context()))
	await(t, "the cluster", func() bool {
		return natsJoined(t.Context(), nodes[0].address()) == nil
	})
}

// What one node publishes reaches another, but for the time in which that one is cut off.
func TestNATSNodeIsCutOff(t *testing.T) {
	c, _ := bench(t, LinkDocker)
	nodes := provide(t, c, Need{Kind: NATS, Count: 3, Private: true, Relayed: true})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	heard, ended := make(chan string, 1000), make(chan error, 1)
	go func() {
		ended <- withNATS(ctx, nodes[0].URL, func(n *natsConn) error {
			if _, err := fmt.Fprint(n.conn, "SUB s 2\r\n"); err != nil {
				return err
			}
			for {
				line, err := n.next()
				if err != nil {
					return err
				}
				if !strings.HasPrefix(line, "MSG ") && line != "PONG" {
					heard <- line // what a message says
				}
				if line == "after" {
					return nil
				}
			}
		})
	}()
	say := func(text string) {
		must(t, withNATS(ctx, nodes[1].URL, func(n *natsConn) error {
			if _, err := fmt.Fprintf(n.conn, "PUB s %d\r\n%s\r\nPING\r\n", len(text), text); err != nil {
				return err
			}
			_, err := n.next()
			return err
		}))
	}
	got := map[string]int{}
	until := func(text string) {
		await(t, text, func() bool {
			say(text)
			for len(heard) > 0 {
				got[<-heard]++
			}
			return got[text] > 0
		})
	}
	until("before")
	must(t, nodes[0].CutOff())
	if !nodes[0].IsCutOff() || nodes[1].IsCutOff() {
		t.Error("another node is cut off")
	}
	say("meanwhile")
	must(t, nodes[0].Ready(ctx)) // clients still reach it
	nodes[0].Rejoin()
	until("after")
	must(t, <-ended)
	if got["meanwhile"] > 0 {
		t.Error("it heard what was said while it was cut off")
	}
}

func TestNATSPlaces(t *testing.T) {
	c, _ := bench(t, LinkPort, LinkDocker)
	s := provide(t, c, Need{Kind: NATS})[0]
	env, cleanup, err := s.Isolate(t.Context(), "place")
	must(t, err)
	_, name, _ := strings.Cut(strings.TrimPrefix(env["NATS_URL"], "nats://"), "/")
	if !strings.HasPrefix(name, "place-") {
		t.Fatalf("the place is %s", env["NATS_URL"])
	}
	for _, stream := range []string{name + "-a", name + "-b", "others"} {
		natsAsk(t, s, "$JS.API.STREAM.CREATE."+stream,
			fmt.Sprintf(`{"name":%q,"subjects":[%q]}`, stream, stream))
	}
	must(t, cleanup(t.Context()), cleanup(t.Context())) // a second time there is nothing
	var left struct{ Streams []string }
	must(t, withNATS(t.Context(), s.URL, func(c *natsConn) error {
		return c.ask("$JS.API.STREAM.NAMES", &left)
	}))
	if fmt.Sprint(left.Streams) != "[others]" {
		t.Errorf("left are %v", left.Streams)
	}
}

// What is no NATS, or not ours, is said.
func TestNATSHandshakeSaysWhatIsWrong(t *testing.T) {
	for _, tt := range []struct{ name, greeting, answer, want string }{
		{"another password", "INFO {\"jetstream\":true}\r\n",
			"-ERR 'Authorization Violation'\r\n", "refuses: Authorization Violation"},
		{"no streams", "INFO {\"version\":\"2.9.0\"}\r\n", "PONG\r\n", "nats-server -js"},
		{"no NATS", "220 mail.example.com\r\n", "", "is not NATS"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			must(t, err)
			t.Cleanup(func() { _ = l.Close() })
			go func() {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				defer conn.Close()
				fmt.Fprint(conn, tt.greeting)
				lines := bufio.NewScanner(conn)
				for lines.Scan() && lines.Text() != "PING" {
				}
				fmt.Fprint(conn, tt.answer)
			}()
			_, err = natsHandshake(t.Context(), address{URL: "nats://u:p@" + l.Addr().String()})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
	_, err := natsHandshake(t.Context(), address{URL: "tls://127.0.0.1:1"})
	if err == nil || !strings.Contains(err.Error(), "has the form nats://") {
		t.Errorf("of another kind of URL: %v", err)
	}
}

// notInstalled has the machine look as if nobody had installed a nats-server.
func notInstalled(t *testing.T) {
	t.Helper()
	find := *traits[NATS].native
	find.find = func() ([]string, error) {
		return []string{""}, fmt.Errorf("nats-server is %w", errNotInstalled)
	}
	setTrait(t, NATS, func(tr *trait) { tr.native = &find })
}

// A server written in Go is built where it is not installed.
func TestNATSIsBuilt(t *testing.T) {
	notInstalled(t)
	c, _ := bench(t, LinkPort, LinkDocker, LinkInstall)
	report, err := c.Inspect(t.Context(), NATS)
	if err != nil || report.Uses != LinkNative || report.Missing != "" {
		t.Errorf("report %+v, %v", report, err)
	}
	s := provide(t, c, Need{Kind: NATS, Private: true})[0]
	root, err := home.Root()
	must(t, err)
	raw, err := os.ReadFile(filepath.Join(root, toolsDir, "go.mod"))
	must(t, err)
	if !strings.Contains(string(raw), "nats-server/v2 v"+s.Version+" ") {
		t.Errorf("version %s is not that of %s/go.mod", s.Version, toolsDir)
	}
}

// Where it cannot be built, that is said, with the ways out.
func TestNATSThatCannotBeBuilt(t *testing.T) {
	for _, tt := range []struct {
		name string
		set  func(t *testing.T)
		want []string
	}{
		{"no way to a proxy", func(t *testing.T) {
			t.Setenv("GOPROXY", "off")
			t.Setenv("GOMODCACHE", t.TempDir())
			t.Setenv("GOCACHE", t.TempDir())
		}, []string{"the go command cannot build nats-server", "needs a way to a module proxy",
			"module lookup disabled by GOPROXY=off"}},
		{"no go", func(t *testing.T) {
			t.Setenv("PATH", t.TempDir())
		}, []string{"there is no go command to build it", "set NATS_URL, like NATS_URL=nats://"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := exec.LookPath("go"); err != nil {
				t.Fatal(err)
			}
			notInstalled(t)
			c, _ := bench(t, LinkPort, LinkDocker, LinkInstall)
			tt.set(t)
			_, err := c.Provide(t.Context(), Need{Kind: NATS})
			for _, want := range tt.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("error %v\nwant %q", err, want)
				}
			}
		})
	}
}

func TestNATSConfigurationIsJSONSafe(t *testing.T) {
	text := natsConfig(node{name: "nats-1", ports: []int{1, 2, 3}, all: [][]int{{1, 2, 3}}}, `/a "b`)
	var quoted string
	_, rest, _ := strings.Cut(text, "store_dir: ")
	rest, _, _ = strings.Cut(rest, " }")
	if err := json.Unmarshal([]byte(rest), &quoted); err != nil || quoted != `/a "b` {
		t.Errorf("%s: %v", text, err)
	}
	if strings.Contains(text, "cluster") {
		t.Errorf("one node is no cluster: %s", text)
	}
}
