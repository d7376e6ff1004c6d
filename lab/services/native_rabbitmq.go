package services

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"course.example/lab/internal/child"
	"course.example/lab/internal/port"
)

type rabbitNative struct{}

// epmdName is the record's name for Erlang's port mapper.
const epmdName = "epmd"

func (rabbitNative) ports() int { return 3 } // AMQP, management, Erlang distribution

func (rabbitNative) find() (map[string]string, error) {
	if runtime.GOOS == "windows" {
		return nil, noNativeOn("RabbitMQ")
	}
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
	if err != nil {
		return nil, err
	}
	return map[string]string{"rabbitmq-server": server, "epmd": epmd}, nil
}

func (n rabbitNative) prepare(
	ctx context.Context, at *site, name string, ports []int,
) (*process, error) {
	programs, err := n.find()
	if err != nil {
		return nil, err
	}
	dir, err := at.run.Mkdir(name)
	if err != nil {
		return nil, err
	}
	if err := at.startEpmd(ctx, programs["epmd"]); err != nil {
		return nil, err
	}
	files := map[string]string{
		// As Erlang terms, and only what no variable says: it starts faster than rabbitmq.conf.
		"advanced.config": fmt.Sprintf("[{rabbitmq_management, [{tcp_config, "+
			"[{ip, \"127.0.0.1\"}, {port, %d}]}]}].\n", ports[1]),
		"enabled_plugins": "[rabbitmq_management].\n",
		"rabbitmq.conf":   "",
	}
	for file, content := range files {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(content), 0o644); err != nil {
			return nil, fmt.Errorf("configure %s: %w", name, err)
		}
	}
	// Erlang wants the cookie to be nobody else's to read, and a file left by an earlier start
	// of `lab up` cannot be written over.
	cookie := filepath.Join(dir, ".erlang.cookie")
	if err := os.Remove(cookie); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("configure %s: %w", name, err)
	}
	if err := os.WriteFile(cookie, []byte(at.cookie), 0o400); err != nil {
		return nil, fmt.Errorf("configure %s: %w", name, err)
	}
	plugins, err := fewPlugins(programs["rabbitmq-server"], filepath.Join(dir, "plugins"))
	if err != nil {
		return nil, fmt.Errorf("configure %s: %w", name, err)
	}
	others := []string{"RABBITMQ_", "ERL_", "HOME=", "NOTIFY_SOCKET="}
	plain := environ(others, at.rabbitEnv(dir, ports)...)
	return &process{
		plain: plain,
		spec: child.Spec{
			Name: name, Path: programs["rabbitmq-server"], Dir: dir,
			Env:    append(slices.Clip(plain), plugins...),
			Record: at.run.Children, Detached: at.detached,
		},
		log: filepath.Join(at.run.Dir(), name+".log"), dirs: []string{dir},
		// A clean stop takes 6 s, nearly all of it the management plugin's.
		grace: time.Minute, stopBy: (*child.Process).Terminate,
	}, nil
}

// rabbitEnv is all that keeps a node to itself: see rabbitmq-env.conf(5) and the RabbitMQ guide
// "File and Directory Locations".
func (at *site) rabbitEnv(dir string, ports []int) []string {
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
		"RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=-kernel inet_dist_use_interface {127,0,0,1}",
		"ERL_EPMD_PORT=" + strconv.Itoa(at.port),
		"ERL_EPMD_ADDRESS=127.0.0.1",
		"ERL_CRASH_DUMP_SECONDS=0",
		// Some systems allow a thousand million open files, and the VM would set up room for all.
		"ERL_MAX_PORTS=65536",
		// With this set the start script becomes the VM instead of its parent, so that signals,
		// kill -9 above all, reach the VM.
		"NOTIFY_SOCKET=" + in("notify"),
	}
}

// fewPlugins makes a folder with links to the plugins that management needs and to the libraries,
// and returns the variable that leads there. The server reads every plugin it finds when it
// boots, and with these alone it is up in 5 s instead of 6.5. Where the plugins do not lie beside
// the script, or not as folders, it returns nothing.
func fewPlugins(script, dir string) ([]string, error) {
	script, err := filepath.EvalSymlinks(script)
	if err != nil {
		return nil, err
	}
	all := filepath.Join(filepath.Dir(filepath.Dir(script)), "plugins")
	needed := map[string]bool{}
	if !needPlugin(all, "rabbit", needed) || !needPlugin(all, "rabbitmq_management", needed) {
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

// startEpmd starts Erlang's port mapper once. A node would otherwise start one that belongs to
// nobody, sits on the default port and outlives everything.
func (at *site) startEpmd(ctx context.Context, path string) error {
	at.mu.Lock()
	defer at.mu.Unlock()
	if at.closed {
		return errors.New("the chain is closed")
	}
	if at.epmd != nil && !hasEnded(at.epmd.current()) {
		return nil
	}
	if at.cookie == "" {
		at.cookie = rand.Text()
	}
	for try := 1; ; try++ {
		ports, err := port.Free(1)
		if err != nil {
			return err
		}
		p := &process{
			spec: child.Spec{
				Name: epmdName, Path: path, Dir: "/",
				Args:   []string{"-port", strconv.Itoa(ports[0]), "-address", "127.0.0.1"},
				Env:    environ([]string{"ERL_"}),
				Record: at.run.Children, Detached: at.detached,
			},
			log: filepath.Join(at.run.Dir(), "epmd.log"),
		}
		if err := p.start(ctx); err != nil {
			return err
		}
		err = awaitListening(ctx, p, ports[0])
		if err == nil {
			at.epmd, at.port = p, ports[0]
			return nil
		}
		if try == restarts || ctx.Err() != nil {
			return withLog(fmt.Errorf("start epmd: %w", err), p.tail(ctx))
		}
	}
}
