package deployment

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// programs are what a version consists of, in the order in which they are replaced: whoever reads
// comes before those who write.
var programs = []string{"consumer", "producer"}

// Deployer keeps the shop's programs running and brings other versions of them in. It is a control
// loop: it reads what should run, sees what does, and does what is missing. Its methods are safe for
// concurrent use.
type Deployer struct {
	settings Settings
	wrong    variant
	pool     *pgxpool.Pool // for migrations
	door     *Door
	launcher func(program, version, name string, env []string) (*Replica, error)
	tables   func(context.Context, Release) error // brings them to what the release needs
	group    sync.WaitGroup                       // a guard for each replica
	hands    sync.Mutex                           // held by whoever starts and ends replicas
	// last ends when even those in progress must be done: DrainIn after Run was told to end.
	last context.Context
	kick chan struct{} // wakes the control loop

	mu       sync.Mutex
	file     watched // desired.yaml
	desired  Desired // what should run
	applied  Desired // what was brought about last, and held
	replicas []*Replica
	trouble  error // why it is not as desired
	figures  figures
}

// figures are what the deployer logs of itself, since its start or since a rollout began.
type figures struct {
	started          int      // replicas, for their names
	restarts         int      // replicas that ended unasked, or did not answer
	unreadable       int      // texts of desired.yaml with a mistake
	drifted          int      // changes that were found though nobody had asked for them
	drift            []string // the last of them
	lastDrift        string   // the plan that mends it; "" when it was mended
	warming, warmest int      // replicas that were started and not ready: now, and at most
	peak, memory     int      // of a rollout: replicas at a time, and their memory in MiB
}

// NewDeployer returns a deployer that uses the pool, which stays the caller's.
func NewDeployer(s Settings, pool *pgxpool.Pool) *Deployer {
	d := &Deployer{
		settings: s, wrong: variants[s.Variant], pool: pool, door: NewDoor(s.Slow),
		launcher: Launch, kick: make(chan struct{}, 1), last: context.Background(),
		file: watched{path: s.Desired},
		desired: Desired{
			Version:  s.Version,
			Replicas: map[string]int{"producer": 2, "consumer": 2},
			Settings: map[string]string{},
			Flags:    map[string]bool{Discount: false},
		},
	}
	d.tables = d.migrate
	return d
}

// Run brings up what is desired, and keeps it up until ctx ends. Then everything drains.
func (d *Deployer) Run(ctx context.Context) error {
	last, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	d.hands.Lock()
	d.last = last
	d.hands.Unlock()
	context.AfterFunc(ctx, func() { time.AfterFunc(d.settings.DrainIn, cancel) })
	defer d.end()
	if err := d.recall(); err != nil {
		return err
	}
	keep := d.keep
	if d.wrong.script {
		keep = d.script()
	}
	tick := time.NewTicker(d.settings.Look)
	defer tick.Stop()
	for {
		d.look()
		keep(ctx)
		select {
		case <-d.kick:
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// recall reads what should run and what held last, from before the deployer's own end.
func (d *Deployer) recall() error {
	desired, err := readDesired(d.settings.Desired, d.desired)
	if err != nil {
		return err
	}
	applied, err := readDesired(d.appliedPath(), Desired{})
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.desired, d.applied = desired, applied
	if _, err := os.Stat(d.settings.Desired); errors.Is(err, fs.ErrNotExist) {
		return writeDesired(d.settings.Desired, desired) // for people to edit
	}
	return nil
}

// appliedPath is where the deployer remembers what held: desired.yaml may ask for something that
// never did.
func (d *Deployer) appliedPath() string {
	if d.settings.Desired == "" {
		return ""
	}
	return filepath.Join(filepath.Dir(d.settings.Desired), "applied.yaml")
}

// look reads desired.yaml, if somebody has edited it. What cannot be read changes nothing.
func (d *Deployer) look() {
	d.mu.Lock()
	defer d.mu.Unlock()
	want, edited, err := d.file.look()
	if err != nil {
		d.figures.unreadable++
		slog.Error("what should run cannot be read: all goes on as it was",
			"error", err, "unreadable", d.figures.unreadable)
	}
	if edited && !want.equal(d.desired) {
		slog.Info("desired.yaml was edited", "version", want.Version)
		d.desired = want
	}
}

// keep does what is missing.
func (d *Deployer) keep(ctx context.Context) {
	d.hands.Lock()
	defer d.hands.Unlock()
	want, applied := d.Desired(), d.Applied()
	plan := Plan(want, d.State())
	asked := !want.equal(applied)
	if len(plan) == 0 && !asked {
		return
	}
	if asked {
		slog.Info("not as desired", "plan", fmt.Sprint(plan))
	} else {
		d.noteDrift(plan)
	}
	done, err := d.apply(ctx, applied, want)
	d.note(want, done, err)
	if err == nil {
		err = writeDesired(d.appliedPath(), d.Applied())
	}
	if err != nil && ctx.Err() == nil {
		slog.Warn("not as desired yet", "reason", err)
	}
	if err == nil {
		now := d.now()
		slog.Info("as desired", "version", done.Version, "replicas", len(d.State().Replicas),
			"restarts", now.restarts, "drift", now.drifted, "warming", now.warmest,
			"flips", d.door.Flips())
	}
}

// note remembers what was brought about instead of what was wanted, or why it was not.
func (d *Deployer) note(want, done Desired, trouble error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if done.Version != want.Version {
		d.desired.Version = done.Version // what did not hold is not desired any more
	}
	d.trouble = trouble
	if trouble == nil {
		d.applied, d.figures.lastDrift = done, ""
	}
}

// rolling says whether another version is coming in. It is called with the lock held.
func (d *Deployer) rolling() bool {
	return d.applied.Version != "" && d.desired.Version != d.applied.Version
}

// maxDrift is how many lines of drift are kept to be shown; all are in the log.
const maxDrift = 100

// noteDrift remembers what is not as desired although nobody has edited what is.
func (d *Deployer) noteDrift(plan []Change) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.figures.lastDrift == fmt.Sprint(plan) {
		return // it could not be mended yet
	}
	d.figures.lastDrift = fmt.Sprint(plan)
	lines := slices.Clone(d.figures.drift) // somebody may be reading the old ones
	for _, c := range plan {
		lines = append(lines, time.Now().Format(time.TimeOnly)+" "+c.String())
	}
	d.figures.drift = lines[max(0, len(lines)-maxDrift):]
	d.figures.drifted += len(plan)
	slog.Warn("drift: it was changed by hand, or has died", "plan", fmt.Sprint(plan),
		"drift", d.figures.drifted)
}

// apply brings about what is wanted, and returns what runs then. Another version comes in beside the
// one that held last. If that one does not run, as after a crash in the middle, it comes first: of
// the other nobody knows yet whether it can be trusted.
func (d *Deployer) apply(ctx context.Context, held, want Desired) (done Desired, err error) {
	d.door.Switch(want.Flags)
	if held.Version == "" || held.Version == want.Version {
		return want, d.install(ctx, want)
	}
	if err := d.install(ctx, held); err != nil {
		return want, err
	}
	return d.roll(ctx, held, want)
}

// install makes what is wanted the only thing that runs, with the tables that it needs.
func (d *Deployer) install(ctx context.Context, want Desired) error {
	release, err := FindRelease(want.Version)
	if err != nil {
		return err
	}
	if err := d.tables(ctx, release); err != nil {
		return err
	}
	return d.converge(ctx, want)
}

// migrate brings the tables to what the release needs, before any of its replicas starts. The old
// version must be able to go on with them.
func (d *Deployer) migrate(ctx context.Context, release Release) error {
	if err := Migrate(ctx, d.pool, release.Schema); err != nil {
		return err
	}
	if release.Schema < Expanded {
		return nil
	}
	filled, err := Backfill(ctx, d.pool, 500)
	slog.Info("tables are ready", "version", release.Name, "backfilled", filled)
	return err
}

func (d *Deployer) end() {
	d.hands.Lock()
	defer d.hands.Unlock()
	d.retireAll(d.having(func(*Replica) bool { return true }))
	d.group.Wait()
}

// Restarts is how many replicas had to be replaced.
func (d *Deployer) Restarts() int { return d.now().restarts }

func (d *Deployer) now() figures {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.figures
}

// State is what there is.
func (d *Deployer) State() State {
	state := State{Flags: d.door.Flags()}
	for _, r := range d.having(func(*Replica) bool { return true }) {
		state.Replicas = append(state.Replicas, Running{r.Program, r.Version, r.Settings, r.Name})
	}
	return state
}

// Desired is what should run.
func (d *Deployer) Desired() Desired {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.desired
}

// Applied is what was brought about last, and held.
func (d *Deployer) Applied() Desired {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.applied
}
