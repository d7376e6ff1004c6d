package saga

import (
	"fmt"
	"time"

	"course.example/shop"
	amqp "github.com/rabbitmq/amqp091-go"
)

// Settings is what can be set from outside. Start from [DefaultSettings].
type Settings struct {
	AMQPURL, DatabaseURL string

	Variant     string
	Addr        string        // where the website and its pages are
	Workers     int           // messages that are worked on at a time
	Batch       int           // messages in one transaction, at most
	StepTimeout time.Duration // for the first answer of a service; then twice as long
	Attempts    int           // how often a command is sent
	Work        time.Duration // how long a service takes for a command
	CrashAt     string
	Echo        bool // everything is said three times, out of order
	// Retention is for how long an order is acted on after it was placed. What is
	// older, and has ended, is deleted.
	Retention time.Duration

	crash *crash
}

// DefaultSettings are those of the compose file.
func DefaultSettings() Settings {
	return Settings{
		AMQPURL:     "amqp://shop:shop@localhost:5672/",
		DatabaseURL: "postgres://shop:shop@localhost:5432/shop",
		Addr:        "127.0.0.1:8080", Workers: 6, Batch: maxBatch,
		StepTimeout: 2 * time.Second, Attempts: 3, Retention: 24 * time.Hour,
	}
}

// ReadSettings reads the command line and the environment of a program.
func ReadSettings(program string, args []string, more ...func(*shop.Flags)) (Settings, error) {
	s := DefaultSettings()
	f := shop.NewFlags(program)
	f.StringVar(&s.AMQPURL, "amqp-url", s.AMQPURL, "the broker")
	f.Env("amqp-url", "AMQP_URL")
	f.StringVar(&s.DatabaseURL, "database-url", s.DatabaseURL, "the database")
	f.Env("database-url", "DATABASE_URL")
	f.StringVar(&s.Variant, "variant", s.Variant, "one of "+variantNames())
	f.Env("variant", "VARIANT")
	f.StringVar(&s.Addr, "addr", s.Addr, "where the website serves HTTP")
	f.Env("addr", "ADDR")
	f.IntVar(&s.Workers, "workers", s.Workers, "messages that are worked on at a time")
	f.Env("workers", "WORKERS")
	f.IntVar(&s.Batch, "batch", s.Batch, "messages in one transaction, at most")
	f.Env("batch", "BATCH")
	f.DurationVar(&s.Retention, "retention", s.Retention,
		"for how long an order is acted on; older ones that have ended are deleted")
	f.Env("retention", "RETENTION")
	f.DurationVar(&s.StepTimeout, "step-timeout", s.StepTimeout,
		"how long a service may take for its first answer")
	f.Env("step-timeout", "STEP_TIMEOUT")
	f.IntVar(&s.Attempts, "attempts", s.Attempts, "how often a command is sent")
	f.Env("attempts", "ATTEMPTS")
	f.DurationVar(&s.Work, "work", s.Work, "how long a service takes for a command")
	f.Env("work", "WORK")
	f.StringVar(&s.CrashAt, "crash-at", s.CrashAt, "where to die, such as placed/after-commit:5")
	f.Env("crash-at", "CRASH_AT")
	f.BoolVar(&s.Echo, "echo", s.Echo, "publish every message three times, in random order")
	f.Env("echo", "ECHO")
	for _, m := range more {
		m(f)
	}
	if err := f.Parse(args); err != nil {
		return s, err
	}
	var err error
	if s.crash, err = parseCrash(s.CrashAt); err != nil {
		return s, err
	}
	return s, s.Validate()
}

// Validate returns a [*shop.UsageError] for the first setting that cannot work.
func (s Settings) Validate() error {
	if _, known := variants[s.Variant]; !known {
		return usagef("variant %q is unknown; there are: %s", s.Variant, variantNames())
	}
	if _, err := amqp.ParseURI(s.AMQPURL); err != nil {
		return usagef("AMQP_URL is not an AMQP address; " +
			"want amqp://user:password@host:port/vhost")
	}
	switch {
	case s.Workers < 1 || s.Workers > 100:
		return usagef("workers must be 1 to 100, is %d", s.Workers)
	case s.Batch < 1 || s.Batch > maxBatch:
		return usagef("batch must be 1 to %d, is %d", maxBatch, s.Batch)
	case s.Retention < time.Second || s.Retention > 1000*24*time.Hour:
		return usagef("retention must be 1s to 1000 days, is %s", s.Retention)
	case s.Attempts < 1 || s.Attempts > 10:
		return usagef("attempts must be 1 to 10, is %d", s.Attempts)
	case s.StepTimeout < 10*time.Millisecond || s.StepTimeout > time.Hour:
		return usagef("step-timeout must be 10ms to 1h, is %s", s.StepTimeout)
	case s.Work < 0 || s.Work > time.Minute:
		return usagef("work must be 0 to 1m, is %s", s.Work)
	}
	return nil
}

func usagef(format string, args ...any) error {
	return &shop.UsageError{Problem: fmt.Sprintf(format, args...)}
}
