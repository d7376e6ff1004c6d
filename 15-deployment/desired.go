package deployment

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/parser"
)

// Desired is what should run: desired.yaml.
type Desired struct {
	Version  string            `yaml:"version"`
	Replicas map[string]int    `yaml:"replicas"` // by program
	Settings map[string]string `yaml:"settings"` // of every replica, from its start on
	Flags    map[string]bool   `yaml:"flags"`    // see flags.go; one that is not named is off
}

func (w Desired) equal(other Desired) bool {
	return w.Version == other.Version && maps.Equal(w.Replicas, other.Replicas) &&
		maps.Equal(w.Settings, other.Settings) && maps.Equal(w.Flags, other.Flags)
}

// environment is what a replica gets of the settings, and by which it is known to have them.
func (w Desired) environment() []string {
	var env []string
	for _, name := range slices.Sorted(maps.Keys(w.Settings)) {
		env = append(env, name+"="+w.Settings[name])
	}
	return env
}

// State is what there is.
type State struct {
	Replicas []Running
	Flags    map[string]bool
}

// Running is a replica that runs.
type Running struct{ Program, Version, Settings, Name string }

// Change is one step from what there is to what should be: a replica starts or ends, or a flag is
// switched.
type Change struct {
	Start bool // or else it ends
	Running
	Flag string
	On   bool
}

func (c Change) String() string {
	switch {
	case c.Flag != "" && c.On:
		return "switch " + c.Flag + " on"
	case c.Flag != "":
		return "switch " + c.Flag + " off"
	case c.Start:
		return "start " + c.Program + " " + c.Version
	default:
		return "end " + c.Name
	}
}

// Plan is what has to change: nothing where everything is as desired. It asks nobody and does
// nothing, so that it can be shown before it is done, and done again after a crash.
func Plan(want Desired, have State) []Change {
	var starts, ends, switches []Change
	count := map[string]int{}
	settings := strings.Join(want.environment(), " ")
	for _, r := range have.Replicas {
		if r.Version == want.Version && r.Settings == settings &&
			count[r.Program] < want.Replicas[r.Program] {
			count[r.Program]++
		} else {
			ends = append(ends, Change{Running: r})
		}
	}
	for _, program := range slices.Sorted(maps.Keys(want.Replicas)) {
		for n := count[program]; n < want.Replicas[program]; n++ {
			starts = append(starts,
				Change{Start: true, Running: Running{Program: program, Version: want.Version}})
		}
	}
	for _, flag := range knownFlags {
		if want.Flags[flag] != have.Flags[flag] {
			switches = append(switches, Change{Flag: flag, On: want.Flags[flag]})
		}
	}
	return slices.Concat(starts, ends, switches)
}

// knownSettings are those of [ReplicaSettings] that are no secret and hang on no replica, and the
// limits of Go's runtime.
var knownSettings = []string{
	"CACHE", "CHECK", "GOMAXPROCS", "GOMEMLIMIT", "LEASE", "POLL", "TIMEOUT", "WARM_UP", "WORK", "WORKERS",
}

// maxReplicas of one program: more is a slip of the pen.
const maxReplicas = 64

func (w Desired) validate() error {
	if _, err := FindRelease(w.Version); err != nil {
		return err
	}
	for _, program := range slices.Sorted(maps.Keys(w.Replicas)) {
		if !slices.Contains(programs, program) {
			return usagef("there is no program %q: there are consumer and producer", program)
		}
	}
	for _, program := range programs {
		if n := w.Replicas[program]; n < 1 || n > maxReplicas {
			return usagef("replicas of %s must be 1 to %d, is %d", program, maxReplicas, n)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(w.Settings)) {
		if !slices.Contains(knownSettings, name) {
			return usagef("there is no setting %q for replicas; there are: %s, and no secret may "+
				"stand in this file", name, strings.Join(knownSettings, ", "))
		}
	}
	for _, flag := range slices.Sorted(maps.Keys(w.Flags)) {
		if err := checkFlag(flag); err != nil {
			return err
		}
	}
	return nil
}

func parseDesired(path string, text []byte) (Desired, error) {
	var want Desired
	err := yaml.UnmarshalWithOptions(text, &want, yaml.DisallowUnknownField())
	if slip := yaml.Error(nil); errors.As(err, &slip) && slip.GetToken() != nil {
		return Desired{}, usagef("%s:%d: %s", path, slip.GetToken().Position.Line, slip.GetMessage())
	}
	if err != nil {
		return Desired{}, usagef("%s cannot be read: %v", path, err)
	}
	if err := want.validate(); err != nil {
		return Desired{}, usagef("%s: %v", path, err)
	}
	return want, nil
}

// Edit gives one field of a desired.yaml another value, such as replicas.producer, and leaves the
// rest of the text as it is.
func Edit(text, field, value string) (string, error) {
	path, err := yaml.PathString("$." + field)
	if err != nil {
		return "", usagef("%q is no field: %v", field, err)
	}
	file, err := parser.ParseBytes([]byte(text), parser.ParseComments)
	if err != nil {
		return "", usagef("mend the file first: %s", yaml.FormatError(err, false, false))
	}
	if len(file.Docs) == 0 || file.Docs[0].Body == nil {
		return "", usagef("the file is empty")
	}
	_, err = path.FilterFile(file)
	if err = cmp.Or(err, path.ReplaceWithReader(file, strings.NewReader(value))); err != nil {
		return "", usagef("no field %s that could be changed: %v", field, err)
	}
	return file.String(), nil
}

// readDesired reads the file. Without a name, or where there is no file yet, it is otherwise.
func readDesired(path string, otherwise Desired) (Desired, error) {
	if path == "" {
		return otherwise, nil
	}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return otherwise, nil
	}
	if err != nil {
		return Desired{}, fmt.Errorf("read what should run: %w", err)
	}
	return parseDesired(path, text)
}

// writeDesired writes all of it anew.
func writeDesired(path string, want Desired) error {
	if path == "" {
		return nil
	}
	text, err := yaml.Marshal(want)
	if err != nil {
		return fmt.Errorf("write what should run: %w", err)
	}
	return ReplaceFile(path, string(text))
}

// ReplaceFile replaces the file as a whole: whoever reads it meanwhile, or after a crash, finds the old
// or the new one.
func ReplaceFile(path, text string) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".desired-*")
	if err != nil {
		return fmt.Errorf("write what should run: %w", err)
	}
	_, err = f.WriteString(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("write what should run: %w", errors.Join(err, os.Remove(f.Name())))
	}
	return nil
}

// watched is a desired.yaml that people edit while the deployer runs.
type watched struct {
	path string // "": there is none
	seen string // the text when it was last read or written
}

// look returns what the file says, if it was edited since. What is wrong with a text is said once.
func (w *watched) look() (want Desired, edited bool, err error) {
	if w.path == "" {
		return Desired{}, false, nil
	}
	text, err := os.ReadFile(w.path)
	if err != nil {
		text = []byte(err.Error()) // that it cannot be read is said once, too
	}
	if string(text) == w.seen {
		return Desired{}, false, nil
	}
	w.seen = string(text)
	if err != nil {
		return Desired{}, false, fmt.Errorf("read what should run: %w", err)
	}
	want, err = parseDesired(w.path, text)
	return want, err == nil, err
}

var errEdited = errors.New("desired.yaml was edited a moment ago: try again when it was read")

// setVersion changes the version in the file, but not in a text that the deployer has not read: what
// somebody has just asked for is not lost.
func (w *watched) setVersion(version string) error {
	if w.path == "" {
		return nil
	}
	text, err := os.ReadFile(w.path)
	if err != nil {
		return fmt.Errorf("write what should run: %w", err)
	}
	if string(text) != w.seen {
		return errEdited
	}
	edited, err := Edit(w.seen, "version", version)
	if err == nil {
		err = ReplaceFile(w.path, edited)
	}
	if err == nil {
		w.seen = edited
	}
	return err
}
