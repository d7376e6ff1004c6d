package score

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"course.example/lab/internal/manifest"
)

// Protocol is the number of the way in which is measured. It changes when the figures of two
// reports cannot be compared any more.
const Protocol = 2

// Report is what one or several runs of the score have found.
type Report struct {
	Protocol  int       `json:"protocol"`
	Measured  time.Time `json:"measured"` // the newest row
	Machine   Machine   `json:"machine"`
	Quick     bool      `json:"quick"`
	Generator Generator `json:"generator"`
	Rows      []Row     `json:"rows"`
}

// Machine is where it was measured.
type Machine struct {
	System string `json:"system"`
	CPUs   int    `json:"cpus"`
	Go     string `json:"go"`
}

// ThisMachine is the machine that the lab runs on.
func ThisMachine() Machine {
	return Machine{runtime.GOOS + "/" + runtime.GOARCH, runtime.NumCPU(), runtime.Version()}
}

// Generator is what the load generator itself can do, against a handler that does
// nothing, in the same process.
type Generator struct {
	Rate     Figure  `json:"rate"` // the most requests a second that it makes in time
	Answer50 float64 `json:"answer_p50_ms"`
	Answer99 float64 `json:"answer_p99_ms"`
}

// Row is one architecture, or one variant of it.
type Row struct {
	Step      string    `json:"step"`
	Title     string    `json:"title"`
	Variant   string    `json:"variant"`
	Measured  time.Time `json:"measured"`
	Servers   []string  `json:"servers,omitempty"`
	Producer  string    `json:"producer"`
	Consumer  string    `json:"consumer"`
	Middle    string    `json:"middle,omitempty"`
	Latency   Latency   `json:"latency"`
	Sustained Sustained `json:"sustained"`
	Scale     Scale     `json:"scale"`
	Faults    []Fault   `json:"faults,omitempty"`
	Halves    []Half    `json:"halves,omitempty"` // redundancy
	Depths    []Depth   `json:"depths,omitempty"`
	// Single are the parts that have no second, each with the reason.
	Single map[string]string `json:"single,omitempty"`
	// Odd are the sentences for what is odd, by column, as the manifest has them.
	Odd map[string]string `json:"-"`
	// Problems are the measurements that could not be made, and why.
	Problems []string `json:"problems,omitempty"`
}

// Latency is how long customers and orders wait at a low rate. In milliseconds.
type Latency struct {
	Rate        float64    `json:"rate"`
	WorkMS      float64    `json:"work_ms"`
	Answer50    Figure     `json:"answer_p50"`
	Answer99    Figure     `json:"answer_p99"`
	Processed50 Figure     `json:"processed_p50"`
	Processed99 Figure     `json:"processed_p99"`
	Answers     []Quantile `json:"answers,omitempty"`
	Processed   []Quantile `json:"processed,omitempty"`
}

// Sustained is the highest rate with empty work at which no backlog grows.
type Sustained struct {
	Rate Figure `json:"rate"`
	// Answer50 is the time to an answer at half of that rate, in milliseconds.
	Answer50 Figure  `json:"answer_p50"`
	Probes   []Probe `json:"probes,omitempty"`
	// Generator says that the generator, not the step, may have been the limit.
	Generator bool `json:"generator,omitempty"`
}

// Probe is one rate that was tried.
type Probe struct {
	Rate float64 `json:"rate"`
	Held bool    `json:"held"`
	Why  string  `json:"why,omitempty"` // it did not
	P99  float64 `json:"answer_p99_ms"`
}

// Scale is the throughput with 1, 2, 4 and 8 consumers.
type Scale struct {
	WorkMS float64 `json:"work_ms"`
	Points []Point `json:"points,omitempty"`
	// Kinds are those of which so many each were measured, where it was not the
	// consumer alone; Open is how many orders were open for each, where it was not a few.
	Kinds []string `json:"kinds,omitempty"`
	Open  int      `json:"open,omitempty"`
	// Join is how long after asking for one more consumer its first order came to
	// it, in seconds; without runs where a consumer cannot be added while it runs.
	Join Figure `json:"join"`
	// Without says why there is nothing to measure.
	Without string `json:"without,omitempty"`
}

// Point is the throughput with so many consumers.
type Point struct {
	Consumers  int     `json:"consumers"`
	Rate       Figure  `json:"rate"`
	SpeedUp    float64 `json:"speed_up"`
	Efficiency float64 `json:"efficiency"`
}

// Fault is what a kill or a restart cost. Lost and duplicated are the worst of the
// runs; recovery is the longest silence, in seconds, negative for one that lasted.
type Fault struct {
	Name       string `json:"name"` // kill consumer
	Act        string `json:"act"`
	Lost       Figure `json:"lost"`
	Duplicated Figure `json:"duplicated"`
	Refused    Figure `json:"refused"`
	Recovery   Figure `json:"recovery"`
	// Waiting is how many orders waited when it happened, in the run with the fewest.
	Waiting Figure `json:"waiting"`
	// Strips are the histories of its runs.
	Strips []*Strip `json:"strips,omitempty"`
}

// Half is what became of the orders when one of several was killed for good: of those that
// customers brought after that, and of those that waited.
type Half struct {
	Kind      string `json:"kind"`
	Servers   int    `json:"servers,omitempty"` // of a cluster, where it is not one of two processes
	Seconds   int    `json:"seconds"`
	Answered  Figure `json:"answered"`  // percent
	Processed Figure `json:"processed"` // percent
	Waiting   Figure `json:"waiting"`   // when it was killed
	Lost      Figure `json:"lost"`
	Strip     *Strip `json:"strip,omitempty"`
}

// Depth is rate and latency with so many orders waiting: processed a second, and
// milliseconds to an answer.
type Depth struct {
	Waiting  int    `json:"waiting"`
	Rate     Figure `json:"rate"`
	Answer99 Figure `json:"answer_p99"`
}

// Name is the row's name in the tables.
func (r Row) Name() string {
	if r.Variant == "right" {
		return r.Step
	}
	return r.Step + " " + r.Variant
}

// Fault returns the fault of that name.
func (r Row) Fault(name string) (Fault, bool) {
	i := slices.IndexFunc(r.Faults, func(f Fault) bool { return f.Name == name })
	if i < 0 {
		return Fault{}, false
	}
	return r.Faults[i], true
}

// Row returns the row of a step's right variant.
func (r *Report) Row(step string) (Row, bool) {
	i := slices.IndexFunc(r.Rows, func(row Row) bool {
		return row.Step == step && row.Variant == manifest.Right
	})
	if i < 0 {
		return Row{}, false
	}
	return r.Rows[i], true
}

// Put takes a row in, in the place of an older one of the same variant.
func (r *Report) Put(row Row) {
	i := slices.IndexFunc(r.Rows, func(o Row) bool {
		return o.Step == row.Step && o.Variant == row.Variant
	})
	if i >= 0 {
		r.Rows[i] = row
	} else {
		r.Rows = append(r.Rows, row)
	}
	slices.SortStableFunc(r.Rows, func(a, b Row) int { return strings.Compare(a.Step, b.Step) })
	if row.Measured.After(r.Measured) {
		r.Measured = row.Measured
	}
}

// Load reads a report.
func Load(path string) (*Report, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the score: %w", err)
	}
	var r Report
	if err := json.Unmarshal(raw, &r); err != nil {
		return nil, fmt.Errorf("read the score: %s is not one: %w", path, err)
	}
	return &r, nil
}

// Save writes a report.
func (r *Report) Save(path string) error {
	raw, err := json.MarshalIndent(r, "", " ")
	if err == nil {
		err = os.MkdirAll(filepath.Dir(path), 0o755)
	}
	if err == nil {
		err = os.WriteFile(path, append(raw, '\n'), 0o644)
	}
	if err != nil {
		return fmt.Errorf("write the score: %w", err)
	}
	return nil
}

// Newest is the newest report of a folder: its name is its date.
func Newest(dir string) (string, error) {
	found, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil {
		return "", fmt.Errorf("look for scores: %w", err)
	}
	if len(found) == 0 {
		return "", fmt.Errorf("there is no score in %s", dir)
	}
	slices.Sort(found)
	return found[len(found)-1], nil
}
