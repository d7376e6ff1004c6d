package mediator

import (
	"fmt"
	"time"

	"course.example/shop"
)

// Settings is what can be set from outside. The zero value is not usable: start
// from [DefaultSettings].
type Settings struct {
	Addr     string // where the shop serves HTTP
	Variant  string // of this step: "" is the right one, see wrong.go
	Strategy string // sequence or parallel

	Work          time.Duration // how long each handler takes for an order
	InventoryWork time.Duration // how long the inventory takes; negative is as Work
	Timeout       time.Duration // how long one call of a handler may take, 0 forever
}

// DefaultSettings are small enough to play with.
func DefaultSettings() Settings {
	return Settings{
		Addr:          "127.0.0.1:8080",
		Strategy:      "sequence",
		Work:          20 * time.Millisecond,
		InventoryWork: -1,
		Timeout:       4 * time.Second,
	}
}

// ReadSettings reads the command line and the environment.
func ReadSettings(args []string) (Settings, error) {
	s := DefaultSettings()
	f := shop.NewFlags("server")
	f.StringVar(&s.Addr, "addr", s.Addr, "where to serve HTTP")
	f.Env("addr", "ADDR")
	f.StringVar(&s.Variant, "variant", s.Variant,
		"one of "+variantNames()+"; empty for the right way")
	f.Env("variant", "VARIANT")
	f.StringVar(&s.Strategy, "strategy", s.Strategy,
		"tell the handlers in sequence or in parallel")
	f.Env("strategy", "STRATEGY")
	f.DurationVar(&s.Work, "work", s.Work, "how long each handler takes for an order")
	f.Env("work", "WORK")
	f.DurationVar(&s.InventoryWork, "inventory-work", s.InventoryWork,
		"how long the inventory takes, if not as long as -work")
	f.Env("inventory-work", "INVENTORY_WORK")
	f.DurationVar(&s.Timeout, "handler-timeout", s.Timeout,
		"how long one handler may take, 0 forever")
	f.Env("handler-timeout", "HANDLER_TIMEOUT")
	if err := f.Parse(args); err != nil {
		return s, err
	}
	if s.InventoryWork < 0 {
		s.InventoryWork = s.Work
	}
	return s, s.Validate()
}

// Validate returns a [*shop.UsageError] for the first setting that cannot work.
func (s Settings) Validate() error {
	if _, known := variants[s.Variant]; !known {
		return usagef("variant %q is unknown; there are: %s", s.Variant, variantNames())
	}
	if strategies[s.Strategy] == nil {
		return usagef("strategy must be sequence or parallel, is %q", s.Strategy)
	}
	if s.Work < 0 {
		return usagef("work must not be negative, is %s", s.Work)
	}
	if s.Timeout < 0 {
		return usagef("handler-timeout must not be negative, is %s", s.Timeout)
	}
	return nil
}

var strategies = map[string]Strategy{"sequence": Sequence, "parallel": Parallel}

// Mediator returns a mediator that works as the settings say, and right or wrong
// as their variant says.
func (s Settings) Mediator(behaviours ...Behaviour) *Mediator {
	m := New(strategies[s.Strategy], s.Timeout, behaviours...)
	variants[s.Variant](m)
	return m
}

func usagef(format string, args ...any) error {
	return &shop.UsageError{Problem: fmt.Sprintf(format, args...)}
}
