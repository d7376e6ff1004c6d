// Package judge decides which results of a grid stand.
package judge

// Judge says whether a unit is done, with which result, and which workers have told something
// else. Told has the results so far, by the names of the workers.
func Judge(told map[string]string, quorum int) (result string, done bool, wrong []string) {
	for _, r := range told { // the first one is believed
		return r, true, nil
	}
	return "", false, nil
}
