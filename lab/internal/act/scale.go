package act

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
)

const maxScale = 64

var _ = add(Act{
	Name: "scale", Words: "KIND N", Like: "scale consumer +1",
	Help: "so many processes of a kind; +1 and -1 are one more, one less",
	Keys: []Key{
		{Keys: []string{"+", "="}, Act: "scale WORKER +1", Help: "one more WORKER"},
		{Keys: []string{"-", "_"}, Act: "scale WORKER -1", Short: "WORKER",
			Help: "one WORKER less; it drains"},
	},
	Check: func(s Step, words []string) error {
		if _, _, err := parseScale(words); err != nil {
			return err
		}
		if !slices.Contains(s.Kinds(), words[0]) {
			return fmt.Errorf("there is no kind of process %q%s", words[0],
				orNearest(words[0], s.Kinds()))
		}
		return nil
	},
	// It starts what is missing, those that were killed or stopped first, and stops what is too
	// much, the newest first.
	Do: func(ctx context.Context, run Run, words []string) error {
		want, relative, err := parseScale(words)
		if err != nil {
			return err
		}
		members, err := run.Members(words[0])
		if err != nil {
			return err
		}
		idle := slices.DeleteFunc(slices.Clone(members), Target.Running)
		running := slices.DeleteFunc(members, rests)
		if relative {
			want = min(max(0, len(running)+want), maxScale)
		}
		for n := len(running); n < want; n++ {
			if len(idle) > 0 {
				err, idle = idle[0].Start(ctx), idle[1:]
			} else {
				err = run.Add(words[0])
			}
			if err != nil {
				return err
			}
		}
		return stopAll(ctx, running[min(want, len(running)):])
	},
})

// stopAll lets them drain side by side.
func stopAll(ctx context.Context, targets []Target) error {
	errs := make([]error, len(targets))
	var group sync.WaitGroup
	for i, t := range targets {
		group.Go(func() { errs[i] = t.Stop(ctx) })
	}
	group.Wait()
	return errors.Join(errs...)
}

// parseScale reads KIND and how many: 4, or relative to how many are running, +1 and -1.
func parseScale(words []string) (n int, relative bool, err error) {
	if len(words) != 2 {
		return 0, false, errors.New("which kind, and how many? scale consumer 4")
	}
	word := words[1]
	if word == "" || word[0] != '+' && word[0] != '-' {
		n, err = parseNumber([]string{word}, 0, maxScale)
		return n, false, err
	}
	if n, err = parseNumber([]string{word[1:]}, 1, maxScale); err != nil {
		return 0, true, err
	}
	if word[0] == '-' {
		n = -n
	}
	return n, true, nil
}
