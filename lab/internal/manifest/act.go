package manifest

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Bounds of what an act may ask for.
const (
	MaxBurst  = 100_000
	MaxOrder  = 1_000
	MaxInject = 10_000
	MaxScale  = 64
)

// verbs are the acts of a timeline, and whether they break something.
var verbs = map[string]bool{
	"burst": false, "order": false, "scale": false, "start": false, "resume": false, "heal": false,
	"kill": true, "stop": true, "pause": true, "restart": true, "cut": true, "slow": true,
	"poison": true, "duplicate": true,
}

// VerbNames lists the first words of the acts there are.
func VerbNames() []string { return slices.Sorted(maps.Keys(verbs)) }

// CheckAct says what is wrong with an act of a timeline, before anything is
// started: found in the middle of a run, a slip of the pen would cost minutes.
func (s *Step) CheckAct(act string) error {
	words := strings.Fields(act)
	if len(words) == 0 {
		return errors.New("what is to be done?")
	}
	if _, ok := verbs[words[0]]; !ok {
		return fmt.Errorf("%q is no act: there are %s", words[0], strings.Join(VerbNames(), ", "))
	}
	rest := words[1:]
	var err error
	switch words[0] {
	case "burst":
		_, err = ParseNumber(rest, 1, MaxBurst)
		return err
	case "order":
		_, _, err = ParseOrder(rest)
		return err
	case "poison":
		return s.checkInject(rest, s.Inject.Poison, "poison")
	case "duplicate":
		return s.checkInject(rest, s.Inject.Duplicate, "duplicate")
	case "scale":
		if len(rest) != 2 {
			return errors.New("which kind, and how many? scale consumer 4")
		}
		if _, _, err = ParseScale(rest[1]); err != nil {
			return err
		}
		rest = rest[:1]
	case "slow":
		if rest, _, err = ParseSlow(rest); err != nil {
			return err
		}
	}
	return s.checkWho(rest)
}

func (s *Step) checkInject(words, tool []string, name string) error {
	if len(tool) == 0 {
		return fmt.Errorf("the manifest has no inject: %s: to do it with", name)
	}
	_, err := ParseNumber(words, 1, MaxInject)
	return err
}

// checkWho takes a process, a kind, every one of a kind, and a service.
func (s *Step) checkWho(words []string) error {
	if len(words) == 2 && words[0] == "every" {
		words = words[1:]
	}
	if len(words) != 1 {
		return fmt.Errorf("whom? %q is not one name", strings.Join(words, " "))
	}
	name, number, numbered := cutLast(words[0], "-")
	if numbered {
		if _, err := strconv.Atoi(number); err != nil {
			name = words[0]
		}
	}
	if _, ok := s.Process(name); ok {
		return nil
	}
	if _, ok := s.Process(words[0]); ok {
		return nil
	}
	for _, need := range s.Needs {
		if kind, _, _ := strings.Cut(need, " "); kind == name {
			return nil
		}
	}
	return fmt.Errorf("there is no process and no service %q", words[0])
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}

// ParseNumber reads the one number of an act.
func ParseNumber(words []string, low, high int) (int, error) {
	if len(words) != 1 {
		return 0, errors.New("how many? one number is wanted")
	}
	n, err := strconv.Atoi(words[0])
	if err != nil || n < low || n > high {
		return 0, fmt.Errorf("%q is no whole number from %d to %d", words[0], low, high)
	}
	return n, nil
}

// ParseScale reads how many: 4, or relative to how many are running, +1 and -1.
func ParseScale(word string) (n int, relative bool, err error) {
	if word == "" || word[0] != '+' && word[0] != '-' {
		n, err = ParseNumber([]string{word}, 0, MaxScale)
		return n, false, err
	}
	if n, err = ParseNumber([]string{word[1:]}, 1, MaxScale); err != nil {
		return 0, true, err
	}
	if word[0] == '-' {
		n = -n
	}
	return n, true, nil
}

// ParseOrder reads N EMAIL. Whether that is an address is for the shop to say.
func ParseOrder(words []string) (n int, email string, err error) {
	if len(words) != 2 {
		return 0, "", errors.New("how many, and whose? order 20 nobody@bounce.test")
	}
	n, err = ParseNumber(words[:1], 1, MaxOrder)
	return n, words[1], err
}

// Slow is how bad a connection becomes.
type Slow struct {
	Latency     time.Duration // added in each direction
	KBPerSecond int           // 0 does not limit it
}

// ParseSlow reads WHO 100ms [50KB/s] and returns the words of WHO.
func ParseSlow(words []string) (who []string, how Slow, err error) {
	if n := len(words); n > 0 {
		if rate, ok := strings.CutSuffix(words[n-1], "KB/s"); ok {
			if how.KBPerSecond, err = strconv.Atoi(rate); err != nil || how.KBPerSecond < 1 {
				return nil, how, fmt.Errorf("%q is no bandwidth: write 50KB/s", words[n-1])
			}
			words = words[:n-1]
		}
	}
	n := len(words)
	if n < 2 {
		return nil, how, errors.New("how slow? slow consumer-1 100ms")
	}
	how.Latency, err = time.ParseDuration(words[n-1])
	if err != nil || how.Latency <= 0 {
		return nil, how, fmt.Errorf("%q is no latency: write 100ms", words[n-1])
	}
	return words[:n-1], how, nil
}

// breaks says whether a timeline breaks anything.
func (t Timeline) breaks() bool {
	for _, e := range t {
		for _, act := range e.Acts {
			if verb, _, _ := strings.Cut(act, " "); verbs[verb] {
				return true
			}
		}
	}
	return false
}
