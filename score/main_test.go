package main

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
)

// What a student mistypes is answered in one line that says what to do, before
// anything is compiled or started.
func TestMistakes(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"99":       `there is no step "99": the steps are`,
		"01":       "takes no orders: there is nothing to score",
		"07 -fast": "go run ./score -h lists the flags",
	} {
		err := command().Run(context.Background(), append([]string{"score"}, strings.Fields(args)...))
		if err == nil || errors.Is(err, errQuiet) || !strings.Contains(err.Error(), want) {
			t.Errorf("score %s: want an error with %q, got: %v", args, want, err)
		}
	}
}

// -h helps, whatever stands before it.
func TestHelp(t *testing.T) {
	t.Parallel()
	for _, args := range []string{"-h", "07 -h", "07 -quick -h"} {
		cmd, out := command(), &bytes.Buffer{}
		cmd.Writer = out
		err := cmd.Run(context.Background(), append([]string{"score"}, strings.Fields(args)...))
		if err != nil || !strings.Contains(out.String(), "-publish") {
			t.Errorf("score %s: %v\n%s", args, err, out)
		}
	}
}
