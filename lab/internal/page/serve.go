package page

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/subtle"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"time"

	"course.example/lab/internal/draw"
)

// firstPort is where the page is, or the next port that is free, of so many.
const firstPort, ports = 9000, 100

// tokenHeader has the run's token, without which nothing is changed.
const tokenHeader = "Lab-Token"

// maxAct bounds what one act may be, in bytes.
const maxAct = 4 << 10

//go:embed static
var static embed.FS

// About is what the page knows of the run before anything happens.
type About struct {
	Name    string   `json:"name"`
	Title   string   `json:"title"`
	Variant string   `json:"variant"`
	Doors   []string `json:"doors"`   // kinds of process that take orders
	Workers []string `json:"workers"` // the other kinds
	Middle  []string `json:"middle"`  // what lies between: the servers
	Acts    []Act    `json:"acts"`    // for everybody; those of a process stand at it
	Proxy   bool     `json:"proxy"`   // connections can be cut
}

// Act is a button, and its key.
type Act struct {
	Key  string `json:"key"`
	Act  string `json:"act"`
	Help string `json:"help"`
}

// Server serves the page of one run.
type Server struct {
	page     *Page
	about    About
	run      Run
	listener net.Listener
	token    string
}

// Listen takes an address on this machine for the page. Nobody is answered before [Server.Serve].
func Listen(ctx context.Context, page *Page, about About, run Run) (*Server, error) {
	var config net.ListenConfig
	var err error
	for port := firstPort; port < firstPort+ports; port++ {
		var listener net.Listener
		listener, err = config.Listen(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err == nil {
			return &Server{page, about, run, listener, rand.Text()}, nil
		}
	}
	return nil, fmt.Errorf("no port from %d to %d is free for the page: %w",
		firstPort, firstPort+ports-1, err)
}

// URL is where the page is. Who has it may act on the run.
func (s *Server) URL() string {
	return "http://" + s.listener.Addr().String() + "/?token=" + s.token
}

// Serve answers until ctx ends.
func (s *Server) Serve(ctx context.Context) error {
	files, err := fs.Sub(static, "static")
	if err != nil {
		return fmt.Errorf("find the page: %w", err)
	}
	go s.ticks(ctx)
	server := &http.Server{
		Handler: s.handler(files), ReadHeaderTimeout: 5 * time.Second,
		BaseContext: func(net.Listener) context.Context { return ctx },
	}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() }) // viewers have nothing to lose
	defer stop()
	if err := server.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve the page: %w", err)
	}
	return nil
}

// Finish tells the viewers how the run has ended.
func (s *Server) Finish(ctx context.Context) {
	if !s.page.watched() {
		return
	}
	f, _ := s.frame(ctx, len(s.run.History().Marks))
	f.Over = true
	if raw, err := json.Marshal(f); err == nil {
		s.page.tell(raw)
	}
	select { // so that it is sent before the server ends
	case <-time.After(2 * tick):
	case <-ctx.Done():
	}
}

// ticks tells the viewers what has happened, ten times a second, and nobody when nobody looks.
func (s *Server) ticks(ctx context.Context) {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	marked := 0
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
		if !s.page.watched() {
			continue
		}
		var f frame
		f, marked = s.frame(ctx, marked)
		raw, err := json.Marshal(f)
		if err != nil {
			slog.Warn("the page is not told", "reason", err)
			continue
		}
		s.page.tell(raw)
	}
}

func (s *Server) frame(ctx context.Context, marked int) (frame, int) {
	f := frame{At: time.Since(s.page.begun).Milliseconds(), Look: s.run.Look(ctx)}
	f.Steps, f.OneOf = s.page.take()
	f.Marks, marked = s.page.marksFrom(s.run.History(), marked)
	return f, marked
}

func (s *Server) handler(files fs.FS) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /", http.FileServerFS(files))
	mux.HandleFunc("GET /about", s.tellAbout)
	mux.HandleFunc("GET /frames", s.frames)
	mux.HandleFunc("GET /picture.svg", s.picture)
	mux.HandleFunc("POST /do", s.act(func(ctx context.Context, act string) (any, error) {
		return s.run.Do(ctx, act)
	}))
	mux.HandleFunc("POST /try", s.act(func(ctx context.Context, act string) (any, error) {
		return s.run.Try(ctx, act)
	}))
	// No other site may act on the run, nor read it by a name of its own that leads here.
	return local(http.NewCrossOriginProtection().Handler(mux))
}

// local refuses what is not asked of this machine by its name: DNS rebinding.
func local(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.Host)
		if err != nil {
			host = r.Host
		}
		if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
			http.Error(w, "this page is for this machine only: open it as 127.0.0.1",
				http.StatusForbidden)
			return
		}
		w.Header().Set("Content-Security-Policy", "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'")
		w.Header().Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

// mayAct says whether a request shows the run's token.
func (s *Server) mayAct(token string) bool {
	return subtle.ConstantTimeCompare([]byte(token), []byte(s.token)) == 1
}

func (s *Server) tellAbout(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	answer := struct {
		About
		MayAct bool `json:"mayAct"`
	}{s.about, s.mayAct(r.Header.Get(tokenHeader))}
	if err := json.NewEncoder(w).Encode(answer); err != nil {
		slog.Debug("answer not delivered", "error", err)
	}
}

// frames is the stream of what happens, as server-sent events (WHATWG HTML, section 9.2).
func (s *Server) frames(w http.ResponseWriter, r *http.Request) {
	told, leave := s.page.join()
	defer leave()
	w.Header().Set("Content-Type", "text/event-stream")
	flush := http.NewResponseController(w)
	first, _ := s.frame(r.Context(), 0)
	raw, err := json.Marshal(first)
	for message := raw; err == nil; {
		if _, err = fmt.Fprintf(w, "data: %s\n\n", message); err == nil {
			err = flush.Flush()
		}
		select {
		case message = <-told:
		case <-r.Context().Done():
			return
		}
	}
}

// act answers a request whose body is an act, with what came of it as JSON.
func (s *Server) act(do func(context.Context, string) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !s.mayAct(r.Header.Get(tokenHeader)) {
			http.Error(w, "open the page by the address that the lab has printed: it has the token "+
				"without which nobody may act on the run", http.StatusForbidden)
			return
		}
		text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxAct))
		var done any
		if err == nil {
			done, err = do(r.Context(), string(text))
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusUnprocessableEntity)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(w).Encode(done); err != nil {
			slog.Debug("answer not delivered", "error", err) // the asker has gone
		}
	}
}

// picture draws the last minutes of the run.
func (s *Server) picture(w http.ResponseWriter, _ *http.Request) {
	h := s.run.History()
	h.Events, h.Ended = s.page.recent(), time.Now()
	if len(h.Events) > 0 {
		h.Started = h.Events[0].Time
	}
	var b bytes.Buffer
	if err := draw.Run(&b, h, s.about.Name+": "+s.about.Title,
		[]string{"variant " + s.about.Variant}); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "image/svg+xml")
	w.Header().Set("Content-Disposition", `inline; filename="`+s.about.Name+`.svg"`)
	if _, err := w.Write(b.Bytes()); err != nil {
		slog.Debug("picture not delivered", "error", err)
	}
}
