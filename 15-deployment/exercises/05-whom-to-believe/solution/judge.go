// Package judge decides which results of a grid stand.
package judge

import "slices"

// Judge says whether a unit is done, with which result, and which workers have told something
// else. Told has the results so far, by the names of the workers.
func Judge(told map[string]string, quorum int) (result string, done bool, wrong []string) {
	count := map[string]int{}
	for _, r := range told {
		count[r]++
		if count[r] >= quorum {
			result, done = r, true
		}
	}
	if !done {
		return "", false, nil
	}
	for worker, r := range told {
		if r != result {
			wrong = append(wrong, worker)
		}
	}
	slices.Sort(wrong)
	return result, true, wrong
}
