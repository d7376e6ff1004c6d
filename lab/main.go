// Command lab is the bench on which the lessons of the course run: it starts
// what a step needs, runs its processes, breaks them on purpose and keeps the
// ledger of what became of every order.
//
//	go run ./lab run 07      watch a step work
//	go run ./lab break 07    break it, and see what it cost
//	go run ./lab test        run every module's tests
//	go run ./lab mutants     take promises away, and see whether a test notices
//	go run ./lab doctor      what this machine has and what it lacks
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/urfave/cli/v3"

	"course.example/lab/internal/home"
	"course.example/lab/internal/manifest"
)

// errQuiet ends the program with code 1 when all there is to say has been said.
var errQuiet = errors.New("")

// exitCode ends the program with the code of a program that has run once, and
// has said itself what there is to say.
type exitCode int

func (c exitCode) Error() string { return fmt.Sprintf("exit status %d", int(c)) }

func main() {
	ctx, stopListening := hangUp(context.Background())
	defer stopListening()
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	// The first signal ends the context and everything drains. From then on
	// the default holds again, and a second signal ends the lab at once; what
	// it had started dies with it, or is swept by the next run.
	context.AfterFunc(ctx, stop)

	if err := command().Run(ctx, os.Args); err != nil {
		if code := exitCode(0); errors.As(err, &code) {
			os.Exit(int(code))
		}
		if !errors.Is(err, errQuiet) {
			fmt.Fprintf(os.Stderr, "lab: %v\n", err)
		}
		os.Exit(1)
	}
}

func command() *cli.Command {
	lab := &cli.Command{
		Name:  "lab",
		Usage: "the bench on which the lessons run",
		// Errors are printed once, in main, and decide the exit code there.
		ExitErrHandler: func(context.Context, *cli.Command, error) {},
		Action: func(_ context.Context, cmd *cli.Command) error {
			if name := cmd.Args().First(); name != "" {
				return fmt.Errorf("there is no command %q; go run ./lab -h lists them", name)
			}
			return cli.ShowRootCommandHelp(cmd)
		},
		Commands: []*cli.Command{
			runCommand(), doCommand(), breakCommand(), scoreCommand(), testCommand(),
			mutantsCommand(), checkCommand(), hintCommand(), progressCommand(),
			upCommand(), downCommand(), statusCommand(), doctorCommand(), busyCommand(),
		},
	}
	lab.OnUsageError = usageError
	for _, cmd := range lab.Commands {
		cmd.OnUsageError = usageError
		if cmd.ArgsUsage == "" {
			cmd.Before = refuseArgs
		}
	}
	return lab
}

func init() { cli.ShowCommandHelp = showHelp }

// showHelp shows the help of a command whatever its arguments: to the library the 07 of
// "run 07 -h" is something to be explained.
func showHelp(ctx context.Context, cmd *cli.Command, topic string) error {
	if cmd != cmd.Root() {
		cmd, topic = cmd.Root(), cmd.Name
	}
	return cli.DefaultShowCommandHelp(ctx, cmd, topic)
}

func usageError(_ context.Context, cmd *cli.Command, err error, _ bool) error {
	name := ""
	if cmd != cmd.Root() {
		name = cmd.Name + " "
	}
	return fmt.Errorf("%w; go run ./lab %s-h lists the flags", err, name)
}

func refuseArgs(ctx context.Context, cmd *cli.Command) (context.Context, error) {
	if cmd.Args().Len() > 0 {
		return ctx, fmt.Errorf("%s takes no arguments such as %q", cmd.Name, cmd.Args().First())
	}
	return ctx, nil
}

// stepAndArgs reads the manifest of the step that the first argument names, and
// returns the arguments behind it.
func stepAndArgs(cmd *cli.Command) (*manifest.Step, []string, error) {
	if cmd.Args().Len() == 0 {
		return nil, nil, fmt.Errorf("which step? for example: go run ./lab %s 07", cmd.Name)
	}
	root, err := home.Root()
	if err != nil {
		return nil, nil, err
	}
	step, err := manifest.LoadStep(root, cmd.Args().First())
	return step, cmd.Args().Tail(), err
}

// stepArg reads the manifest of the step that is the command's one argument.
func stepArg(cmd *cli.Command) (*manifest.Step, error) {
	step, more, err := stepAndArgs(cmd)
	if err == nil && len(more) > 0 {
		return nil, fmt.Errorf("one step at a time, not %q", cmd.Args().Slice())
	}
	return step, err
}
