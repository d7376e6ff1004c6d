package dashboard

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"strings"
	"time"
)

// Lab is the lab that runs this program. It kills and starts silos, because it has started them.
type Lab struct {
	url, token string
	client     *http.Client
}

// actTimeout is longer than a silo takes to drain.
const actTimeout = 30 * time.Second

// LabFromEnv returns the lab that LAB_CONTROL and LAB_TOKEN name, or nil when the program was not
// started by `lab run`, or its process does not have `control: true` in lab.yaml.
func LabFromEnv() *Lab {
	url, token := os.Getenv("LAB_CONTROL"), os.Getenv("LAB_TOKEN")
	if url == "" || token == "" {
		return nil
	}
	return &Lab{url, token, &http.Client{Timeout: actTimeout}}
}

// do asks the lab for an act, as `lab do` does, and returns what it did.
func (l *Lab) do(ctx context.Context, act string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, l.url, strings.NewReader(act))
	if err != nil {
		return "", fmt.Errorf("ask the lab to %s: %w", act, err)
	}
	req.Header.Set("Lab-Token", l.token)
	resp, err := l.client.Do(req)
	if err != nil {
		return "", fmt.Errorf("ask the lab to %s: %w", act, err)
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, 4<<10))
	if err := errors.Join(err, resp.Body.Close()); err != nil {
		return "", fmt.Errorf("read what the lab says: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		return "", errors.New(strings.TrimSpace(string(text)))
	}
	return string(text), nil
}

// register adds what the buttons call. A page on another site that the same browser shows could
// send these requests, too: nobody but our own page may, and only from this machine.
func (l *Lab) register(mux *http.ServeMux) {
	guard := http.NewCrossOriginProtection()
	handle := func(pattern string, act func(*http.Request) string) {
		mux.Handle(pattern, guard.Handler(http.HandlerFunc(
			func(w http.ResponseWriter, r *http.Request) {
				if !atHome(r) {
					refuse(w, http.StatusForbidden, "silos are killed from the lab's own machine")
					return
				}
				if name := r.PathValue("silo"); name != "" && !siloName.MatchString(name) {
					refuse(w, http.StatusNotFound, fmt.Sprintf("%q is no silo", name))
					return
				}
				done, err := l.do(r.Context(), act(r))
				if err != nil {
					refuse(w, http.StatusBadGateway, err.Error())
					return
				}
				answer(w, http.StatusOK, map[string]string{"done": done})
			})))
	}
	handle("POST /silos", func(*http.Request) string { return "scale silo +1" })
	for _, verb := range []string{"kill", "stop"} {
		handle("POST /silos/{silo}/"+verb, func(r *http.Request) string {
			return verb + " " + r.PathValue("silo")
		})
	}
}

func refuse(w http.ResponseWriter, status int, why string) {
	answer(w, status, map[string]string{"error": why})
}

// siloName is how the lab calls a silo. Nothing else is ever killed from here.
var siloName = regexp.MustCompile(`^silo(-[0-9]{1,3})?$`)

// atHome says that the request comes from this machine and was meant for it. The second guards
// against DNS rebinding: a foreign site whose name suddenly leads to 127.0.0.1 would pass for our
// own page, if its name did not stand in Host.
func atHome(r *http.Request) bool {
	from, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil || !isLoopback(from) {
		return false
	}
	to := r.Host
	if host, _, err := net.SplitHostPort(r.Host); err == nil {
		to = host
	}
	return to == "localhost" || isLoopback(strings.Trim(to, "[]"))
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
