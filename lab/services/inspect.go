package services

import (
	"context"
	"errors"
	"strings"
	"time"
)

// Report says how one kind of server would be provided on this machine, and why not otherwise.
type Report struct {
	Kind  Kind
	Title string // "RabbitMQ"
	Ports []int  // where it usually answers
	// Findings are the links of the chain in their order.
	Findings []Finding
	// Uses is the link that would provide it, empty when none would.
	Uses string
	// Missing is what this machine lacks to provide it without installing anything or using a
	// stand-in, empty when it lacks nothing.
	Missing string
	// Mend is the exact command that provides what is missing on this system, empty when
	// nothing is missing or no command is known.
	Mend string
}

// Finding is what one link of the chain has to say.
type Finding struct {
	Link string
	OK   bool   // it would provide the server
	Text string // what was found, or why not
}

// dockerHelp is the way out that is always there.
const dockerHelp = "install Docker: https://docs.docker.com/get-started/get-docker/"

// Inspect looks at every link of the chain without starting or changing anything. It takes at
// most a few seconds. A server named in the environment is asked whether it answers.
func (c *Chain) Inspect(ctx context.Context, kind Kind) (Report, error) {
	need := Need{Kind: kind}
	if err := need.check(); err != nil {
		return Report{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	t := traits[kind]
	report := Report{Kind: kind, Title: t.title, Ports: t.ports}
	for _, l := range c.links() {
		found, err := c.look(ctx, l, need)
		if err == nil && l.name == LinkEnv {
			_, err = l.provide(ctx, need) // only a handshake; it starts nothing
		}
		f := Finding{Link: l.name, OK: err == nil, Text: found}
		if err != nil {
			f.Text = strings.TrimSpace(err.Error())
		}
		report.Findings = append(report.Findings, f)
		if f.OK && report.Uses == "" {
			report.Uses = l.name
		}
		if !f.OK && l.final && !errors.Is(err, errQuiet) {
			report.Missing, report.Mend = f.Text, "unset "+t.env
			return report, nil
		}
	}
	switch {
	case report.Uses == LinkStandIn && t.judged:
		// All that a step asks of these two, the receiver can do.
	case report.Uses == "", report.Uses == LinkStandIn, report.Uses == LinkInstall:
		report.Missing = "no " + t.title + " on this machine and no Docker engine"
		if report.Mend = t.installCommand(); report.Mend == "" {
			report.Mend = dockerHelp
		}
	}
	return report, nil
}
