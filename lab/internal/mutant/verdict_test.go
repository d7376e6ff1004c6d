package mutant

import (
	"strings"
	"testing"
	"time"
)

func TestJudge(t *testing.T) {
	t.Parallel()
	calm := Report{Built: true, Passed: true, Ran: []string{"TestF", "TestG"}}
	ran := func(failed ...string) Report {
		return Report{
			Built: true, Passed: len(failed) == 0, Ran: []string{"TestF", "TestF/a"},
			Failed: failed, Took: 1200 * time.Millisecond,
		}
	}
	hung := ran("TestF")
	hung.Hung = true
	cases := []struct {
		name         string
		survives     string
		calm, report Report
		want         Kind
		why          string
	}{
		{"a test fails", "", calm, ran("TestF/a", "TestF"), Killed, "TestF/a in 1.2 s"},
		{"no test fails", "", calm, ran(), Survived, "TestF"},
		{"harmless", "nobody reads it\n", calm, ran(), Harmless, "nobody reads it"},
		{"not as harmless as it says", "nobody reads it", calm, ran("TestF"), Unknown, "TestF"},
		{"hung", "", calm, hung, Killed, "TestF, which hung and was ended"},
		{
			"the program ends", "", calm, Report{
				Built: true, Ran: []string{"TestF"},
				Output: "=== RUN   TestF\nfatal error: all goroutines are asleep\nFAIL\tp\t0.1s\n",
			}, Killed, "fatal error: all goroutines are asleep",
		},
		{
			"does not compile", "", calm,
			Report{Output: "# course.example/p\np/p.go:7:2: undefined: n\n"},
			Unknown, "it does not compile: p/p.go:7:2: undefined: n",
		},
		{"no such test", "", calm, Report{Built: true, Passed: true}, Unknown, "matches no test"},
		{
			"fails before any test", "", calm, Report{Built: true, Output: "panic: oh\n"},
			Unknown, "no test has run: panic: oh",
		},
		{
			"red without it", "", Report{Built: true, Failed: []string{"TestF"}}, ran("TestF"),
			Unknown, "TestF fails without it, too",
		},
		{
			"another is red without it", "", Report{Built: true, Failed: []string{"TestG"}},
			ran("TestF"), Killed, "TestF",
		},
		{
			"the end is red without it", "", Report{Built: true, Output: "exit status 3\n"},
			ran("TestF"), Unknown, "fail without it, too: exit status 3",
		},
		{
			"the tests do not compile", "", Report{Output: "p/p_test.go:1:1: oh\n"}, ran("TestF"),
			Unknown, "its tests do not compile: p/p_test.go:1:1: oh",
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			m := Mutant{Name: "m", Tests: "TestF", Package: "p", Survives: c.survives}
			got := m.Judge(c.calm, c.report)
			if got.Kind != c.want || !strings.Contains(got.Why, c.why) {
				t.Errorf("got %+v, want %s, because of %q", got, c.want, c.why)
			}
		})
	}
}
