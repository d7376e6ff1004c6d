// Package control lets `lab do` in one terminal act on `lab run` in another.
//
// The run listens on a loopback port of its own and writes the address and a
// token into its record, which only this user can read: another user of the
// machine can reach the port and still command nothing. A process of the run
// may act on it, too, when the manifest says so: it finds both in its environment.
package control

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"course.example/lab/internal/home"
)

const tokenHeader = "Lab-Token"

// maxAct bounds what one act may be, in bytes.
const maxAct = 4 << 10

// The variables by which a process of the run finds the lab; see manifest.Process.
const (
	envURL   = "LAB_CONTROL"
	envToken = "LAB_TOKEN"
)

// Control is the address at which a run takes acts. It is known before the run's
// processes are started, which may want to ask; who does so before [Control.Serve]
// waits until then.
type Control struct {
	listener net.Listener
	token    string
}

// Open begins to listen; [Control.Close] ends it.
func Open(ctx context.Context) (*Control, error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for lab do: %w", err)
	}
	return &Control{listener: listener, token: rand.Text()}, nil
}

// Env is what a process of the run needs to act on it.
func (c *Control) Env() map[string]string {
	return map[string]string{
		envURL: "http://" + c.listener.Addr().String() + "/do", envToken: c.token,
	}
}

// Close stops listening, which the end of Serve does, too. Safe to call twice.
func (c *Control) Close() error {
	if err := c.listener.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("stop listening for lab do: %w", err)
	}
	return nil
}

// Serve writes the address into the run's record, where `lab do` finds it, and
// carries out acts until ctx ends. It returns at once; the returned function waits
// until the last answer was given.
func (c *Control) Serve(
	ctx context.Context, run *home.Run, step string,
	do func(context.Context, string) (done string, err error),
) (wait func() error, err error) {
	err = run.Update(func(r *home.Record) {
		r.Step, r.Control, r.Token = step, c.listener.Addr().String(), c.token
	})
	if err != nil {
		return nil, err
	}
	server := &http.Server{Handler: handler(c.token, do), ReadHeaderTimeout: 5 * time.Second}
	served := make(chan error, 1)
	go func() { served <- server.Serve(c.listener) }()
	stopped := make(chan error, 1)
	go func() {
		<-ctx.Done()
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		err := server.Shutdown(grace)
		if errors.Is(err, context.DeadlineExceeded) {
			err = nil // somebody's act has not ended: cutting it off is all there is
		}
		stopped <- errors.Join(err, server.Close())
	}()
	return func() error {
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serve lab do: %w", err)
		}
		return <-stopped
	}, nil
}

func handler(
	token string, do func(context.Context, string) (string, error),
) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /do", func(w http.ResponseWriter, r *http.Request) {
		shown := []byte(r.Header.Get(tokenHeader))
		if subtle.ConstantTimeCompare(shown, []byte(token)) != 1 {
			http.Error(w, "the token is not this run's", http.StatusForbidden)
			return
		}
		act, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxAct))
		done := ""
		if err == nil {
			done, err = do(r.Context(), string(act))
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusUnprocessableEntity)
			return
		}
		if _, err := io.WriteString(w, done); err != nil {
			slog.Debug("answer not delivered", "error", err) // the asker has gone
		}
	})
	return mux
}

// Do asks the run that r records to carry out an act, and returns what was done
// when it has been.
func Do(ctx context.Context, r home.Record, act string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost,
		"http://"+r.Control+"/do", strings.NewReader(act))
	if err != nil {
		return "", fmt.Errorf("reach the run %s: %w", r.ID, err)
	}
	req.Header.Set(tokenHeader, r.Token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", fmt.Errorf("reach the run %s: %w", r.ID, err)
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	err = errors.Join(err, resp.Body.Close())
	if err != nil {
		return "", fmt.Errorf("read the answer of run %s: %w", r.ID, err)
	}
	if resp.StatusCode/100 != 2 {
		return "", errors.New(strings.TrimSpace(string(text)))
	}
	return string(text), nil
}
