package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	async "course.example/02-async"
	"course.example/shop"
)

type settings struct {
	parts  []part
	delay  time.Duration
	speed  float64
	caller async.Caller
}

// parse reads the command line and the environment. The names of parts may come
// first, without a flag: make run-02 ARGS="loop race".
func parse(args []string) (settings, error) {
	names, variant := "", ""
	words := 0
	for words < len(args) && !strings.HasPrefix(args[words], "-") {
		words++
	}
	s := settings{delay: time.Second, speed: 1}
	f := shop.NewFlags("producer")
	f.StringVar(&names, "part", names,
		"what to show, with commas between: "+partNames()+"; empty for all")
	f.Env("part", "PART")
	f.DurationVar(&s.delay, "delay", s.delay, "how long the consumer takes for one call")
	f.Env("delay", "DELAY")
	f.Float64Var(&s.speed, "speed", s.speed, "how many times faster the event loop's timers run")
	f.Env("speed", "SPEED")
	f.StringVar(&variant, "variant", variant,
		"what to do wrong: "+async.WrongVariants()+"; empty for the right way")
	f.Env("variant", "VARIANT")
	if err := f.Parse(args[words:]); err != nil {
		return s, err
	}
	if words > 0 {
		names = strings.Join(args[:words], ",")
	}
	if s.delay < time.Millisecond || s.delay > time.Minute {
		return s, usagef("delay must be 1ms to 1m, is %s", s.delay)
	}
	if !(s.speed >= 0.1 && s.speed <= 1000) {
		return s, usagef("speed must be 0.1 to 1000, is %g", s.speed)
	}
	var err error
	if s.caller, err = async.NewCaller(variant); err != nil {
		return s, err
	}
	if names == "" {
		names = partsOf[variant]
	}
	s.parts, err = choose(names)
	return s, err
}

// partsOf has the part that a wrong variant is wrong in.
var partsOf = map[string]string{
	"leak": "give-up", "dropped-error": "order", "sequential-awaits": "order",
}

func choose(names string) ([]part, error) {
	if names == "" {
		return parts, nil
	}
	var chosen []part
	for name := range strings.SplitSeq(names, ",") {
		name = strings.TrimSpace(name)
		i := slices.IndexFunc(parts, func(p part) bool { return p.name == name })
		if i < 0 {
			return nil, usagef("there is no part %q; there are: %s", name, partNames())
		}
		chosen = append(chosen, parts[i])
	}
	return chosen, nil
}

func partNames() string {
	names := make([]string, len(parts))
	for i, p := range parts {
		names[i] = p.name
	}
	return strings.Join(names, ", ")
}

func usagef(format string, args ...any) error {
	return &shop.UsageError{Problem: fmt.Sprintf(format, args...)}
}
