package services

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// NATS is a message broker that keeps streams in its part JetStream. Several nodes form a cluster
// and replicate a stream with Raft.
const NATS Kind = "nats"

var nats = trait{
	kind: NATS, title: "NATS", env: "NATS_URL", ports: []int{4222, 8222}, several: true, cluster: true,
	address: func(ports []int) address {
		return address{
			URL:  fmt.Sprintf("nats://127.0.0.1:%d", ports[0]),
			Page: fmt.Sprintf("http://127.0.0.1:%d", ports[1]),
		}
	},
	handshake: natsHandshake, joined: natsJoined, place: natsPlace, remove: removeNATSPlace,
	boot: startSlack / 2, image: "nats:2",
	native: &native{
		find: findNATS, prepare: prepareNATS, more: 1, // 1: the port on which the nodes talk
		tool: "nats-server", reach: true,
	},
	packages: map[string]string{"apt-get": "nats-server", "brew": "nats-server"},
}

func findNATS() ([]string, error) {
	server, err := lookFor("nats-server", append([]string{"nats-server"},
		brewed("nats-server", "bin/nats-server")...)...)
	return []string{server}, err
}

func prepareNATS(_ context.Context, n node) (*process, error) {
	dir, err := n.site.run.MkdirData(n.name)
	if err != nil {
		return nil, err
	}
	file := filepath.Join(dir, "nats.conf")
	if err := os.WriteFile(file, []byte(natsConfig(n, filepath.Join(dir, "store"))), 0o644); err != nil {
		return nil, fmt.Errorf("configure %s: %w", n.name, err)
	}
	return n.process(dir, n.programs[0], "-c", file), nil
}

// natsConfig is a node's configuration. Its place among the nodes is a tag, by which a stream may ask for
// this node and no other: nats-1 is the first.
func natsConfig(n node, store string) string {
	place := slices.IndexFunc(n.all, func(ports []int) bool { return ports[0] == n.ports[0] }) + 1
	text := fmt.Sprintf("server_name: %q\nserver_tags: [\"nats-%d\"]\n"+
		"listen: \"127.0.0.1:%d\"\nhttp: \"127.0.0.1:%d\"\njetstream { store_dir: %q }\n",
		n.name, place, n.ports[0], n.ports[1], store)
	if len(n.all) < 2 {
		return text
	}
	var routes []string
	advertise := ""
	for _, ports := range n.all {
		routes = append(routes, fmt.Sprintf("\"nats://127.0.0.1:%d\"", ports[2]))
	}
	if n.reach != nil {
		routes = nil
		for _, address := range n.reach {
			routes = append(routes, fmt.Sprintf("\"nats://%s\"", address))
		}
		// Nodes tell each other of the others. Nobody may learn of an address that leads past the
		// relays: this one leads nowhere.
		advertise = "advertise: \"127.0.0.1:1\", "
	}
	return text + fmt.Sprintf("cluster { name: lab, listen: \"127.0.0.1:%d\", %sroutes: [%s] }\n",
		n.ports[2], advertise, strings.Join(routes, ", "))
}

// natsJoined asks for the server's health: it has found the leader of the cluster, and has all that
// the leader has written (docs.nats.io, "Monitoring", /healthz).
func natsJoined(ctx context.Context, a address) error {
	if a.Page == "" {
		return nil // of a server that the environment names, nobody knows where it tells
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, a.Page+"/healthz", nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
	err = errors.Join(err, resp.Body.Close())
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("it answers %s: %s", resp.Status, strings.TrimSpace(string(body)))
	}
	return err
}

// natsHandshake reads what the server says of itself, logs in and has a PING answered.
func natsHandshake(ctx context.Context, a address) (version string, err error) {
	err = withNATS(ctx, a.URL, func(c *natsConn) error {
		version = c.version
		return nil
	})
	return version, err
}

// natsPlace takes the path of the URL for the beginning of the names of streams: a server without
// accounts has no other parts. The programs of the steps read it so.
func natsPlace(_ context.Context, a address, name string) (string, error) {
	u, err := url.Parse(a.URL)
	if err != nil {
		return "", fmt.Errorf("read the NATS URL: %w", err)
	}
	u.Path = "/" + name
	return u.String(), nil
}

// removeNATSPlace deletes the streams whose names begin with that of the place.
func removeNATSPlace(ctx context.Context, a address, name string) error {
	return withNATS(ctx, a.URL, func(c *natsConn) error {
		var list struct {
			Streams []string      `json:"streams"`
			Error   *natsAPIError `json:"error"`
		}
		if err := c.ask("$JS.API.STREAM.NAMES", &list); err != nil {
			return err
		}
		if list.Error != nil {
			return list.Error
		}
		for _, stream := range list.Streams {
			if !strings.HasPrefix(stream, name) {
				continue
			}
			var done struct {
				Error *natsAPIError `json:"error"`
			}
			if err := c.ask("$JS.API.STREAM.DELETE."+stream, &done); err != nil {
				return err
			}
			if done.Error != nil && done.Error.Code != http.StatusNotFound {
				return done.Error
			}
		}
		return nil
	})
}

type natsAPIError struct {
	Code        int    `json:"code"`
	Description string `json:"description"`
}

func (e *natsAPIError) Error() string { return fmt.Sprintf("%s (%d)", e.Description, e.Code) }

// natsConn speaks as much of the client protocol as a handshake and a question take: lines of text
// (docs.nats.io, "Client Protocol").
type natsConn struct {
	conn    net.Conn
	lines   *bufio.Reader
	version string
	inbox   string
}

// withNATS connects and logs in, in the time that ctx leaves.
func withNATS(ctx context.Context, rawURL string, use func(*natsConn) error) error {
	u, err := url.Parse(rawURL)
	if err != nil || u.Scheme != "nats" || u.Host == "" {
		return errors.New("a NATS URL has the form nats://user:password@host:port")
	}
	host := u.Host
	if u.Port() == "" {
		host = net.JoinHostPort(u.Hostname(), "4222")
	}
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", host)
	if err != nil {
		return err
	}
	// Closing the connection is what ends a read that hangs.
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	defer func() { _ = conn.Close() }()
	c := &natsConn{conn: conn, lines: bufio.NewReader(conn), inbox: "_INBOX.lab"}
	if err = c.login(u); err == nil {
		err = use(c)
	}
	if err != nil && ctx.Err() != nil {
		err = fmt.Errorf("no answer in time: %w", ctx.Err())
	}
	return err
}

func (c *natsConn) login(u *url.URL) error {
	greeting, err := c.lines.ReadString('\n')
	if err != nil {
		return fmt.Errorf("wait for its greeting: %w", err)
	}
	var info struct {
		Version   string `json:"version"`
		JetStream bool   `json:"jetstream"`
	}
	text, ok := strings.CutPrefix(greeting, "INFO ")
	if err := json.Unmarshal([]byte(text), &info); !ok || err != nil {
		return fmt.Errorf("what answers there is not NATS: %.40q", greeting)
	}
	password, _ := u.User.Password()
	hello, err := json.Marshal(map[string]any{
		"verbose": false, "user": u.User.Username(), "pass": password, "headers": true,
		"no_responders": true,
	})
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(c.conn, "CONNECT %s\r\nSUB %s 1\r\nPING\r\n", hello, c.inbox); err != nil {
		return err
	}
	line, err := c.next()
	switch {
	case err != nil:
		return err
	case line != "PONG":
		return fmt.Errorf("NATS answers %.80q", line)
	case !info.JetStream:
		return errors.New("this NATS keeps no streams: start it with JetStream (nats-server -js)")
	}
	c.version = info.Version
	return nil
}

// next is the next line that is for us.
func (c *natsConn) next() (string, error) {
	for {
		line, err := c.lines.ReadString('\n')
		if err != nil {
			return "", err
		}
		switch line = strings.TrimSpace(line); {
		case line == "PING":
			if _, err := fmt.Fprint(c.conn, "PONG\r\n"); err != nil {
				return "", err
			}
		case strings.HasPrefix(line, "-ERR"):
			return "", errors.New("the server refuses: " + strings.Trim(line[4:], " '"))
		case !strings.HasPrefix(line, "INFO "):
			return line, nil
		}
	}
}

// ask sends an empty request and reads the answer, which is JSON.
func (c *natsConn) ask(subject string, answer any) error { return c.request(subject, "", answer) }

func (c *natsConn) request(subject, body string, answer any) error {
	_, err := fmt.Fprintf(c.conn, "PUB %s %s %d\r\n%s\r\n", subject, c.inbox, len(body), body)
	if err != nil {
		return err
	}
	line, err := c.next()
	if err != nil {
		return err
	}
	words := strings.Fields(line)
	if len(words) < 4 || words[0] != "MSG" {
		return fmt.Errorf("%s: nobody answers: %.40q", subject, line)
	}
	size, err := strconv.Atoi(words[len(words)-1])
	if err != nil || size < 0 || size > 1<<20 {
		return fmt.Errorf("%s: the answer is no message: %.40q", subject, line)
	}
	said := make([]byte, size+2) // and the end of the line
	if _, err := io.ReadFull(c.lines, said); err != nil {
		return err
	}
	return json.Unmarshal(said[:size], answer)
}
