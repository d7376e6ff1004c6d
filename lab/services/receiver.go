package services

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	"course.example/lab/internal/child"
	"course.example/lab/internal/home"
	"course.example/lab/internal/port"
)

// receivers are the lab's own OTLP receivers of one chain. One stands in for Jaeger and for Seq
// at the same time: it takes traces and logs, and shows them together.
type receivers struct {
	mu      sync.Mutex
	program string // empty until it is built
	all     []*receiver
}

type receiver struct {
	server  *Server
	private bool
	serves  map[Kind]bool
}

// oneReceiver returns a server for the need: one of the chain's that does not stand in for this
// kind yet, or a new one.
func oneReceiver(ctx context.Context, c *Chain, need Need) (*Server, error) {
	c.receivers.mu.Lock()
	defer c.receivers.mu.Unlock()
	for _, r := range c.receivers.all {
		if r.private == need.Private && !r.serves[need.Kind] {
			r.serves[need.Kind] = true
			s := c.newServer(need, "the same as "+r.server.Name,
				address{URL: r.server.URL, Page: r.server.Page})
			s.handshake, s.Version, s.figures = otlpHandshake, r.server.Version, r.server.figures
			return s, nil
		}
	}
	if c.receivers.program == "" {
		program, err := c.buildReceiver(ctx)
		if err != nil {
			return nil, err
		}
		c.receivers.program = program
	}
	s, err := c.startReceiver(ctx, need)
	if err != nil {
		return nil, err
	}
	r := &receiver{server: s, private: need.Private, serves: map[Kind]bool{need.Kind: true}}
	c.receivers.all = append(c.receivers.all, r)
	return s, nil
}

// buildReceiver compiles the receiver. It is a module of its own and built only when a step
// needs it, which keeps gRPC out of the lab's own compile time.
func (c *Chain) buildReceiver(ctx context.Context) (string, error) {
	root, err := home.Root()
	if err != nil {
		return "", err
	}
	compiler, err := exec.LookPath("go")
	if err != nil {
		return "", fmt.Errorf("compile the OTLP receiver: %w", err)
	}
	dir, err := c.run.Mkdir("otlp")
	if err != nil {
		return "", err
	}
	program := filepath.Join(dir, "otlp")
	if runtime.GOOS == "windows" {
		program += ".exe"
	}
	_, err = child.Run(ctx, child.Spec{
		Name: "go build ./lab/otlp", Path: compiler,
		Args: []string{"build", "-buildvcs=false", "-o", program, "."},
		Dir:  filepath.Join(root, "lab", "otlp"), Record: c.run.Children,
	})
	if err != nil {
		return "", fmt.Errorf("compile the OTLP receiver: %w", err)
	}
	return program, nil
}

func (c *Chain) startReceiver(ctx context.Context, need Need) (*Server, error) {
	ports, err := port.Free(2)
	if err != nil {
		return nil, err
	}
	url := fmt.Sprintf("http://127.0.0.1:%d", ports[0])
	s := c.newServer(need, "stand-in, private", address{URL: url, Page: url})
	s.handshake, s.Version, s.figures = otlpHandshake, "played by the lab's OTLP receiver", true
	s.inst = &process{
		spec: child.Spec{
			Name: s.Name, Path: c.receivers.program, Record: c.run.Children,
			Args: []string{"-http", "127.0.0.1:" + strconv.Itoa(ports[0]),
				"-grpc", "127.0.0.1:" + strconv.Itoa(ports[1])},
		},
		log:   filepath.Join(c.run.Dir(), s.Name+".log"),
		relay: c.opts.Relay, grace: 10 * time.Second, stopBy: (*child.Process).Terminate,
	}
	return s, c.launch(ctx, s)
}

// Figures asks the lab's own receiver what has arrived of what began at or after a moment. Other
// servers keep no such figures: the map is nil.
func (s *Server) Figures(ctx context.Context, since time.Time) (map[string]float64, error) {
	if !s.figures {
		return nil, nil
	}
	url := fmt.Sprintf("%s/api/figures?since=%d", s.URL, since.UnixNano())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, fmt.Errorf("ask %s: %w", s.Name, err)
	}
	body, err := doHTTP(req, s.Name)
	if err != nil {
		return nil, err
	}
	var figures map[string]float64
	if err := json.Unmarshal(body, &figures); err != nil {
		return nil, fmt.Errorf("what %s has received: %w", s.Name, err)
	}
	return figures, nil
}

// Pause stops the server from running without ending it, as a machine does that hangs, and
// Resume lets it run on. A server that is no process of the lab's gives
// [errors.ErrUnsupported].
func (s *Server) Pause(context.Context) error { return s.hold(true) }

// Resume lets a paused server run on.
func (s *Server) Resume(context.Context) error { return s.hold(false) }

func (s *Server) hold(on bool) error {
	return s.act("pause or resume", func() error {
		p, ok := s.inst.(*process)
		if !ok || p.current() == nil {
			return errors.ErrUnsupported
		}
		if on {
			return p.current().Pause()
		}
		return p.current().Resume()
	})
}

// lineWriter hands on what a server prints, line by line.
type lineWriter struct {
	emit    func(string)
	pending string
}

// maxLine bounds what one line may cost.
const maxLine = 64 << 10

func (w *lineWriter) Write(text []byte) (int, error) {
	w.pending += string(text)
	for {
		line, rest, ok := strings.Cut(w.pending, "\n")
		if !ok && len(w.pending) < maxLine {
			return len(text), nil
		}
		w.emit(line)
		w.pending = rest
	}
}
