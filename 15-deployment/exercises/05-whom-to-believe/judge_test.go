//go:build exercise

package judge

import (
	"slices"
	"testing"
)

func TestJudge(t *testing.T) {
	for _, c := range []struct {
		name   string
		told   map[string]string
		quorum int
		result string
		done   bool
		wrong  []string
	}{
		{"one result is no quorum", map[string]string{"eve": "prime"}, 2, "", false, nil},
		{"nobody has told anything", nil, 2, "", false, nil},
		{"two agree", map[string]string{"ada": "no", "alan": "no"}, 2, "no", true, nil},
		{"one against one", map[string]string{"ada": "no", "eve": "prime"}, 2, "", false, nil},
		{"two against one", map[string]string{"ada": "no", "eve": "prime", "alan": "no"}, 2,
			"no", true, []string{"eve"}},
		{"two against two others",
			map[string]string{"ada": "no", "eve": "prime", "mallory": "maybe", "alan": "no"}, 2,
			"no", true, []string{"eve", "mallory"}},
		{"two are no quorum of three", map[string]string{"bonnie": "prime", "clyde": "prime"}, 3,
			"", false, nil},
		{"one is enough if it is trusted", map[string]string{"eve": "prime"}, 1, "prime", true, nil},
	} {
		for range 20 { // a map is read in another order each time
			result, done, wrong := Judge(c.told, c.quorum)
			if result != c.result || done != c.done || !slices.Equal(wrong, c.wrong) {
				t.Errorf("%s: %q, done %v, wrong %v; want %q, %v, %v",
					c.name, result, done, wrong, c.result, c.done, c.wrong)
				break
			}
		}
	}
}
