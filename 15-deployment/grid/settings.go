package grid

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"course.example/shop"
)

// maxFrom bounds where to begin. Who wants to go further takes a faster library: GIMPS
// multiplies with fast Fourier transforms.
const maxFrom = 100_000

// CoordinatorSettings are those of a coordinator.
type CoordinatorSettings struct {
	Addr    string
	Journal string // a file
	Rules   Rules
}

// ParseCoordinator reads flags and environment of the coordinator.
func ParseCoordinator(args []string) (s CoordinatorSettings, err error) {
	rules := &s.Rules
	f := shop.NewFlags("coordinator")
	f.StringVar(&s.Addr, "addr", "127.0.0.1:8080", "`address` to listen at")
	f.Env("addr", "ADDR")
	f.StringVar(&s.Journal, "journal", "grid.journal", "`file` with all units and results")
	f.Env("journal", "JOURNAL")
	f.DurationVar(&rules.Lease, "lease", 2*time.Second, "after which a unit is given to another")
	f.Env("lease", "LEASE")
	f.IntVar(&rules.Quorum, "quorum", 2, "so many different workers must have found the same")
	f.Env("quorum", "QUORUM")
	f.IntVar(&rules.From, "from", 500, "the exponents are the primes above it")
	f.Env("from", "FROM")
	variant := f.String("variant", "right", "one of "+variantNames())
	f.Env("variant", "VARIANT")
	if err := f.Parse(args); err != nil {
		return s, err
	}
	wrong, known := variants[*variant]
	switch {
	case !known:
		return s, usagef("there is no variant %q: there are %s", *variant, variantNames())
	case rules.Lease < time.Millisecond || rules.Lease > forever:
		return s, usagef("-lease %v: want 1ms to %v", rules.Lease, forever)
	case rules.Quorum < 1 || rules.Quorum > 100:
		return s, usagef("-quorum %d: want 1 to 100", rules.Quorum)
	case rules.From < 2 || rules.From > maxFrom:
		return s, usagef("-from %d: want 2 to %d", rules.From, maxFrom)
	}
	wrong(rules)
	return s, nil
}

// ParseWorker reads flags and environment of a worker.
func ParseWorker(args []string) (*Worker, error) {
	w := &Worker{HTTP: &http.Client{}}
	f := shop.NewFlags("worker")
	f.StringVar(&w.Name, "name", "", "which no other worker has; by default one of its own")
	f.Env("name", "PROCESS")
	f.StringVar(&w.URL, "coordinator", "http://127.0.0.1:8080", "`address` of the coordinator")
	f.Env("coordinator", "COORDINATOR_URL")
	f.DurationVar(&w.Work, "work", 100*time.Millisecond, "how much longer a unit takes than here")
	f.Env("work", "WORK")
	f.DurationVar(&w.Poll, "poll", 50*time.Millisecond, "between two questions for work")
	f.Env("poll", "POLL")
	f.BoolVar(&w.Cheat, "cheat", false, "tell results without computing")
	if err := f.Parse(args); err != nil {
		return nil, err
	}
	if w.Name == "" {
		w.Name = defaultName()
	}
	w.URL = strings.TrimSuffix(w.URL, "/")
	address, err := url.Parse(w.URL)
	switch {
	case err != nil || address.Host == "":
		return nil, usagef("-coordinator %q is no address: want http://host:port", w.URL)
	case len(w.Name) > maxName:
		return nil, usagef("-name %.80q is longer than %d bytes", w.Name, maxName)
	case w.Work < 0 || w.Poll < time.Millisecond:
		return nil, usagef("-work %v -poll %v: want 0 or more, and 1ms or more", w.Work, w.Poll)
	}
	return w, nil
}

// defaultName differs between any two processes of any two machines.
func defaultName() string {
	host, err := os.Hostname()
	if err != nil {
		host = "worker"
	}
	return fmt.Sprintf("%.40s-%d", host, os.Getpid())
}

func usagef(format string, args ...any) error {
	return &shop.UsageError{Problem: fmt.Sprintf(format, args...)}
}
