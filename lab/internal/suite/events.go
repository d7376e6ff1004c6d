package suite

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

// Test is what became of one test, or of one subtest.
type Test struct {
	Name   string
	Took   time.Duration
	Failed bool
	Output []string // of this test alone, without that of its subtests
}

// event is a line of go tool test2json.
type event struct {
	Action  string
	Test    string
	Elapsed float64 // seconds
	Output  string
}

// record keeps what the tests of one package say. It is safe for concurrent use.
type record struct {
	log io.Writer // all output as it was printed

	mu      sync.Mutex
	tests   []Test
	running map[string]time.Time
	output  map[string][]string // by test; "" is the package's own
}

func newRecord() *record {
	return &record{
		log: io.Discard, running: map[string]time.Time{}, output: map[string][]string{},
	}
}

// read takes events until there are no more.
func (r *record) read(events io.Reader) error {
	scan := bufio.NewScanner(events)
	scan.Buffer(nil, 4<<20)
	for scan.Scan() {
		var e event
		if err := json.Unmarshal(scan.Bytes(), &e); err != nil {
			return fmt.Errorf("read test2json: %w", err)
		}
		if err := r.add(e); err != nil {
			return err
		}
	}
	if err := scan.Err(); err != nil {
		return fmt.Errorf("read test2json: %w", err)
	}
	return nil
}

func (r *record) add(e event) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch e.Action {
	case "run", "cont":
		r.running[e.Test] = time.Now()
	case "pause":
		delete(r.running, e.Test)
	case "output":
		r.output[e.Test] = append(r.output[e.Test], strings.TrimRight(e.Output, "\n"))
		if _, err := io.WriteString(r.log, e.Output); err != nil {
			return fmt.Errorf("keep the tests' output: %w", err)
		}
	case "pass", "fail", "skip":
		if e.Test == "" {
			return nil // the package: its exit code says more
		}
		delete(r.running, e.Test)
		r.tests = append(r.tests, Test{
			Name: e.Test, Failed: e.Action == "fail", Output: r.output[e.Test],
			Took: time.Duration(e.Elapsed * float64(time.Second)),
		})
	}
	return nil
}

// now is the test that has been running for longest, of those without running subtests.
func (r *record) now() (name string, since time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for test, began := range r.running {
		hasParts := false
		for other := range r.running {
			hasParts = hasParts || strings.HasPrefix(other, test+"/")
		}
		if !hasParts && (name == "" || began.Before(since)) {
			name, since = test, began
		}
	}
	return name, since
}

// red are the tests that failed or that never ended, those that failed by themselves rather than
// by one of their subtests.
func (r *record) red() []Test {
	r.mu.Lock()
	defer r.mu.Unlock()
	var failed []Test
	for _, t := range r.tests {
		if t.Failed {
			failed = append(failed, t)
		}
	}
	for name, began := range r.running {
		failed = append(failed, Test{
			Name: name, Failed: true, Took: time.Since(began),
			Output: append(r.output[name], "it never ended"),
		})
	}
	slices.SortFunc(failed, func(a, b Test) int { return strings.Compare(a.Name, b.Name) })
	return slices.DeleteFunc(slices.Clone(failed), func(t Test) bool {
		return slices.ContainsFunc(failed, func(other Test) bool {
			return strings.HasPrefix(other.Name, t.Name+"/")
		}) && !says(t)
	})
}

// ofTest is how package testing prints what a test has said of itself.
var ofTest = regexp.MustCompile(`^\s+\S+\.go:\d+: `)

// says tells whether a test with subtests has something to say itself.
func says(t Test) bool { return slices.ContainsFunc(t.Output, ofTest.MatchString) }
