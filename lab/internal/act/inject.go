package act

import (
	"context"
	"fmt"
	"strconv"
)

const maxInject = 10_000

// injection is an act that runs the step's own tool: only the step knows what its input is.
func injection(name, help string) Act {
	return Act{
		Name: name, Words: "N", Like: name + " 3", Help: help,
		Fault: true, Tool: true,
		Check: func(s Step, words []string) error {
			if len(s.Tool(name)) == 0 {
				return fmt.Errorf("the manifest has no inject: %s: to do it with", name)
			}
			_, err := parseNumber(words, 1, maxInject)
			return err
		},
		Do: func(ctx context.Context, run Run, words []string) error {
			n, err := parseNumber(words, 1, maxInject)
			if err != nil {
				return err
			}
			return run.Inject(ctx, name, "-count", strconv.Itoa(n))
		},
	}
}
