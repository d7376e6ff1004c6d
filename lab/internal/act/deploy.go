package act

import (
	"context"
	"errors"
)

var _ = add(Act{
	Name: "deploy", Words: "VERSION", Like: "deploy v2",
	Help: "ask the step's deployer for another version; it goes on by itself",
	Check: func(s Step, words []string) error {
		if s.Deployer() == "" {
			return errors.New("no process of the manifest says deploys: true")
		}
		if len(words) != 1 {
			return errors.New("which version? one word is wanted")
		}
		return nil
	},
	Do: func(ctx context.Context, run Run, words []string) error {
		return run.Deploy(ctx, words[0])
	},
})
