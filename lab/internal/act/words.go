package act

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"course.example/lab/internal/nearest"
)

// checkWho takes a process, a kind, every one of a kind, and a server.
func checkWho(s Step, words []string) error {
	if len(words) == 2 && words[0] == "every" {
		words = words[1:]
	}
	if len(words) != 1 {
		return fmt.Errorf("whom? %q is not one name", strings.Join(words, " "))
	}
	kind := words[0]
	if i := strings.LastIndex(kind, "-"); i >= 0 {
		if _, err := strconv.Atoi(kind[i+1:]); err == nil {
			kind = kind[:i]
		}
	}
	names := slices.Concat(s.Kinds(), s.Services())
	if slices.Contains(names, kind) || slices.Contains(s.Kinds(), words[0]) {
		return nil
	}
	return fmt.Errorf("there is no process and no service %q%s", words[0], orNearest(kind, names))
}

// orNearest asks back when one of the names is near to what was written.
func orNearest(written string, names []string) string {
	if near := nearest.To(written, names); near != "" {
		return ": did you mean " + near + "?"
	}
	return ": there are " + strings.Join(names, ", ")
}

// parseNumber reads the one number of an act.
func parseNumber(words []string, low, high int) (int, error) {
	if len(words) != 1 {
		return 0, errors.New("how many? one number is wanted")
	}
	n, err := strconv.Atoi(words[0])
	if err != nil || n < low || n > high {
		return 0, fmt.Errorf("%q is no whole number from %d to %d", words[0], low, high)
	}
	return n, nil
}
