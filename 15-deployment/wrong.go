package deployment

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"os"
	"sync"
	"time"
)

// variant is a wrong way to deploy, each a small change to the right one.
type variant struct {
	notReady   bool // traffic before a replica can serve
	noDrain    bool // SIGKILL, with orders in progress
	onDatabase bool // a replica calls itself dead while the database is away
	script     bool // commands instead of a plan, see script
	atOnce     int  // replicas that start at a time; -1: all
	flags      func(*http.Request) string
}

var variants = map[string]variant{
	"": {}, "right": {},
	"stop-all":                 {}, // right code with the strategy stop-and-start, see lab.yaml
	"no-readiness":             {notReady: true},
	"no-drain":                 {noDrain: true},
	"liveness-on-the-database": {onDatabase: true},
	"script":                   {script: true},
	"thundering-start":         {atOnce: -1},
	"flag-per-process":         {flags: ownFlags(os.Getenv("DESIRED"), 2*time.Second)},
	"flag-at-start":            {flags: ownFlags(os.Getenv("DESIRED"), 0)},
}

// script is what many have instead of a control loop: the commands that were right when somebody
// wrote them down. They are run when desired.yaml was edited, and ask nobody what there is: run
// twice, there is two of everything, and what has died is not missed.
func (d *Deployer) script() (run func(context.Context)) {
	ran := "nothing yet"
	return func(ctx context.Context) {
		d.hands.Lock()
		defer d.hands.Unlock()
		d.mu.Lock()
		want, text := d.desired, d.file.seen
		d.mu.Unlock()
		if text == ran {
			return
		}
		release, err := FindRelease(want.Version)
		if err == nil {
			err = d.tables(ctx, release)
		}
		for _, c := range Plan(want, State{}) { // as if there were nothing
			if err == nil && c.Start {
				err = d.launch(ctx, c.Program, want)
			}
		}
		if err != nil { // and the next time it begins with its first line again
			slog.Error("the script has stopped half-way", "error", err)
			return
		}
		ran = text
		d.note(want, want, nil)
		slog.Info("the script has ended", "replicas", len(d.State().Replicas),
			"restarts", d.Restarts())
	}
}

// ownFlags reads desired.yaml in each process, at the first order and then every now and then, or
// never again. The processes do not look at the same time.
func ownFlags(path string, every time.Duration) func(*http.Request) string {
	var mu sync.Mutex
	var on string
	var next time.Time
	return func(*http.Request) string {
		mu.Lock()
		defer mu.Unlock()
		if time.Now().Before(next) {
			return on
		}
		next = time.Now().Add(every/2 + rand.N(every+1))
		if every == 0 {
			next = time.Now().AddDate(1, 0, 0)
		}
		want, err := readDesired(path, Desired{})
		if err != nil {
			slog.Warn("the flags cannot be read", "error", err)
			return on
		}
		on = flagsOn(want.Flags)
		return on
	}
}
