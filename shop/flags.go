package shop

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
)

// UsageError is a mistake in how a program was started: an unknown flag, a
// value that cannot be read. [Main] ends with exit code 2 for it.
type UsageError struct{ Problem string }

func (e *UsageError) Error() string { return e.Problem }

func usagef(format string, args ...any) error {
	return &UsageError{Problem: fmt.Sprintf(format, args...)}
}

// Flags is the standard [flag.FlagSet] in which a flag may take its default
// from an environment variable: the flag wins, then the variable, then the
// default. That order is what the Twelve-Factor App asks for (section III) and
// still lets a lecturer change one thing on the command line.
type Flags struct {
	*flag.FlagSet
	env map[string]string // flag name to environment variable
}

// NewFlags returns an empty set for the program of that name.
func NewFlags(program string) *Flags {
	f := &Flags{flag.NewFlagSet(program, flag.ContinueOnError), map[string]string{}}
	// Parse reports its errors by returning them: printed here as well,
	// every mistake would be on the screen twice.
	f.SetOutput(io.Discard)
	return f
}

// Env lets the flag take its default from an environment variable.
func (f *Flags) Env(name, variable string) {
	f.env[name] = variable
	if fl := f.Lookup(name); fl != nil {
		fl.Usage += " [$" + variable + "]"
	}
}

// Parse reads the command line (without the program's name), then the
// environment. It returns [flag.ErrHelp] when asked for help, after printing
// it, and a [*UsageError] for anything it does not understand.
func (f *Flags) Parse(args []string) error {
	err := f.FlagSet.Parse(args)
	if errors.Is(err, flag.ErrHelp) {
		f.SetOutput(os.Stdout)
		fmt.Printf("Flags of %s, and the variables they take a default from:\n", f.Name())
		f.PrintDefaults()
		return flag.ErrHelp
	}
	if err != nil {
		return usagef("%v; %s -h lists the flags", err, f.Name())
	}
	if f.NArg() > 0 {
		return usagef("unexpected argument %q; %s -h lists the flags", f.Arg(0), f.Name())
	}
	given := map[string]bool{}
	f.Visit(func(fl *flag.Flag) { given[fl.Name] = true })
	for name, variable := range f.env {
		value := os.Getenv(variable)
		if value == "" || given[name] {
			continue
		}
		if err := f.Set(name, value); err != nil {
			return usagef("%s=%q: %v", variable, value, err)
		}
	}
	return nil
}
