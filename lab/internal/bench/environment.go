package bench

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"course.example/lab/internal/act"
	"course.example/lab/internal/child"
	"course.example/lab/internal/history"
	"course.example/lab/internal/manifest"
)

// environment is what one process gets: what the lab was started with, where
// the services are, and what the variant and the manifest say.
func (s *supervisor) environment(p *proc) ([]string, error) {
	vars := maps.Clone(s.cfg.Address)
	if vars == nil {
		vars = map[string]string{}
	}
	if s.wire != nil {
		if err := s.wire.reroute(p.name, vars); err != nil {
			return nil, err
		}
	}
	vars["LOG_FORMAT"] = "json"
	if !strings.EqualFold(os.Getenv("LOG_LEVEL"), "debug") {
		vars["LOG_LEVEL"] = "info" // the ledger is read from lines of this level
	}
	kind, variant := s.definition(p)
	vars["VARIANT"] = variant.Name
	if len(variant.Programs) > 0 {
		vars["VARIANT"] = manifest.Right // other programs, and no other setting of the step's
	}
	if s.cfg.Work != nil {
		vars["WORK"] = s.cfg.Work.String()
	}
	if p.addr != "" {
		vars["ADDR"] = p.addr
	}
	vars["PROCESS"] = p.name
	if kind.Control {
		maps.Copy(vars, s.cfg.Control)
	}
	for _, more := range []map[string]string{kind.Env, variant.Env, s.cfg.Env} {
		for name, value := range more {
			expanded, err := manifest.Expand(value, s.places(p.name))
			if err != nil {
				return nil, fmt.Errorf("%s: %s: %w", p.name, name, err)
			}
			vars[name] = expanded
		}
	}
	env := os.Environ()
	for _, name := range slices.Sorted(maps.Keys(vars)) {
		env = append(env, name+"="+vars[name])
	}
	return env, nil
}

// tool runs a command of the step's own in the environment of its processes, and returns what it
// printed. What it says of orders counts.
func (s *supervisor) tool(ctx context.Context, name string, command ...string) (string, error) {
	env, err := s.environment(&proc{name: name})
	if err != nil {
		return "", err
	}
	logged := &lines{emit: func(raw []byte) { s.record.observe(history.ParseLine(name, raw)) }}
	out, err := child.Run(ctx, child.Spec{
		Name: name, Path: program(s.programs(), s.cfg.Step.Dir, command[0]),
		Args: command[1:],
		Dir:  s.cfg.Step.Dir, Env: env, Stderr: logged, Record: s.cfg.Run.Children,
	})
	logged.end()
	return out, err
}

// Inject runs the step's own tool for an act, which puts messages into the step's input, say. A
// second message of one order, which the tool reports, is no ghost.
func (s *supervisor) Inject(ctx context.Context, name string, more ...string) error {
	command := slices.Clone(s.cfg.Step.Tool(name))
	if len(command) == 0 {
		return fmt.Errorf("this step has no tool for it: %w", act.ErrCannot)
	}
	for i, word := range command {
		expanded, err := manifest.Expand(word, s.places(""))
		if err != nil {
			return fmt.Errorf("inject: %s: %w", name, err)
		}
		command[i] = expanded
	}
	out, err := s.tool(ctx, "inject", append(command, more...)...)
	for line := range strings.Lines(out) {
		s.record.observe(history.ParseLine("inject", []byte(strings.TrimRight(line, "\n"))))
	}
	return err
}
