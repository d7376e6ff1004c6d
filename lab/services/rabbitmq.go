package services

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"course.example/lab/internal/child"
	"course.example/lab/internal/port"
)

// RabbitMQ is a message broker.
const RabbitMQ Kind = "rabbitmq"

const (
	// rabbitUser is user and password wherever the lab starts a server, as in the compose file.
	rabbitUser = "guest"
	// managementVariable says where a server that AMQP_URL names has its management API.
	managementVariable = "RABBITMQ_MANAGEMENT_URL"
	// rabbitTick lets a quorum queue count what is in it five times a second instead of once in
	// five seconds: the lab asks it whether a run is over. As an argument of Erlang it works for
	// a native server and for one in a container.
	rabbitTick = "-rabbit quorum_tick_interval 200"
	// nativeTick is for the older servers that systems install. RabbitMQ 3.10 begins a new queue with
	// the oldest version of its state machine, and one that has to tick before its first entry is
	// written dies of that (function_clause in rabbit_quorum_queue:handle_tick). On a busy machine
	// 200 ms are not always enough for that entry.
	nativeTick = "-rabbit quorum_tick_interval 1000"
)

var rabbitmq = trait{
	kind: RabbitMQ, title: "RabbitMQ", env: "AMQP_URL", ports: []int{5672, 15672},
	address: rabbitAddress, handshake: rabbitHandshake, named: findManagement,
	also: func(s *Server, _ Servers) map[string]string {
		if s.management == "" {
			return nil
		}
		return map[string]string{managementVariable: s.management}
	},
	place: makeVhost, remove: removeVhost, tool: "rabbitmqctl",
	boot: startSlack, image: "rabbitmq:4.3-management",
	containerEnv: []string{"RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=" + rabbitTick},
	// A clean stop takes 6 s, nearly all of it the management plugin's.
	native: &native{find: findRabbit, prepare: prepareRabbit, more: 1, grace: time.Minute},
	packages: map[string]string{
		"apt-get": "rabbitmq-server", "brew": "rabbitmq", "dnf": "rabbitmq-server",
		"pacman": "rabbitmq", "zypper": "rabbitmq-server",
	},
}

func rabbitAddress(ports []int) address {
	page := fmt.Sprintf("http://127.0.0.1:%d", ports[1])
	return address{
		URL:  fmt.Sprintf("amqp://%s:%s@127.0.0.1:%d/", rabbitUser, rabbitUser, ports[0]),
		Page: page, Login: rabbitUser + " / " + rabbitUser, Management: page,
	}
}

// findManagement looks for the management API of a server that AMQP_URL names. One that is not
// found is an error only when somebody has said where it is.
func findManagement(ctx context.Context, a address) (address, error) {
	found := a
	found.Management = managementOf(a.URL)
	if _, err := rabbitHandshake(ctx, found); err != nil {
		if os.Getenv(managementVariable) != "" {
			return a, fmt.Errorf("%s: %w", managementVariable, err)
		}
		return a, nil
	}
	u, err := url.Parse(found.Management)
	if err != nil {
		return a, fmt.Errorf("%s: %w", managementVariable, err)
	}
	u.User = nil
	found.Page, found.Login = u.String(), "user and password of AMQP_URL"
	return found, nil
}

// rabbitHandshake connects, logs in, opens the vhost and a channel. When the management API is
// known it must answer too: the page is part of the lesson, and it comes up after the broker.
func rabbitHandshake(ctx context.Context, a address) (string, error) {
	conn, err := dialRabbit(ctx, a.URL)
	if err != nil {
		return "", err
	}
	version, _ := conn.Properties["version"].(string)
	product, _ := conn.Properties["product"].(string)
	if product != "RabbitMQ" {
		version = product + " " + version
	}
	if err := conn.Close(); err != nil {
		return "", fmt.Errorf("close the connection: %w", err)
	}
	if a.Management == "" {
		return version, nil
	}
	_, err = manage(ctx, a, http.MethodGet, "/api/overview", nil)
	return version, err
}

// dialRabbit bounds the whole handshake by the context: a listener that accepts and says
// nothing must not hold anybody up.
func dialRabbit(ctx context.Context, rawURL string) (*amqp.Connection, error) {
	stop := func() bool { return true }
	config := amqp.Config{
		Properties: amqp.Table{"connection_name": "lab"},
		Dial: func(network, addr string) (net.Conn, error) {
			conn, err := new(net.Dialer).DialContext(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			if deadline, ok := ctx.Deadline(); ok {
				// A little later than the context, so that it is the one to say what happened.
				if err := conn.SetDeadline(deadline.Add(time.Second)); err != nil {
					return nil, errors.Join(err, conn.Close())
				}
			}
			// Closing it is what ends a handshake that hangs.
			stop = context.AfterFunc(ctx, func() { _ = conn.Close() })
			return conn, nil
		},
	}
	conn, err := amqp.DialConfig(rawURL, config)
	stop()
	var refused *amqp.Error
	switch {
	case err == nil:
		return conn, nil
	case ctx.Err() != nil:
		return nil, fmt.Errorf("no AMQP handshake in time: %w", ctx.Err())
	case errors.As(err, &refused) && refused.Code == amqp.AccessRefused:
		return nil, fmt.Errorf("the broker refuses the user name or password: %w", err)
	default:
		return nil, err
	}
}

// manage calls the management API with the credentials of the AMQP URL, unless the API's own
// URL has some, and returns the answer's body.
func manage(ctx context.Context, a address, method, path string, body any) ([]byte, error) {
	amqpURI, err := amqp.ParseURI(a.URL)
	if err != nil {
		return nil, fmt.Errorf("AMQP URL: %w", err)
	}
	base, err := url.Parse(a.Management)
	if err != nil {
		return nil, fmt.Errorf("management URL: %w", err)
	}
	user, password := amqpURI.Username, amqpURI.Password
	if base.User != nil {
		user = base.User.Username()
		password, _ = base.User.Password()
		base.User = nil
	}
	var reader io.Reader
	if body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		reader = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(ctx, method, base.String()+path, reader)
	if err != nil {
		return nil, fmt.Errorf("management API: %w", err)
	}
	req.SetBasicAuth(user, password)
	req.Header.Set("Content-Type", "application/json")
	return doHTTP(req, "management API")
}

// managementOf guesses where a broker has its management API when nobody says: on the broker's
// host at the usual port.
func managementOf(amqpURL string) string {
	if set := os.Getenv(managementVariable); set != "" {
		return set
	}
	uri, err := amqp.ParseURI(amqpURL)
	if err != nil {
		return ""
	}
	return "http://" + net.JoinHostPort(uri.Host, "15672")
}

// makeVhost makes a vhost of one's own: exchanges and queues in it never meet others.
func makeVhost(ctx context.Context, a address, name string) (string, error) {
	uri, err := amqp.ParseURI(a.URL)
	if err != nil {
		return "", fmt.Errorf("AMQP URL: %w", err)
	}
	u, err := url.Parse(a.URL)
	if err != nil {
		return "", fmt.Errorf("AMQP URL: %w", err)
	}
	if a.Management == "" {
		a.Management = managementOf(a.URL)
	}
	path := "/api/vhosts/" + url.PathEscape(name)
	if _, err := manage(ctx, a, http.MethodPut, path, struct{}{}); err != nil {
		return "", fmt.Errorf("make vhost %s (set %s when the management API is elsewhere): %w",
			name, managementVariable, err)
	}
	all := map[string]string{"configure": ".*", "write": ".*", "read": ".*"}
	grant := "/api/permissions/" + url.PathEscape(name) + "/" + url.PathEscape(uri.Username)
	if _, err := manage(ctx, a, http.MethodPut, grant, all); err != nil {
		err = fmt.Errorf("permissions on vhost %s: %w", name, err)
		return "", errors.Join(err, removeVhost(ctx, a, name))
	}
	u.Path, u.RawPath = "/"+name, "/"+url.PathEscape(name)
	return u.String(), nil
}

func removeVhost(ctx context.Context, a address, name string) error {
	if a.Management == "" {
		a.Management = managementOf(a.URL)
	}
	_, err := manage(ctx, a, http.MethodDelete, "/api/vhosts/"+url.PathEscape(name), nil)
	if err != nil && !errors.Is(err, errNoSuch) {
		return fmt.Errorf("remove vhost %s: %w", name, err)
	}
	return nil
}

func findRabbit() ([]string, error) {
	// Not the wrapper in Debian's /usr/sbin, which changes the user and so loses our settings.
	patterns := append([]string{
		"/usr/lib/rabbitmq/bin/rabbitmq-server",
		"/usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin/rabbitmq-server",
	}, brewed("rabbitmq", "sbin/rabbitmq-server")...)
	server, err := lookFor("rabbitmq-server", append(patterns, "rabbitmq-server")...)
	if err != nil {
		return nil, err
	}
	patterns = append([]string{
		"epmd", "/usr/lib/erlang/bin/epmd", "/usr/lib/erlang/erts-*/bin/epmd"},
		brewed("erlang", "lib/erlang/erts-*/bin/epmd")...)
	epmd, err := lookFor("epmd (Erlang's port mapper)", patterns...)
	return []string{server, epmd}, err
}

// prepareRabbit takes three ports: AMQP, management, Erlang distribution.
func prepareRabbit(ctx context.Context, n node) (*process, error) {
	return prepareWith(ctx, n, "rabbitmq_management", fmt.Sprintf(
		"[{rabbitmq_management, [{tcp_config, [{ip, \"127.0.0.1\"}, {port, %d}]}]}].\n", n.ports[1]))
}

// prepareWith makes a node with one plugin, which has its settings as Erlang terms. The ports are those
// of AMQP, the plugin, and Erlang distribution.
func prepareWith(ctx context.Context, n node, plugin, settings string) (*process, error) {
	dir, err := n.site.run.MkdirData(n.name)
	if err != nil {
		return nil, err
	}
	erlang, err := startEpmd(ctx, n.site, n.programs[1])
	if err != nil {
		return nil, err
	}
	plugins, err := configureRabbit(dir, n, erlang.cookie, plugin, settings)
	if err != nil {
		return nil, fmt.Errorf("configure %s: %w", n.name, err)
	}
	p := n.process(dir, n.programs[0])
	others := []string{"RABBITMQ_", "ERL_", "HOME=", "NOTIFY_SOCKET="}
	p.plain = environ(others, rabbitEnv(dir, n.ports, erlang.port)...)
	p.spec.Env = append(slices.Clip(p.plain), plugins...)
	return p, nil
}

// configureRabbit writes the node's files. The variables that it returns only make it start faster.
func configureRabbit(
	dir string, n node, cookie, plugin, settings string,
) (faster []string, err error) {
	// Erlang wants the cookie to be nobody else's to read, and a file left by an earlier start
	// of `lab up` cannot be written over.
	secret := filepath.Join(dir, ".erlang.cookie")
	if err := os.Remove(secret); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, file := range []struct {
		name, content string
		mode          fs.FileMode
	}{
		// As Erlang terms, and only what no variable says: it starts faster than rabbitmq.conf.
		{"advanced.config", settings, 0o644},
		{"enabled_plugins", "[" + plugin + "].\n", 0o644},
		{"rabbitmq.conf", "", 0o644},
		{".erlang.cookie", cookie, 0o400},
	} {
		path := filepath.Join(dir, file.name)
		if err := os.WriteFile(path, []byte(file.content), file.mode); err != nil {
			return nil, err
		}
	}
	return fewPlugins(n.programs[0], filepath.Join(dir, "plugins"), plugin)
}

// rabbitEnv is all that keeps a node to itself: see rabbitmq-env.conf(5) and the RabbitMQ guide
// "File and Directory Locations".
func rabbitEnv(dir string, ports []int, epmd int) []string {
	in := func(name string) string { return filepath.Join(dir, name) }
	return []string{
		"HOME=" + dir, // where the Erlang cookie lies
		"RABBITMQ_CONF_ENV_FILE=/dev/null",
		"RABBITMQ_NODENAME=lab-" + strconv.Itoa(ports[0]) + "@localhost",
		"RABBITMQ_NODE_IP_ADDRESS=127.0.0.1",
		"RABBITMQ_NODE_PORT=" + strconv.Itoa(ports[0]),
		"RABBITMQ_DIST_PORT=" + strconv.Itoa(ports[2]),
		"RABBITMQ_MNESIA_BASE=" + in("data"),
		"RABBITMQ_LOG_BASE=" + in("log"),
		"RABBITMQ_LOGS=-",
		"RABBITMQ_CONFIG_FILE=" + in("rabbitmq.conf"),
		"RABBITMQ_CONFIG_FILES=" + in("conf.d"),
		"RABBITMQ_ADVANCED_CONFIG_FILE=" + in("advanced.config"),
		"RABBITMQ_GENERATED_CONFIG_DIR=" + in("generated"),
		"RABBITMQ_ENABLED_PLUGINS_FILE=" + in("enabled_plugins"),
		"RABBITMQ_FEATURE_FLAGS_FILE=" + in("feature_flags"),
		"RABBITMQ_PID_FILE=" + in("pid"),
		"RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=-kernel inet_dist_use_interface {127,0,0,1} " +
			nativeTick,
		"ERL_EPMD_PORT=" + strconv.Itoa(epmd),
		"ERL_EPMD_ADDRESS=127.0.0.1",
		"ERL_CRASH_DUMP_SECONDS=0",
		// Some systems allow a thousand million open files, and the VM would set up room for all.
		"ERL_MAX_PORTS=65536",
		// With this set the start script becomes the VM instead of its parent, so that signals,
		// kill -9 above all, reach the VM.
		"NOTIFY_SOCKET=" + in("notify"),
	}
}

// fewPlugins makes a folder with links to a plugin, to those that it needs and to the libraries,
// and returns the variable that leads there. The server reads every plugin it finds when it
// boots, and with these alone it is up in 5 s instead of 6.5. Where the plugins do not lie beside
// the script, or not as folders, it returns nothing.
func fewPlugins(script, dir, plugin string) ([]string, error) {
	script, err := filepath.EvalSymlinks(script)
	if err != nil {
		return nil, err
	}
	all := filepath.Join(filepath.Dir(filepath.Dir(script)), "plugins")
	needed := map[string]bool{}
	if !needPlugin(all, "rabbit", needed) || !needPlugin(all, plugin, needed) {
		return nil, nil
	}
	entries, err := os.ReadDir(all)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	for _, e := range entries {
		name, _, _ := strings.Cut(e.Name(), "-")
		if strings.HasPrefix(name, pluginPrefix) && !needed[name] {
			continue
		}
		err := os.Symlink(filepath.Join(all, e.Name()), filepath.Join(dir, e.Name()))
		if err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
	}
	return []string{"RABBITMQ_PLUGINS_DIR=" + dir}, nil
}

// pluginPrefix tells plugins, of which few are needed, from the libraries beside them.
const pluginPrefix = "rabbitmq_"

// applications is the list of what an Erlang application depends on, in its .app file.
var applications = regexp.MustCompile(`\{applications,\s*\[([^\]]*)\]`)

// needPlugin adds an application and the plugins it depends on, as it says itself, so that what
// another version depends on is not left out. It reports whether all of them could be read.
func needPlugin(all, name string, needed map[string]bool) bool {
	if needed[name] {
		return true
	}
	needed[name] = true
	found, err := filepath.Glob(filepath.Join(all, name+"-*", "ebin", name+".app"))
	if err != nil || len(found) != 1 {
		return false
	}
	raw, err := os.ReadFile(found[0])
	list := applications.FindSubmatch(raw)
	if err != nil || list == nil {
		return false
	}
	for app := range strings.SplitSeq(string(list[1]), ",") {
		app = strings.Trim(app, " \t\r\n'")
		if strings.HasPrefix(app, pluginPrefix) && !needPlugin(all, app, needed) {
			return false
		}
	}
	return true
}

// erlang is what the nodes of a site share.
type erlang struct {
	epmd   *process // Erlang's port mapper
	port   int
	cookie string
}

// startEpmd starts Erlang's port mapper once. A node would otherwise start one that belongs to
// nobody, sits on the default port and outlives everything.
func startEpmd(ctx context.Context, at *site, path string) (*erlang, error) {
	at.mu.Lock()
	defer at.mu.Unlock()
	if at.closed {
		return nil, errors.New("the chain is closed")
	}
	shared, ok := at.shared[RabbitMQ].(*erlang)
	if !ok {
		shared = &erlang{cookie: rand.Text()}
		at.shared[RabbitMQ] = shared
	}
	if shared.epmd != nil && !hasEnded(shared.epmd.current()) {
		return shared, nil
	}
	for try := 1; ; try++ {
		ports, err := port.Free(1)
		if err != nil {
			return nil, err
		}
		p := &process{
			spec: child.Spec{
				Name: "epmd", Path: path, Dir: "/",
				Args:   []string{"-port", strconv.Itoa(ports[0]), "-address", "127.0.0.1"},
				Env:    environ([]string{"ERL_"}),
				Record: at.run.Children, Detached: at.detached,
			},
			log: filepath.Join(at.run.Dir(), "epmd.log"),
		}
		if err := p.Start(ctx); err != nil {
			return nil, err
		}
		err = awaitListening(ctx, p, ports[0])
		if err == nil {
			shared.epmd, shared.port = p, ports[0]
			at.helpers = append(at.helpers, p)
			return shared, nil
		}
		if try == restarts || ctx.Err() != nil {
			return nil, withLog(fmt.Errorf("start epmd: %w", err), p.Tail(ctx))
		}
	}
}
