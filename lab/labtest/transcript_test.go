package labtest

import (
	"slices"
	"strings"
	"testing"
)

const output = `lab        │ building
producer   │ 10:00:00.001 listening url=http://127.0.0.1:8080
consumer-1 │ 10:00:00.002 order received order=…aaaaaaaa attempt=1
producer   │ 10:00:00.003 order accepted order=…aaaaaaaa
consumer-1 │ 10:00:00.004 order processed order=…aaaaaaaa
  .lab/bin/lab do -run 1201-011858-hkhm burst 100

the ledger
  accepted        13   the customer was told yes
  lost             0   nobody ever heard of it again`

// The matcher must find what is there and, more to the point, miss what is not.
func TestCompare(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name, page string
		problems   int
	}{
		{"the same", output, 0},
		{"other times, ports, identities and counts",
			"producer │ 23:59:59.999 listening url=http://127.0.0.1:1234\n" +
				"producer │ 11:11:11.111 order accepted order=…12345678\n" +
				"  accepted 12 the customer was told yes", 0},
		{"two processes in another order",
			"producer │ 10:00:00.003 order accepted order=…aaaaaaaa\n" +
				"consumer-1 │ 10:00:00.002 order received order=…aaaaaaaa attempt=1", 0},
		{"another run beside it", "  .lab/bin/lab do burst 100", 0},
		{"another act", "  .lab/bin/lab do burst 10", 1},
		{"left out", "lab │ building\n…\nthe ledger", 0},
		{"a wildcard within a line", "producer │ … listening …", 0},
		{"one process in another order",
			"consumer-1 │ 10:00:00.004 order processed order=…aaaaaaaa\n" +
				"consumer-1 │ 10:00:00.002 order received order=…aaaaaaaa attempt=1", 1},
		{"a line that is not there", "producer │ 10:00:00.001 order lost", 1},
		{"another process's line", "consumer-2 │ 10:00:00.004 order processed order=…aaaaaaaa", 1},
		{"the same line once too often", "lab │ building\nlab │ building", 1},
		{"another figure", "  lost             1   nobody ever heard of it again", 1},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			problems := compare(strings.Split(c.page, "\n"), strings.Split(output, "\n"))
			if len(problems) != c.problems {
				t.Errorf("want %d problems, got %q", c.problems, problems)
			}
		})
	}
}

func TestTranscripts(t *testing.T) {
	t.Parallel()
	page := "text\n```sh\n$ not this\n```\n```console\n$ make run-07 ARGS=\"-for 6s\"\na\nb\n```\n" +
		"```console\nno command\n```\n"
	all := transcripts(page)
	if len(all) != 2 || all[1].command != "" || all[0].command != `make run-07 ARGS="-for 6s"` ||
		!slices.Equal(all[0].lines, []string{"a", "b"}) {
		t.Errorf("got %+v", all)
	}
}

func TestSplit(t *testing.T) {
	t.Parallel()
	got, err := split(`make run-07 ARGS="-for 6s"  ""`)
	if want := []string{"make", "run-07", "ARGS=-for 6s", ""}; err != nil || !slices.Equal(got, want) {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
	for _, bad := range []string{"", `make "run`} {
		if words, err := split(bad); err == nil {
			t.Errorf("%q was split into %q", bad, words)
		}
	}
}

// What make was told for the tests is not for the make of a page.
func TestReadersEnv(t *testing.T) {
	for _, name := range []string{"MAKEFLAGS", "ARGS", "MAKELEVEL"} {
		t.Setenv(name, "-v")
	}
	t.Setenv("COLOUR", "blue")
	env := strings.Join(readersEnv(), "\n")
	if strings.Contains(env, "ARGS=-v") || strings.Contains(env, "MAKE") {
		t.Error("a page's command sees what make was told")
	}
	if !strings.Contains(env, "COLOUR=blue") {
		t.Error("a page's command does not see the reader's environment")
	}
}
