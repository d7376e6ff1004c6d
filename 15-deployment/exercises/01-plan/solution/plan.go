// Package plan compares what runs with what should.
package plan

// Change is one step: a replica of a version is started or ends.
type Change struct {
	Start   bool
	Version string
}

// Plan says what has to change so that there are n replicas of version want, and no others. Have
// are the versions of the replicas that run.
func Plan(want string, n int, have []string) []Change {
	var starts, ends []Change
	right := 0
	for _, version := range have {
		if version == want && right < n {
			right++
		} else {
			ends = append(ends, Change{Version: version})
		}
	}
	for range n - right {
		starts = append(starts, Change{Start: true, Version: want})
	}
	return append(starts, ends...)
}
