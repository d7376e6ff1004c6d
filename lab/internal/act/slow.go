package act

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

var _ = add(Act{
	Name: "slow", Words: "WHO 100ms [50KB/s]", Like: "slow every consumer 100ms",
	Help:  "its connections take longer, carry less",
	Fault: true, Proxy: true,
	Check: func(s Step, words []string) error {
		who, _, err := parseSlow(words)
		if err != nil {
			return err
		}
		return checkWho(s, who)
	},
	Suits: works,
	Do: func(ctx context.Context, run Run, words []string) error {
		who, how, err := parseSlow(words)
		if err != nil {
			return err
		}
		return each(ctx, run, who, func(ctx context.Context, t Target) error {
			return t.Slow(ctx, how)
		})
	},
})

// Slow is how bad a connection becomes.
type Slow struct {
	Latency     time.Duration // added in each direction
	KBPerSecond int           // 0 does not limit it
}

// parseSlow reads WHO 100ms [50KB/s] and returns the words of WHO.
func parseSlow(words []string) (who []string, how Slow, err error) {
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
