package deployment

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"course.example/shop"
)

func two(version string) Desired {
	return Desired{Version: version, Replicas: map[string]int{"consumer": 1, "producer": 2}}
}

func TestPlan(t *testing.T) {
	t.Parallel()
	v1 := []Running{{"consumer", "v1", "a"}, {"producer", "v1", "b"}, {"producer", "v1", "c"}}
	for name, c := range map[string]struct {
		want Desired
		have []Running
		plan string
	}{
		"nothing runs":     {two("v1"), nil, "[start consumer v1 start producer v1 start producer v1]"},
		"as desired":       {two("v1"), v1, "[]"},
		"one was lost":     {two("v1"), v1[:2], "[start producer v1]"},
		"one too many":     {two("v1"), append(v1, Running{"producer", "v1", "d"}), "[end d]"},
		"a stranger":       {two("v1"), append(v1, Running{"producer", "v2", "d"}), "[end d]"},
		"killed half-way":  {two("v2"), append(v1[:2:2], Running{"producer", "v2", "d"}), "[start consumer v2 start producer v2 end a end b]"},
		"another version":  {two("v2"), v1, "[start consumer v2 start producer v2 start producer v2 end a end b end c]"},
		"unknown programs": {two("v1"), append(v1, Running{"gateway", "v1", "e"}), "[end e]"},
	} {
		if got := fmt.Sprint(Plan(c.want, c.have)); got != c.plan {
			t.Errorf("%s: %s, want %s", name, got, c.plan)
		}
	}
}

// A plan may be carried out to any point, and be forgotten: what is planned then leads to the same
// end, after which there is nothing to do.
func TestPlanAfterACrash(t *testing.T) {
	t.Parallel()
	start := []Running{{"consumer", "v1", "a"}, {"producer", "v1", "b"}}
	for steps := range 6 {
		have := append([]Running(nil), start...)
		have = carryOut(have, Plan(two("v2"), have), steps)
		have = carryOut(have, Plan(two("v2"), have), 99)
		if rest := Plan(two("v2"), have); len(rest) > 0 {
			t.Errorf("after a crash at step %d there is still to do: %v", steps, rest)
		}
	}
}

func carryOut(have []Running, plan []Change, steps int) []Running {
	for i, c := range plan[:min(steps, len(plan))] {
		if c.Start {
			c.Name = fmt.Sprintf("%s-%d-%d", c.Program, len(have), i)
			have = append(have, c.Running)
			continue
		}
		for j, r := range have {
			if r == c.Running {
				have = append(have[:j:j], have[j+1:]...)
				break
			}
		}
	}
	return have
}

func TestDesiredIsKeptInAFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "desired.yaml")
	if got, err := readDesired(path, two("v1")); err != nil || got.Version != "v1" {
		t.Errorf("no file yet: %+v, %v", got, err)
	}
	for _, version := range []string{"v2", "v1"} {
		if err := writeDesired(path, two(version)); err != nil {
			t.Fatal(err)
		}
		got, err := readDesired(path, Desired{})
		if err != nil || !reflect.DeepEqual(got, two(version)) {
			t.Errorf("read %+v, %v", got, err)
		}
	}
	if left, err := filepath.Glob(filepath.Join(filepath.Dir(path), ".*")); len(left) > 0 || err != nil {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestBadDesired(t *testing.T) {
	t.Parallel()
	for text, says := range map[string]string{
		"":                      "no version",
		"version: v9":           "no version \"v9\"; there are: v1",
		"version: v1":           "replicas of consumer must be 1 to 64, is 0",
		"version: v1\nreplica:": "replica",
		"version: v1\nreplicas: {consumer: 1, producer: 65}":            "is 65",
		"version: v1\nreplicas: {consumer: 1, producer: 1, gateway: 1}": "no program \"gateway\"",
	} {
		path := filepath.Join(t.TempDir(), "desired.yaml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := readDesired(path, Desired{})
		usage := new(shop.UsageError)
		if !errors.As(err, &usage) || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: error %v, want one that says %q", text, err, says)
		}
	}
}
