package mutant

import (
	"fmt"
	"slices"
	"strings"
)

// Kind is what became of a mutant.
type Kind string

// The kinds of verdicts.
const (
	Killed   Kind = "killed"   // a test failed: the promise is guarded
	Survived Kind = "SURVIVED" // no test noticed
	Harmless Kind = "survives" // no test noticed, for the reason that the list gives
	// Unknown is no verdict: the list is wrong, or its tests fail anyway.
	Unknown Kind = "UNKNOWN"
)

// Verdict is what became of a mutant, and what says so.
type Verdict struct {
	Kind Kind
	Why  string
}

func unknown(format string, args ...any) Verdict {
	return Verdict{Unknown, fmt.Sprintf(format, args...)}
}

// String is the verdict in one line.
func (v Verdict) String() string {
	switch v.Kind {
	case Killed:
		return "killed by " + v.Why
	case Survived:
		return "SURVIVED " + v.Why
	default:
		return string(v.Kind) + ": " + v.Why
	}
}

// Judgeable says whether the tests can tell anything: calm is what they said without a mutant.
func Judgeable(calm Report) (Verdict, bool) {
	switch {
	case !calm.Built:
		return unknown("its tests do not compile: %s", firstLine(calm.Output)), false
	case !calm.Passed && len(calm.Failed) == 0:
		return unknown("its tests fail without it, too: %s", lastLine(calm.Output)), false
	}
	return Verdict{}, true
}

// Judge compares what the tests said with the mutant and without it.
func (m Mutant) Judge(calm, report Report) Verdict {
	if v, ok := Judgeable(calm); !ok {
		return v
	}
	for _, name := range report.Ran {
		if slices.Contains(calm.Failed, name) {
			return unknown("%s fails without it, too", name)
		}
	}
	switch {
	case !report.Built:
		return unknown("it does not compile: %s", firstLine(report.Output))
	case len(report.Ran) == 0 && report.Passed:
		return unknown("tests: %q matches no test in %s", m.Tests, m.Package)
	case len(report.Ran) == 0:
		return unknown("no test has run: %s", lastLine(report.Output))
	case report.Passed && m.Survives != "":
		return Verdict{Harmless, strings.TrimSpace(m.Survives)}
	case report.Passed:
		return Verdict{Survived, fmt.Sprintf("%s, which took %.1f s",
			m.Tests, report.Took.Seconds())}
	}
	by := "the end of the test program: " + lastLine(report.Output)
	if len(report.Failed) > 0 {
		by = report.Failed[0]
	}
	if report.Hung {
		by += ", which hung and was ended"
	}
	if m.Survives != "" {
		return unknown("the list says that it survives, and it is killed by %s", by)
	}
	return Verdict{Killed, fmt.Sprintf("%s in %.1f s", by, report.Took.Seconds())}
}

// firstLine is what a compiler complains about first; lines with # name packages.
func firstLine(output string) string {
	for line := range strings.Lines(output) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			return line
		}
	}
	return "it does not say why"
}

func lastLine(output string) string {
	last := "it does not say why"
	for line := range strings.Lines(output) {
		line = strings.TrimSpace(line)
		if line != "" && line != "FAIL" && !strings.HasPrefix(line, "FAIL\t") {
			last = line
		}
	}
	return last
}
