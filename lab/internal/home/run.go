package home

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// tempPrefix starts the name of every folder made outside of the state folder.
const tempPrefix = "course-lab-"

// Record says whose a run folder is and how to reach its owner. It is the file lab.json.
type Record struct {
	ID      string    `json:"id"`
	Owner   Process   `json:"owner"`
	Command string    `json:"command"`
	Started time.Time `json:"started"`
	// Where names the machine or container whose process numbers Owner's is one of.
	Where string `json:"where,omitempty"`
	// Step is the step that runs ("07-rabbitmq"), empty outside of `lab run`.
	Step string `json:"step,omitempty"`
	// Control is the address `lab do` talks to, Token what it must show there.
	Control string `json:"control,omitempty"`
	Token   string `json:"token,omitempty"`
	// Extra is for whatever else commands want to tell each other.
	Extra map[string]string `json:"extra,omitempty"`
	// Temps are folders outside of the run folder that must go when it goes.
	Temps []string `json:"temps,omitempty"`
}

// Run is this process's own run folder. Its methods are safe for concurrent use.
type Run struct {
	*Children
	dir    string
	mu     sync.Mutex
	record Record
	closed bool
}

// Open makes a run folder for this process. The command ("run 07") is for people to read.
func Open(command string) (*Run, error) {
	runs, err := runsDir()
	if err != nil {
		return nil, err
	}
	owner, err := Identify(os.Getpid())
	if err != nil {
		return nil, fmt.Errorf("open a run folder: %w", err)
	}
	id := time.Now().Format("0102-150405-") + strings.ToLower(rand.Text()[:4])
	r := &Run{
		dir: filepath.Join(runs, id),
		record: Record{
			ID: id, Owner: owner, Command: command, Started: time.Now(), Where: where(),
		},
	}
	r.Children = NewChildren(filepath.Join(r.dir, "children"))
	// The folder gets its name only once it has its owner's record: a sweep that comes by in
	// between would take it for a dead one's.
	building, err := os.MkdirTemp(runs, ".new-*")
	if err != nil {
		return nil, fmt.Errorf("open a run folder: %w", err)
	}
	err = os.Chmod(building, 0o755) // servers run as another user must get through
	if err == nil {
		err = writeJSON(filepath.Join(building, "lab.json"), r.record)
	}
	if err == nil {
		err = os.Rename(building, r.dir)
	}
	if err != nil {
		return nil, fmt.Errorf("open a run folder: %w", errors.Join(err, os.RemoveAll(building)))
	}
	return r, nil
}

// OpenUp opens the folder of the servers that outlive a run, which has no owner: it is made by
// `lab up`, found again by every later command, and removed by [Run.Close] in `lab down`.
func OpenUp() (*Run, error) {
	state, err := Dir()
	if err != nil {
		return nil, err
	}
	r := &Run{dir: filepath.Join(state, "up")}
	r.Children = NewChildren(filepath.Join(r.dir, "children"))
	if err := os.MkdirAll(r.dir, 0o755); err != nil {
		return nil, fmt.Errorf("open the folder of `lab up`: %w", err)
	}
	err = readJSON(filepath.Join(r.dir, "lab.json"), &r.record)
	if errors.Is(err, fs.ErrNotExist) {
		r.record = Record{ID: "up", Command: "up", Started: time.Now(), Where: where()}
		return r, nil
	}
	if err != nil {
		return nil, fmt.Errorf("open the folder of `lab up`: %w", err)
	}
	return r, nil
}

// ID is the run's name, unique among the runs of this checkout.
func (r *Run) ID() string { return r.record.ID }

// Dir is the run's folder, an absolute path.
func (r *Run) Dir() string { return r.dir }

// Record returns a copy of the owner record as it now stands.
func (r *Run) Record() Record {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.record.clone()
}

// Update changes the owner record and writes it, all or nothing, readable by this user alone.
func (r *Run) Update(change func(*Record)) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	next := r.record.clone()
	change(&next)
	if err := writeJSON(filepath.Join(r.dir, "lab.json"), next); err != nil {
		return fmt.Errorf("write the run's record: %w", err)
	}
	r.record = next
	return nil
}

// Mkdir makes a folder with the given name in the run folder and returns its path.
func (r *Run) Mkdir(name string) (string, error) {
	dir := filepath.Join(r.dir, name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("make folder %s: %w", name, err)
	}
	return dir, nil
}

// MkdirTemp makes a folder among the temporary files, for servers that run as a user who may
// not enter the checkout, and records it so that it goes when the run goes.
func (r *Run) MkdirTemp(name string) (string, error) { return r.mkdirTemp("", name) }

// EnvData is the environment variable with the folder below which servers keep their data. Without
// it that is the folder of their run.
const EnvData = "LAB_DATA"

// MkdirData makes a folder for the data of a server.
func (r *Run) MkdirData(name string) (string, error) {
	if parent := os.Getenv(EnvData); parent != "" {
		return r.mkdirTemp(parent, name)
	}
	return r.Mkdir(name)
}

func (r *Run) mkdirTemp(parent, name string) (string, error) {
	dir, err := os.MkdirTemp(parent, tempPrefix+name+"-*")
	if err != nil {
		return "", fmt.Errorf("make temporary folder: %w", err)
	}
	if err := r.Update(func(rec *Record) { rec.Temps = append(rec.Temps, dir) }); err != nil {
		return "", errors.Join(err, os.RemoveAll(dir))
	}
	return dir, nil
}

// Close removes the run folder and the temporary folders. Children that still run are killed
// and named in the error: whoever started them should have stopped them. Safe to call twice.
func (r *Run) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil
	}
	killed, err := r.Kill()
	errs := []error{err}
	for _, p := range killed {
		errs = append(errs,
			fmt.Errorf("%s (pid %d) was still running and was killed", p.Name, p.Pid))
	}
	if err == nil {
		err = errors.Join(err, remove(r.dir, r.record))
		errs = append(errs, err)
	}
	r.closed = err == nil
	return errors.Join(errs...)
}

func (r Record) clone() Record {
	extra := make(map[string]string, len(r.Extra))
	for k, v := range r.Extra {
		extra[k] = v
	}
	r.Extra = extra
	r.Temps = append([]string(nil), r.Temps...)
	return r
}

func runsDir() (string, error) {
	state, err := Dir()
	if err != nil {
		return "", err
	}
	runs := filepath.Join(state, "runs")
	if err := os.MkdirAll(runs, 0o755); err != nil {
		return "", fmt.Errorf("make the folder of runs: %w", err)
	}
	return runs, nil
}
