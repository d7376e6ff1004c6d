package manifest

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
)

// Timeline is when which fault is to happen, counted from the first order:
//
//	at 2s: kill consumer-1
//	at 3s..5s: restart rabbitmq          at a random moment between the two
//	every 1s: kill consumer              again and again while the load lasts
//	every 1s..3s: [kill consumer, start consumer]
//
// Its clock stands still while the lab is busy with an act, such as the restart
// of a broker.
type Timeline []Entry

// Entry is one line of a timeline.
type Entry struct {
	From, To time.Duration // equal when the moment is not random
	Every    bool
	Acts     []string
}

// Moment is one act at one time of one run.
type Moment struct {
	At  time.Duration
	Act string
}

// UnmarshalYAML reads a timeline.
func (t *Timeline) UnmarshalYAML(raw []byte) error {
	var lines yaml.MapSlice
	if err := yaml.UnmarshalWithOptions(raw, &lines, yaml.UseOrderedMap()); err != nil {
		return fmt.Errorf("faults: %w", err)
	}
	for _, line := range lines {
		entry, err := parseEntry(fmt.Sprint(line.Key), line.Value)
		if err != nil {
			return err
		}
		*t = append(*t, entry)
	}
	return nil
}

func parseEntry(when string, what any) (Entry, error) {
	var e Entry
	word, times, _ := strings.Cut(strings.TrimSpace(when), " ")
	switch word {
	case "at":
	case "every":
		e.Every = true
	default:
		return e, fmt.Errorf("faults: %q must begin with at or every", when)
	}
	from, to, random := strings.Cut(strings.TrimSpace(times), "..")
	if !random {
		to = from
	}
	var err error
	if e.From, err = time.ParseDuration(from); err == nil {
		e.To, err = time.ParseDuration(to)
	}
	if err != nil || e.From < 0 || e.To < e.From || e.Every && e.From <= 0 {
		return e, fmt.Errorf("faults: %q is no time: write at 2s or at 2s..3s", when)
	}
	switch acts := what.(type) {
	case string:
		e.Acts = []string{acts}
	case []any:
		for _, act := range acts {
			e.Acts = append(e.Acts, fmt.Sprint(act))
		}
	}
	if len(e.Acts) == 0 {
		return e, fmt.Errorf("faults: %s: what is to happen is missing", when)
	}
	return e, nil
}

// Schedule draws the moments of one run that lasts so long. The same random
// source gives the same moments.
func (t Timeline) Schedule(rng *rand.Rand, lasts time.Duration) []Moment {
	var moments []Moment
	for _, e := range t {
		at := draw(rng, e.From, e.To)
		for {
			for _, act := range e.Acts {
				moments = append(moments, Moment{At: at, Act: act})
			}
			if !e.Every {
				break
			}
			at += draw(rng, e.From, e.To)
			if at >= lasts {
				break
			}
		}
	}
	slices.SortStableFunc(moments, func(a, b Moment) int { return cmp.Compare(a.At, b.At) })
	return moments
}

func draw(rng *rand.Rand, from, to time.Duration) time.Duration {
	if to <= from {
		return from
	}
	return from + time.Duration(rng.Int64N(int64(to-from)))
}
