package manifest

import (
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
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
	When     string // as written: at 2s
}

// Moment is one act at one time of one run.
type Moment struct {
	At  time.Duration
	Act string
}

// parseEntry reads one line of a timeline.
func parseEntry(when string, acts []string) (Entry, error) {
	e := Entry{When: when}
	word, times, _ := strings.Cut(strings.TrimSpace(when), " ")
	switch word {
	case "at":
	case "every":
		e.Every = true
	default:
		return e, errors.New("must begin with at or every")
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
		return e, fmt.Errorf("%q is no time: write at 2s or at 2s..3s", times)
	}
	e.Acts = acts
	if len(e.Acts) == 0 {
		return e, errors.New("what is to happen is missing")
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
