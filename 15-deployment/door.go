package deployment

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"
	"sync"
	"time"
)

// Door is where customers come in: a reverse proxy before the replicas of the producer. It stays
// while they come and go. It is safe for concurrent use.
//
// A listener that is handed from an old process to a new one (cloudflare/tableflip) does without a
// proxy, but the new process is a child of the old one and takes over all at once: there is no
// canary, and there are no replicas.
type Door struct {
	slow time.Duration

	mu      sync.Mutex
	open    []*backend
	special string            // the version that gets a share of its own; "": each replica has the same
	percent float64           // that share
	seen    map[string]Sample // by version
	flags   map[string]bool   // see flags.go
	shown   string            // the flags that the last customer saw
	flips   int               // how often that has changed
	took    []time.Duration   // the good answers since Measure; nil when nobody measures
}

// Sample is how a version has answered since somebody began to watch it.
type Sample struct{ Answers, Bad int }

// backend is one replica behind the door.
type backend struct {
	replica    *Replica
	proxy      *httputil.ReverseProxy
	transport  *http.Transport // its connections to the replica
	credit     float64         // see choose
	inProgress int             // orders that it has not answered yet
	idle       chan struct{}
}

// NewDoor returns a door behind which there is nobody. An answer that takes longer than slow
// counts as a bad one.
func NewDoor(slow time.Duration) *Door {
	return &Door{slow: slow, seen: map[string]Sample{}}
}

// Add lets a replica take orders.
func (d *Door) Add(r *Replica) {
	target := &url.URL{Scheme: "http", Host: r.Addr}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	b := &backend{replica: r, transport: transport, proxy: &httputil.ReverseProxy{
		Transport: transport,
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Header.Set(flagsHeader, flagsOn(d.Flags())) // whatever the customer has sent
		},
		ModifyResponse: func(r *http.Response) error {
			d.noteFlags(r)
			return nil
		},
		ErrorHandler: func(w http.ResponseWriter, q *http.Request, err error) {
			slog.WarnContext(q.Context(), "a replica gave no answer", "replica", r.Name, "error", err)
			refuse(w, http.StatusBadGateway, "no answer from "+r.Name)
		},
	}}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.open = append(d.open, b)
}

// Remove gives a replica no more orders, and waits until it has answered those that it has, or
// ctx ends.
func (d *Door) Remove(ctx context.Context, r *Replica) {
	d.mu.Lock()
	i := slices.IndexFunc(d.open, func(b *backend) bool { return b.replica == r })
	if i < 0 {
		d.mu.Unlock()
		return
	}
	b := d.open[i]
	d.open = slices.Delete(d.open, i, i+1)
	b.idle = make(chan struct{})
	if b.inProgress == 0 {
		close(b.idle)
	}
	d.mu.Unlock()
	select {
	case <-b.idle:
	case <-ctx.Done():
	}
	b.transport.CloseIdleConnections() // a replica that drains would wait for one that was never used
}

// Split gives the replicas of a version so much of the orders together, in percent, and all others
// the rest. Without a version, each replica has the same.
func (d *Door) Split(version string, percent float64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.special, d.percent = version, percent
}

// Forget begins to watch anew.
func (d *Door) Forget() {
	d.mu.Lock()
	defer d.mu.Unlock()
	clear(d.seen)
}

// Seen is how a version has answered since [Door.Forget].
func (d *Door) Seen(version string) Sample {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.seen[version]
}

// Measure begins to measure how long customers wait.
func (d *Door) Measure() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.took = []time.Duration{}
}

// Measured ends it. Of a hundred customers who got an order placed since, 99 waited no longer than
// that; nothing is known where none came.
func (d *Door) Measured() (p99 time.Duration, known bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	took := d.took
	d.took = nil
	if len(took) == 0 {
		return 0, false
	}
	slices.Sort(took)
	return took[(len(took)*99+99)/100-1], true
}

// Behind is how many replicas take orders.
func (d *Door) Behind() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.open)
}

// ServeHTTP hands a request to one replica, once. To try it with another would need a key by
// which that one knows it again (05-microservices).
func (d *Door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b := d.take()
	if b == nil {
		w.Header().Set("Retry-After", "1")
		refuse(w, http.StatusServiceUnavailable, "nobody is behind the door now")
		return
	}
	began, note := time.Now(), &noted{ResponseWriter: w, status: http.StatusOK}
	// Also when the customer hangs up and the proxy panics to say so.
	defer func() { d.giveBack(b, time.Since(began), note.status >= 500) }()
	b.proxy.ServeHTTP(note, r)
}

// take chooses a replica. Each earns credit by its weight, the richest takes the order and pays
// for all: of twenty orders, a version with 5 % has exactly one (nginx's smooth weighted round
// robin).
func (d *Door) take() *backend {
	d.mu.Lock()
	defer d.mu.Unlock()
	var best *backend
	total := 0.0
	for _, b := range d.open {
		weight := d.weight(b.replica.Version)
		total += weight
		b.credit += weight
		if weight > 0 && (best == nil || b.credit > best.credit) {
			best = b
		}
	}
	if best != nil {
		best.credit -= total
		best.inProgress++
	}
	return best
}

// weight is called with the lock held.
func (d *Door) weight(version string) float64 {
	same := 0 // replicas on the same side of the split
	for _, b := range d.open {
		if (b.replica.Version == d.special) == (version == d.special) {
			same++
		}
	}
	switch {
	case d.special == "" || same == len(d.open):
		return 1
	case version == d.special:
		return d.percent / float64(same)
	default:
		return (100 - d.percent) / float64(same)
	}
}

func (d *Door) giveBack(b *backend, took time.Duration, failed bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.seen[b.replica.Version]
	s.Answers++
	if failed || took > d.slow {
		s.Bad++
	}
	if !failed && d.took != nil {
		d.took = append(d.took, took)
	}
	d.seen[b.replica.Version] = s
	b.inProgress--
	if b.inProgress == 0 && b.idle != nil {
		close(b.idle)
	}
}

// noted remembers the status of an answer.
type noted struct {
	http.ResponseWriter
	status int
}

// WriteHeader notes the status and passes it on.
func (n *noted) WriteHeader(status int) {
	n.status = status
	n.ResponseWriter.WriteHeader(status)
}

// Unwrap lets the proxy flush.
func (n *noted) Unwrap() http.ResponseWriter { return n.ResponseWriter }
