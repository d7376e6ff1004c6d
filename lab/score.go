package main

import (
	"context"
	"errors"

	"github.com/urfave/cli/v3"
)

// scoreCommand tells those who look for the score here where it is.
func scoreCommand() *cli.Command {
	return &cli.Command{
		Name: "score", Usage: "is a program of its own: go run ./score", ArgsUsage: "[STEP…]",
		SkipFlagParsing: true,
		Action: func(context.Context, *cli.Command) error {
			return errors.New("the score is a program of its own: go run ./score, or make score")
		},
	}
}
