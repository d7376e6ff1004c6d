// Package manifest reads lab.yaml, the page on which a step tells the lab what
// it needs, which processes it has, which variants, and which experiments break
// it. It is all that the lab knows of a step.
package manifest

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"sort"
	"strings"
	"time"

	"course.example/lab/internal/nearest"
)

// FileName is the manifest's name in a step's folder.
const FileName = "lab.yaml"

// Right is the variant that keeps its promises: the default.
const Right = "right"

// Step is one step's manifest.
type Step struct {
	Dir    string `yaml:"-"` // the step's folder, absolute
	Name   string `yaml:"-"` // its name: 07-rabbitmq, or 12-actors/mailbox for a part of a step
	Number string `yaml:"-"` // its first two digits: 07

	Title     string     `yaml:"title" jsonschema:"required"`
	Needs     []string   `yaml:"needs"`
	Processes []Process  `yaml:"processes" jsonschema:"required"`
	Run       Load       `yaml:"run"`
	Variants  []Variant  `yaml:"variants"`
	Inject    Injections `yaml:"inject"`
	// Gauges are attributes of log lines whose highest value experiments may judge:
	// what each is, by its name. One that no process logs in a run is unknown.
	Gauges map[string]string `yaml:"gauges"`
	// Hints are what a reader may try while the step runs. The address of a process is not the
	// same in every run: {{url "website"}}.
	Hints   []string `yaml:"hints"`
	Waiting *Waiting `yaml:"waiting"`
	Audit   *Audit   `yaml:"audit"`
	// Settle is how long nothing may happen, while nothing waits, before a run is over. What is
	// still open then is lost. It must be longer than the step's longest pause that nobody can
	// be asked about, such as that before a retry. Default: 500ms with waiting, 2s without.
	Settle Duration `yaml:"settle"`
	Score  *Score   `yaml:"score"`
	// Elsewhere is the folder of a module with a program ./engine, which runs the step on the engine
	// that it is told by -on: `lab run 15 -on kubernetes`.
	Elsewhere   string       `yaml:"elsewhere"`
	Experiments []Experiment `yaml:"experiments"`
}

// Process is a kind of process, of which several may run.
type Process struct {
	Name    string            `yaml:"name" jsonschema:"required"`
	Package string            `yaml:"package"` // within the step, default ./NAME
	Args    []string          `yaml:"args"`
	Env     map[string]string `yaml:"env"`   // values may name other processes: [Places]
	Count   int               `yaml:"count"` // how many at the start, default 1
	// UpTo is for how many processes of an HTTP kind addresses are set aside, so
	// that others know them before they are started; see [Places].
	UpTo int `yaml:"up-to"`
	// Spare says that none is started at the start: an experiment brings it in
	// with scale. It is how two versions of a program stand in one manifest.
	Spare bool `yaml:"spare"`
	// HTTP says that it serves: it gets an ADDR and is ready when /healthz
	// says so. Without, it is ready when it logs "ready".
	HTTP bool `yaml:"http"`
	// Orders says that customers place their orders here. Without it on any
	// process, the first with HTTP takes them.
	Orders bool `yaml:"orders"`
	// Control says that this process may act on the run it is part of, as `lab
	// do` does: a page with buttons for people. Under `lab run` it gets
	// LAB_CONTROL, a URL to POST acts to, and LAB_TOKEN, which it must show as
	// the header Lab-Token. An experiment gives it neither: nobody is watching.
	Control bool `yaml:"control"`
	// Deploys says that this process brings in other versions of the shop: the act `deploy v2`
	// POSTs /deploy?version=v2 to it, and a status of 2xx says that it has begun.
	Deploys bool `yaml:"deploys"`
	// InFlight is how many orders one process may hold that it has not
	// answered for: a prefetch, a batch. It bounds what a kill may duplicate.
	InFlight int `yaml:"in-flight"`
	// Once says that this is a program which takes no orders: it prints for
	// people and ends. It must be the step's only process. `run` shows what it
	// prints; servers that it needs are there before it. Experiments judge how it ends and what it prints.
	Once bool `yaml:"once"`
}

// Load is what customers do, and how long an order takes.
type Load struct {
	Rate  float64 `yaml:"rate"`  // orders a second
	Count int     `yaml:"count"` // orders at once, at the start
	// Crowd is how many orders a second come besides, until the first entry of the
	// timeline: what is broken then meets orders that wait.
	Crowd float64  `yaml:"crowd"`
	For   Duration `yaml:"for"`
	// Work is the time that processing one order takes; nil leaves it to the step.
	Work *Duration `yaml:"work"`
	// Patience is how long a customer of an experiment waits for the answer to
	// a request for one order. Without it, 15 seconds.
	Patience Duration `yaml:"patience"`
}

// WorkTime is the time that processing one order takes, nil when that is left to
// the step.
func (l Load) WorkTime() *time.Duration { return (*time.Duration)(l.Work) }

// Variant is a way to run the step: the right one or one that fails.
type Variant struct {
	Name  string            `yaml:"name" jsonschema:"required"`
	About string            `yaml:"about"`
	Env   map[string]string `yaml:"env"`
	// Needs are the servers in place of the step's, of the same kinds.
	Needs []string `yaml:"needs"`
	// Programs are packages that run in place of those of the processes, by the
	// name of the process: the code of a slide instead of the step's.
	Programs map[string]string `yaml:"programs"`
	// Lacks are the settings that this variant's programs do not read, and the gauges that
	// they do not log. An experiment that sets one of the settings says nothing of it, and is
	// left out; what is promised of such a gauge is not asked of it.
	Lacks []string `yaml:"lacks"`
	// NoBook says that these programs do not keep the step's book: their runs go by
	// the log alone.
	NoBook bool `yaml:"no-book"`
	// Breaks are the experiments of the right variant that this one does not
	// survive, by their names: `lab break -variant` carries out all of the right variant's
	// with this one, and these must fail.
	Breaks map[string]Break `yaml:"breaks"`
}

// Break is how a variant fails in an experiment that the right one survives.
type Break struct {
	// Shows is what must be seen.
	Shows Conditions `yaml:"shows" jsonschema:"required"`
	// Idea is what the right variant does otherwise, in a few words.
	Idea string `yaml:"idea" jsonschema:"required"`
}

// Experiment is one way to break the step, and what must come of it.
type Experiment struct {
	Name    string `yaml:"name" jsonschema:"required"`
	About   string `yaml:"about"`
	Variant string `yaml:"variant"`
	// Long says that it takes too long for `make test`: only `lab break`, the nightly workflow and
	// `make soak` carry it out.
	Long bool `yaml:"long"`
	// Soak says that it tries what grows with the orders, and takes minutes: only `make soak` and
	// `lab break -only` carry it out. Its programs log heap_mb and goroutines as they end.
	Soak  bool              `yaml:"soak"`
	Load  Load              `yaml:"load"`
	Scale map[string]int    `yaml:"scale"`
	Env   map[string]string `yaml:"env"`
	// Needs are the servers in place of the variant's, of the same kinds.
	Needs  []string `yaml:"needs"`
	Faults Timeline `yaml:"faults"`
	// Settle is that of the step, for this experiment alone.
	Settle Duration `yaml:"settle"`
	// Limit is how long what waits may stand still: then the run ends all the same, and
	// what is open is lost. Default 10s. Of a program that runs once it is how long it may
	// take before it is killed, and counts as one that never ends. Default 30s.
	Limit Duration `yaml:"limit"`
	// Promises are the conditions that must hold. Those of a right variant promise
	// lost 0, failed 0, ghosts 0, contradictions 0 and reused 0 besides, unless they
	// say something else of that figure.
	Promises Conditions `yaml:"promises"`
	// Shows is what a wrong variant must show. Without it the wrong would
	// have been right all the time.
	Shows Conditions `yaml:"shows"`
}

// Duration is a time.Duration written as Go writes it: 250ms, 2s.
type Duration time.Duration

// Std is the duration as the standard library has it.
func (d Duration) Std() time.Duration { return time.Duration(d) }

var stepName = regexp.MustCompile(`^[0-9]{2}-[a-z0-9-]+$`)

// Find lists the steps below root that have a manifest, in order.
func Find(root string) ([]string, error) {
	entries, err := os.ReadDir(root)
	if err != nil {
		return nil, fmt.Errorf("look for steps: %w", err)
	}
	var names []string
	for _, e := range entries {
		if !e.IsDir() || !stepName.MatchString(e.Name()) {
			continue
		}
		if _, err := os.Stat(filepath.Join(root, e.Name(), FileName)); err == nil {
			names = append(names, e.Name())
		}
	}
	sort.Strings(names)
	return names, nil
}

// LoadStep reads the manifest of the step that arg names: 7, 07 or 07-rabbitmq. A step may have
// parts, which are folders of its own with a manifest of their own: 12/mailbox.
func LoadStep(root, arg string) (*Step, error) {
	names, err := Find(root)
	if err != nil {
		return nil, err
	}
	want, part, hasPart := strings.Cut(strings.TrimSuffix(filepath.ToSlash(arg), "/"), "/")
	if len(want) == 1 {
		want = "0" + want
	}
	i := slices.IndexFunc(names, func(n string) bool {
		return n == want || strings.HasPrefix(n, want+"-")
	})
	if want == "" || i < 0 {
		if near := nearest.To(want, names); near != "" {
			return nil, fmt.Errorf("there is no step %q: did you mean %s?", arg, near)
		}
		return nil, fmt.Errorf("there is no step %q: the steps are %s",
			arg, strings.Join(names, ", "))
	}
	dir := filepath.Join(root, names[i])
	if !hasPart {
		return Read(dir)
	}
	parts, err := Parts(dir)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(parts, part) {
		if near := nearest.To(part, parts); near != "" {
			return nil, fmt.Errorf("%s has no part %q: did you mean %s?", names[i], part, near)
		}
		return nil, fmt.Errorf("%s has no part %q: its parts are %s",
			names[i], part, strings.Join(append(parts, "none")[:max(1, len(parts))], ", "))
	}
	return Read(filepath.Join(dir, part))
}

// Parts lists the folders of a step that have a manifest of their own, in order.
func Parts(dir string) ([]string, error) {
	found, err := filepath.Glob(filepath.Join(dir, "*", FileName))
	if err != nil {
		return nil, fmt.Errorf("look for parts: %w", err)
	}
	parts := make([]string, len(found))
	for i, path := range found {
		parts[i] = filepath.Base(filepath.Dir(path))
	}
	return parts, nil
}

// Read reads and checks the manifest in a step's folder.
func Read(dir string) (*Step, error) {
	path := filepath.Join(dir, FileName)
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s has no %s", dir, FileName)
	}
	if err != nil {
		return nil, fmt.Errorf("read manifest: %w", err)
	}
	step := &Step{Dir: dir, Name: filepath.Base(dir)}
	src, err := readYAML(raw, step)
	if err != nil {
		return nil, src.explain(shown(path), err)
	}
	if whole := filepath.Base(filepath.Dir(dir)); stepName.MatchString(whole) {
		step.Name = whole + "/" + step.Name
	}
	step.Number, _, _ = strings.Cut(step.Name, "-")
	if err := step.check(src); err != nil {
		return nil, src.explain(shown(path), err)
	}
	return step, nil
}

// shown is a path as a reader would type it: from here, where that is not further away.
func shown(path string) string {
	here, err := os.Getwd()
	if err != nil {
		return path
	}
	short, err := filepath.Rel(here, path)
	if err != nil || strings.HasPrefix(short, "..") {
		return path
	}
	return short
}

func (s *Step) fill() {
	for i := range s.Processes {
		p := &s.Processes[i]
		if p.Package == "" {
			p.Package = "./" + p.Name
		}
		if p.Count == 0 && !p.Spare {
			p.Count = 1
		}
	}
	if !slices.ContainsFunc(s.Processes, func(p Process) bool { return p.Orders }) {
		for i := range s.Processes {
			if s.Processes[i].HTTP {
				s.Processes[i].Orders = true
				break
			}
		}
	}
	if s.Run.Rate == 0 {
		s.Run.Rate = 2
	}
	for i := range s.Experiments {
		e := &s.Experiments[i]
		if e.Variant == "" {
			e.Variant = Right
		}
		if _, once := s.Once(); once {
			if e.Limit == 0 {
				e.Limit = Duration(30 * time.Second)
			}
		}
	}
	if _, once := s.Once(); !once {
		s.fillSettle()
	}
}

// Root is the folder in which the step's folder lies: the root of the checkout.
func (s *Step) Root() string {
	if strings.Contains(s.Name, "/") {
		return filepath.Dir(filepath.Dir(s.Dir))
	}
	return filepath.Dir(s.Dir)
}

// Once returns the step's process when it is a program that runs once.
func (s *Step) Once() (Process, bool) {
	for _, p := range s.Processes {
		if p.Once {
			return p, true
		}
	}
	return Process{}, false
}

// Process returns the kind of process with that name.
func (s *Step) Process(name string) (Process, bool) {
	i := slices.IndexFunc(s.Processes, func(p Process) bool { return p.Name == name })
	if i < 0 {
		return Process{}, false
	}
	return s.Processes[i], true
}

// Variant returns the variant with that name; "" is [Right].
func (s *Step) Variant(name string) (Variant, error) {
	if name == "" {
		name = Right
	}
	names := []string{}
	for _, v := range s.Variants {
		if v.Name == name {
			return v, nil
		}
		names = append(names, v.Name)
	}
	if name == Right {
		return Variant{Name: Right}, nil
	}
	return Variant{}, fmt.Errorf("there is no variant %q%s", name, didYouMean(name, names))
}

// ServersOf are what an experiment needs, in the form of Needs.
func (s *Step) ServersOf(e Experiment) ([]string, error) {
	v, err := s.Variant(e.Variant)
	switch {
	case len(e.Needs) > 0:
		return e.Needs, err
	case len(v.Needs) > 0:
		return v.Needs, err
	}
	return s.Needs, err
}

// Experiment returns the experiment with that name.
func (s *Step) Experiment(name string) (Experiment, error) {
	names := []string{}
	for _, e := range s.Experiments {
		if e.Name == name {
			return e, nil
		}
		names = append(names, e.Name)
	}
	return Experiment{}, fmt.Errorf("there is no experiment %q%s", name, didYouMean(name, names))
}
