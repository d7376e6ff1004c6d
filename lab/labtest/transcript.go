package labtest

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"course.example/lab/internal/home"
	"course.example/lab/internal/stage"
	"course.example/lab/services"
)

// Transcript runs the command of each transcript in the given files, relative
// to the test's folder, and compares what it prints with what the page says a
// reader will see. A transcript is a fenced block of the kind "console" whose
// first line is the command after a "$"; it is run at the root of the checkout,
// once for all pages that show the same one.
//
// What differs from run to run need not be taken out of the page: times, ports,
// the ends of order identities and the counts of accepted and processed orders
// match any others. "…" matches the rest of a line or a part of it, and a line
// "…" any number of lines. The lines of one process must come in the page's
// order; between two processes there is no order to speak of.
//
// It runs beside the other parallel tests of its package: it mostly waits.
func Transcript(t *testing.T, files ...string) {
	t.Helper()
	t.Parallel()
	Sources(t)
	root, err := home.Root()
	if err != nil {
		t.Fatal(err)
	}
	outputs := map[string][]string{}
	found := 0
	for _, file := range files {
		page, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, tr := range transcripts(string(page)) {
			found++
			if tr.command == "" {
				t.Errorf("%s: a console block without a command: %q", file, tr.lines)
				continue
			}
			if _, done := outputs[tr.command]; !done {
				outputs[tr.command] = run(t, root, tr.command)
			}
			for _, problem := range compare(tr.lines, outputs[tr.command]) {
				t.Errorf("%s: %s", file, problem)
			}
		}
	}
	if found == 0 {
		t.Fatalf("no transcript in %v", files)
	}
}

type transcript struct {
	command string
	lines   []string
}

func transcripts(page string) []transcript {
	var all []transcript
	var lines []string
	in := false
	scan := bufio.NewScanner(strings.NewReader(page))
	for scan.Scan() {
		line := scan.Text()
		switch {
		case !in && strings.HasPrefix(line, "```console"):
			in, lines = true, nil
		case in && strings.HasPrefix(line, "```"):
			in = false
			all = append(all, transcriptOf(lines))
		case in:
			lines = append(lines, line)
		}
	}
	return all
}

// transcriptOf reads a block; without a command it is one that nobody can check.
func transcriptOf(lines []string) transcript {
	if len(lines) == 0 {
		return transcript{}
	}
	command, ok := strings.CutPrefix(lines[0], "$ ")
	if !ok {
		return transcript{lines: lines}
	}
	return transcript{command, lines[1:]}
}

// run runs a command line of a page. It fails the test when the command does.
func run(t *testing.T, root, command string) []string {
	t.Helper()
	words, err := split(command)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, words[0], words[1:]...)
	cmd.Dir = root
	// A page's command is run in the workspace, also by a test that is not.
	cmd.Env = append(append(readersEnv(), "GOWORK="), ownPlaces(t)...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 30 * time.Second
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", command, err, out)
	}
	return strings.Split(string(bytes.TrimRight(out, "\n")), "\n")
}

// readersEnv is the environment of a reader who types a page's command. Under make there is more:
// what make was told for the tests, such as ARGS, would reach the make that is being tested.
func readersEnv() []string {
	return slices.DeleteFunc(os.Environ(), func(variable string) bool {
		name, _, _ := strings.Cut(variable, "=")
		return slices.Contains([]string{"MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES",
			"GNUMAKEFLAGS", "ARGS", "PART"}, name)
	})
}

// ownPlaces are the variables that lead a page's command to places of its own on the servers
// that the environment names. A run uses a server that was named as it is: the queue that one
// step's page leaves behind would meet the one that the next step's declares.
func ownPlaces(t *testing.T) []string {
	t.Helper()
	step := thisStep(t)
	var named, variables []string
	for _, text := range step.Needs {
		need, err := services.ParseNeed(text)
		if err != nil {
			t.Fatal(err)
		}
		if variable := need.Kind.Variable(); os.Getenv(variable) != "" {
			named, variables = append(named, text), append(variables, variable)
		}
	}
	if len(named) == 0 {
		return nil
	}
	st, err := stage.Open(t.Context(), "page "+step.Number)
	if err != nil {
		t.Fatal(err)
	}
	closing := context.WithoutCancel(t.Context())
	t.Cleanup(func() {
		if err := st.Close(closing); err != nil {
			t.Error(err)
		}
	})
	if _, err := st.Provide(t.Context(), named); err != nil {
		t.Fatal(err)
	}
	cfg, cleanup, err := st.Config(t.Context(), step, "page-"+step.Number, true)
	t.Cleanup(func() {
		if err := cleanup(closing); err != nil {
			t.Error(err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	var env []string
	for _, variable := range variables {
		env = append(env, variable+"="+cfg.Address[variable])
	}
	return env
}

// split cuts a command line into words; a word may have a part in double quotes.
func split(line string) ([]string, error) {
	var words []string
	word, quoted, any := "", false, false
	for _, r := range line {
		switch {
		case r == '"':
			quoted, any = !quoted, true
		case r == ' ' && !quoted:
			if any || word != "" {
				words = append(words, word)
			}
			word, any = "", false
		default:
			word += string(r)
		}
	}
	if quoted || word == "" && len(words) == 0 {
		return nil, fmt.Errorf("%q is no command line", line)
	}
	if any || word != "" {
		words = append(words, word)
	}
	return words, nil
}

// What differs between two runs of the same command.
var varying = []struct {
	from *regexp.Regexp
	to   string
}{
	{regexp.MustCompile(`\d\d:\d\d:\d\d\.\d\d\d`), "<time>"},
	{regexp.MustCompile(`127\.0\.0\.1:\d+`), "<address>"},
	{regexp.MustCompile(`…[0-9a-f]{8}\b`), "<order>"},
	{regexp.MustCompile(`( do) -run \S+`), "${1}"}, // said where another run is going on
	{regexp.MustCompile(`^(\s+(?:accepted|processed)\s+)\d+`), "${1}<n>"},
	{regexp.MustCompile(`\s+`), " "},
}

func normal(line string) string {
	for _, v := range varying {
		line = v.from.ReplaceAllString(line, v.to)
	}
	return strings.TrimSpace(line)
}

// compare returns what the page shows and the run did not print.
func compare(page, output []string) []string {
	streams := map[string][]string{}
	for _, line := range output {
		of := stream(line)
		streams[of] = append(streams[of], normal(line))
	}
	var problems []string
	for _, line := range page {
		want := normal(line)
		if want == "" || want == "…" {
			continue
		}
		of := stream(line)
		pattern := regexp.MustCompile("^" +
			strings.ReplaceAll(regexp.QuoteMeta(want), "…", ".*") + "$")
		at := -1
		for i, got := range streams[of] {
			if pattern.MatchString(got) {
				at = i
				break
			}
		}
		if at < 0 {
			problems = append(problems, fmt.Sprintf("the run did not print, or not here:\n  %s\n"+
				"what it printed from there on:\n  %s", line, strings.Join(streams[of], "\n  ")))
			continue
		}
		streams[of] = streams[of][at+1:]
	}
	return problems
}

// stream is who printed a line: the name before the bar.
func stream(line string) string {
	name, _, ok := strings.Cut(line, "│")
	if !ok {
		return ""
	}
	return strings.TrimSpace(name)
}
