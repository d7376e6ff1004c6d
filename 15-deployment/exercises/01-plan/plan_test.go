//go:build exercise

package plan

import (
	"fmt"
	"slices"
	"testing"
)

func TestPlan(t *testing.T) {
	for _, c := range []struct {
		name string
		have []string
		want string
	}{
		{"nothing runs yet", nil, "[start v2 start v2]"},
		{"as it should be", []string{"v2", "v2"}, "[]"},
		{"one is missing", []string{"v2"}, "[start v2]"},
		{"another version", []string{"v1", "v1"}, "[start v2 start v2 end v1 end v1]"},
		{"in the middle", []string{"v1", "v2"}, "[start v2 end v1]"},
		{"too many", []string{"v2", "v2", "v2"}, "[end v2]"},
	} {
		if got := fmt.Sprint(texts(Plan("v2", 2, c.have))); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
		after := slices.Clone(c.have)
		for _, change := range Plan("v2", 2, c.have) {
			if change.Start {
				after = append(after, change.Version)
			} else if i := slices.Index(after, change.Version); i >= 0 {
				after = slices.Delete(after, i, i+1)
			}
		}
		if again := Plan("v2", 2, after); len(again) > 0 {
			t.Errorf("%s: carried out, and there is more to do: %v", c.name, texts(again))
		}
	}
}

func texts(plan []Change) (all []string) {
	for _, c := range plan {
		all = append(all, map[bool]string{true: "start ", false: "end "}[c.Start]+c.Version)
	}
	return all
}
