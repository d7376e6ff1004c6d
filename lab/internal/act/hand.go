package act

import (
	"context"
	"errors"
)

var _ = add(Act{
	Name: "hand", Words: "WHAT", Like: "hand kill producer",
	Help:  "what people do by hand, past the program whose job it is: a tool of the step's own",
	Fault: true, Tool: true,
	Check: func(s Step, words []string) error {
		switch {
		case len(s.Tool("hand")) == 0:
			return errors.New("the manifest has no inject: hand: to do it with")
		case len(words) == 0:
			return errors.New("what is to be done by hand?")
		}
		return nil
	},
	Do: func(ctx context.Context, run Run, words []string) error {
		return run.Inject(ctx, "hand", words...)
	},
})
