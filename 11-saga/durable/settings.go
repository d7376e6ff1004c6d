package durable

import (
	"cmp"
	"fmt"
	"os"
	"time"

	saga "course.example/11-saga"
	"course.example/shop"
)

// Settings is what can be set from outside. Start from [DefaultSettings].
type Settings struct {
	saga.Settings // of which the broker and what belongs to it are not used

	// Executor is the name of this worker. It must be the same in its next life, and no other
	// worker's: the engine gives the sagas of a worker that has died to the next one of its name.
	Executor string
	Release  int // which release of the saga it runs: 1 or 2
}

// DefaultSettings are those of the compose file.
func DefaultSettings() Settings {
	s := Settings{Settings: saga.DefaultSettings(), Executor: "worker-1", Release: 1}
	s.Variant = "right"
	return s
}

// ReadSettings reads the command line and the environment of a program.
func ReadSettings(program string, args []string, more ...func(*shop.Flags)) (Settings, error) {
	s := DefaultSettings()
	s.Executor = cmp.Or(os.Getenv("PROCESS"), s.Executor)
	f := shop.NewFlags(program)
	f.StringVar(&s.DatabaseURL, "database-url", s.DatabaseURL, "the database")
	f.Env("database-url", "DATABASE_URL")
	f.StringVar(&s.Variant, "variant", s.Variant, "one of "+variantNames())
	f.Env("variant", "VARIANT")
	f.StringVar(&s.Addr, "addr", s.Addr, "where the website serves HTTP")
	f.Env("addr", "ADDR")
	f.DurationVar(&s.Work, "work", s.Work, "how long a service takes for a command")
	f.Env("work", "WORK")
	f.StringVar(&s.CrashAt, "crash-at", s.CrashAt,
		"where to die, such as payment.charge/after-commit:5")
	f.Env("crash-at", "CRASH_AT")
	f.StringVar(&s.Executor, "executor", s.Executor, "the name of this worker, in all its lives")
	f.Env("executor", "EXECUTOR")
	f.IntVar(&s.Release, "release", s.Release, "the release of the saga: 1 or 2")
	f.Env("release", "RELEASE")
	for _, m := range more {
		m(f)
	}
	if err := f.Parse(args); err != nil {
		return s, err
	}
	return s, s.Validate()
}

// Validate returns a [*shop.UsageError] for the first setting that cannot work.
func (s Settings) Validate() error {
	if _, known := variants[s.Variant]; !known {
		return usagef("variant %q is unknown; there are: %s", s.Variant, variantNames())
	}
	switch {
	case s.Executor == "":
		return usagef("a worker needs a name of its own: set EXECUTOR")
	case s.Release != 1 && s.Release != 2:
		return usagef("release must be 1 or 2, is %d", s.Release)
	case s.Work < 0 || s.Work > time.Minute:
		return usagef("work must be 0 to 1m, is %s", s.Work)
	}
	return nil
}

func usagef(format string, args ...any) error {
	return &shop.UsageError{Problem: fmt.Sprintf(format, args...)}
}
