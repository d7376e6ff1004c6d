package main

import (
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/urfave/cli/v3"

	"course.example/lab/internal/act"
	"course.example/lab/internal/home"
	"course.example/lab/internal/manifest"
)

// written is a command as a page gives it to a reader.
type written struct {
	page    string // from the root of the checkout
	dir     string // where the page says to type it, or empty
	command string
}

var (
	fenced   = regexp.MustCompile("(?ms)^ *```(?:sh|bash|console|shell)\n(.*?)^ *```")
	block    = regexp.MustCompile("(?ms)^ *```.*?^ *```")
	inline   = regexp.MustCompile("`((?:make|go run|go test|curl) [^`]+)`")
	typed    = regexp.MustCompile(`^(?:[A-Z_]+=\S+ )*(make|go run|go test|curl) `)
	settings = regexp.MustCompile(`^(?:[A-Z_]+=\S+ )+`)
)

// commandsOf returns the commands of a page: those of its blocks, line by line, and those that
// stand in the text.
func commandsOf(page, text string) (found []written) {
	for _, b := range fenced.FindAllStringSubmatch(text, -1) {
		dir := ""
		for line := range strings.Lines(b[1]) {
			line = strings.TrimPrefix(strings.TrimSpace(line), "$ ")
			if to, ok := strings.CutPrefix(line, "cd "); ok {
				to, line, _ = strings.Cut(to, "&& ")
				dir = strings.TrimSpace(to)
			}
			if typed.MatchString(line) {
				found = append(found, written{page, dir, line})
			}
		}
	}
	for _, m := range inline.FindAllStringSubmatch(block.ReplaceAllString(text, ""), -1) {
		found = append(found, written{page, "", strings.ReplaceAll(m[1], "\n", " ")})
	}
	return found
}

// Every command on a page is one that its reader can type: the step, the variant, the experiment,
// the exercise, the flag, the test, the program and the path that it names are there. What the
// transcripts show is run besides, by labtest.Transcript.
func TestCommandsOnPages(t *testing.T) {
	t.Parallel()
	root, err := home.Root()
	if err != nil {
		t.Fatal(err)
	}
	makefile, err := os.ReadFile(filepath.Join(root, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	r := reader{root: root, makefile: string(makefile), code: map[string]string{}}
	seen, tried := map[string]int{}, map[string]bool{}
	err = filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() && strings.HasPrefix(entry.Name(), ".") && path != root {
			return cmp.Or(err, fs.SkipDir)
		}
		if filepath.Ext(path) != ".md" {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		page, _ := filepath.Rel(root, path)
		for _, w := range commandsOf(filepath.ToSlash(page), string(text)) {
			if tried[w.command] && strings.HasPrefix(w.command, "make ") { // the same on every page
				continue
			}
			tried[w.command] = true
			kind, err := r.try(t.Context(), w)
			seen[kind]++
			if err != nil {
				t.Errorf("%s: %s: %v", w.page, w.command, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{"lab run", "lab break", "lab do", "lab check", "go test", "go run", "curl"} {
		if seen[kind] < 5 {
			t.Errorf("%d commands of the kind %q on all pages: they are not found any more",
				seen[kind], kind)
		}
	}
}

// What a reader could not do is found.
func TestCommandsThatCannotBeTyped(t *testing.T) {
	t.Parallel()
	root, err := home.Root()
	if err != nil {
		t.Fatal(err)
	}
	r := reader{root: root, makefile: "run-%: ## run\n\t@$(LAB) run $*$(PART:%=/%) $(ARGS)\n",
		code: map[string]string{}}
	for command, want := range map[string]string{
		`make run-07 ARGS="-variant auto-ack"`:  "",
		`make run-07 # and watch it`:            "",
		`make runn-07`:                          "no target",
		`make run-77`:                           `no step "77"`,
		`make run-07 PART=nosuch`:               "nosuch",
		`make run-07 ARGS="-variant autoack"`:   "autoack",
		`make run-07 ARGS="-loud"`:              "loud",
		`go run ./lab break 07 -only calmm`:     "calmm",
		`go run ./lab check 07.9`:               "9",
		`go run ./lab do kil consumer`:          "kil",
		`go run ./nosuch`:                       "no program",
		`go run ./consumer -loud`:               "-loud",
		`go test -run NoSuchTest .`:             "no test",
		`go test -run '^$' -bench NoSuch .`:     "no benchmark",
		`curl localhost:8080/nosuch`:            "nobody serves",
		`curl -d '{}' localhost:8080/orders`:    "",
		`go test -run '^$' -bench Competing .`:  "",
		`go run ./lab do kill every consumer-1`: "",
	} {
		_, err := r.try(t.Context(), written{page: "07-rabbitmq/README.md", command: command})
		if (want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", command, err, want)
		}
	}
}

// reader is somebody who types what a page says.
type reader struct {
	root, makefile string
	code           map[string]string // what [reader.codeOf] has read
}

// try looks whether the command could be carried out, and says of which kind it is.
func (r reader) try(ctx context.Context, w written) (kind string, err error) {
	words, err := split(ctx, strings.ReplaceAll(w.command, "NN", "07"))
	if err != nil {
		return "", err
	}
	if words[0] == "make" {
		if words, err = r.expand(ctx, words[1:]); err != nil || len(words) == 0 {
			return "make", err
		}
	} else if strings.Join(words[:min(3, len(words))], " ") == "go run ./lab" {
		words = append([]string{"lab"}, words[3:]...)
	}
	switch {
	case words[0] == "lab" && len(words) > 1:
		return "lab " + words[1], typeLab(ctx, words)
	case words[0] == "lab":
		return "lab", nil
	case words[0] == "curl":
		return "curl", r.request(w, words[1:])
	case words[1] == "test":
		return "go test", r.goTest(w, words[2:])
	default:
		return "go run", r.goRun(w, words[2:])
	}
}

// split lets the shell make words of a command. What comes behind > or | is not of the course.
func split(ctx context.Context, command string) ([]string, error) {
	command = settings.ReplaceAllString(command, "")
	if i := strings.IndexAny(command, ">|;&$"); i >= 0 && !strings.ContainsAny(command[:i], `'"`) {
		command = command[:i]
	}
	if strings.Count(command, "'")%2 == 1 { // its body goes on in the next lines
		command, _, _ = strings.Cut(command, "'")
	}
	if !strings.ContainsAny(command, `'"\`) { // a shell for each would take its time
		command, _, _ = strings.Cut(command, " #")
		return strings.Fields(command), nil
	}
	sh := exec.CommandContext(ctx, "sh", "-c", `printf '%s\0' `+command)
	out, err := sh.Output()
	if err != nil {
		return nil, fmt.Errorf("a shell cannot read it: %w", err)
	}
	return strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00"), nil
}

// expand is what make would have the lab do, or nothing where it is something else.
func (r reader) expand(ctx context.Context, words []string) ([]string, error) {
	set := map[string]string{}
	target := ""
	for _, word := range words {
		if name, value, ok := strings.Cut(word, "="); ok {
			set[name] = value
		} else {
			target = word
		}
	}
	rule, stem := target, ""
	if i := strings.IndexByte(target, '-'); i > 0 {
		rule, stem = target[:i]+"-%", target[i+1:]
	}
	_, recipe, ok := strings.Cut("\n"+r.makefile, "\n"+rule+":")
	if !ok {
		return nil, fmt.Errorf("there is no target %s", target)
	}
	_, recipe, _ = strings.Cut(recipe, "\n")
	recipe, _, _ = strings.Cut(recipe, "\n")
	recipe, ok = strings.CutPrefix(strings.TrimSpace(recipe), "@$(LAB) ")
	if !ok {
		return nil, nil
	}
	part := set["PART"]
	if part != "" {
		part = "/" + part
	}
	return split(ctx, strings.NewReplacer("$*", stem, "$(PART:%=/%)", part,
		"$(ARGS)", set["ARGS"]).Replace("lab "+recipe))
}

// typeLab reads the words as the lab does, and looks up what they name instead of doing it.
func typeLab(ctx context.Context, words []string) error {
	lab := command()
	for _, c := range lab.Commands {
		c.Action = lookUp
	}
	return lab.Run(ctx, words)
}

func lookUp(_ context.Context, cmd *cli.Command) error {
	switch cmd.Name {
	case "do":
		words := cmd.Args().Slice()
		if slices.ContainsFunc(words, asksForHelp) || slices.Equal(words, []string{"quit"}) {
			return nil
		}
		_, _, err := act.Parse(strings.Join(words, " "))
		return err
	case "check", "hint":
		_, _, err := exerciseArg(cmd)
		return err
	case "run", "break":
		step, _, err := stepAndArgs(cmd)
		if err != nil {
			return err
		}
		if err := cmp.Or(checkLoad(cmd), checkOnceFlags(cmd, step)); err != nil {
			return err
		}
		if cmd.Name == "break" {
			_, err := selected(cmd, step)
			return err
		}
		if variant := cmd.String("variant"); variant != "NAME" {
			_, err = step.Variant(variant)
		}
		return err
	case "test", "mutants":
		for _, name := range cmd.Args().Slice() {
			root, err := home.Root()
			if err != nil {
				return err
			}
			if _, err := manifest.LoadStep(root, name); err != nil {
				if _, err := os.Stat(filepath.Join(root, name, "go.mod")); err != nil {
					return fmt.Errorf("there is no module %s", name)
				}
			}
		}
	}
	return nil
}

// places are the folders in which a reader may be: where the page says, at the root, in the
// page's step.
func (r reader) places(w written) []string {
	step, _, _ := strings.Cut(w.page, "/")
	return []string{filepath.Join(r.root, w.dir), filepath.Join(r.root, step), r.root,
		filepath.Join(r.root, filepath.Dir(w.page))}
}

// textOf is the text of the Go files of a folder whose names end so, and those below it.
func textOf(dir, suffix string) string {
	var all strings.Builder
	_ = filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, suffix) {
			text, _ := os.ReadFile(path)
			all.Write(text)
		}
		return nil
	})
	return all.String()
}

// codeOf is the code of a step, with that of the shop.
func (r reader) codeOf(step string) string {
	if _, read := r.code[step]; !read {
		r.code[step] = textOf(filepath.Join(r.root, step), ".go") +
			textOf(filepath.Join(r.root, "shop"), ".go")
	}
	return r.code[step]
}

// goTest wants a test or a benchmark of the name that is asked for, and the flags of its own.
func (r reader) goTest(w written, words []string) error {
	known := []string{"run", "bench", "benchtime", "v", "race", "count", "fuzz", "fuzztime", "shuffle",
		"overlay"}
	asked := map[string]string{}
	places := r.places(w)
	for i := 0; i < len(words); i++ {
		name, ok := strings.CutPrefix(words[i], "-")
		switch {
		case !ok:
			for j := range places {
				places[j] = filepath.Join(places[j], strings.TrimSuffix(words[i], "/..."))
			}
		case name == "v", name == "race":
		case i+1 == len(words):
			asked[name] = ""
		case name == "C":
			i++
			for j := range places {
				places[j] = filepath.Join(places[j], words[i])
			}
		default:
			i++
			asked[name] = words[i]
		}
	}
	var tests string
	for _, place := range places {
		if own, _ := filepath.Glob(filepath.Join(place, "*_test.go")); len(own) > 0 {
			tests = textOf(place, "_test.go")
			break
		}
	}
	for name, pattern := range asked {
		if !slices.Contains(known, name) && !strings.Contains(tests, `"`+name+`"`) {
			return fmt.Errorf("no test has a flag -%s", name)
		}
		kind := map[string]string{"run": "(?:Test|Example)", "bench": "Benchmark", "fuzz": "Fuzz"}[name]
		if kind == "" || pattern == "^$" {
			continue
		}
		pattern, _, _ = strings.Cut(pattern, "/")
		want, err := regexp.Compile(pattern)
		if err != nil {
			return err
		}
		names := regexp.MustCompile(`(?m)^func (`+kind+`\w*)\(`).FindAllStringSubmatch(tests, -1)
		if !slices.ContainsFunc(names, func(m []string) bool { return want.MatchString(m[1]) }) {
			return fmt.Errorf("there is no %s %s",
				map[string]string{"run": "test", "bench": "benchmark", "fuzz": "fuzz test"}[name], pattern)
		}
	}
	return nil
}

// goRun wants a program, and that somebody in it reads the flags.
func (r reader) goRun(w written, words []string) error {
	words = slices.DeleteFunc(words, func(s string) bool { return s == "-race" })
	for _, place := range r.places(w) {
		dir := filepath.Join(place, words[0])
		files, _ := filepath.Glob(filepath.Join(dir, "*.go"))
		if !slices.ContainsFunc(files, func(file string) bool {
			text, _ := os.ReadFile(file)
			return strings.Contains("\n"+string(text), "\npackage main\n")
		}) {
			continue
		}
		rel, _ := filepath.Rel(r.root, dir)
		step, _, _ := strings.Cut(filepath.ToSlash(rel), "/")
		code := r.codeOf(step)
		for _, word := range words[1:] {
			name, isFlag := strings.CutPrefix(word, "-")
			if isFlag && name != "h" && !strings.Contains(code, `"`+name+`"`) {
				return fmt.Errorf("%s has no flag %s", words[0], word)
			}
		}
		return nil
	}
	return fmt.Errorf("there is no program %s", words[0])
}

var route = regexp.MustCompile(`"(?:(?:GET|POST|PUT|DELETE|PATCH) )?(/[^" ]*)"`)

// request wants somebody of the page's step who serves the path.
func (r reader) request(w written, words []string) error {
	step, _, _ := strings.Cut(w.page, "/")
	if _, err := os.Stat(filepath.Join(r.root, step, manifest.FileName)); err != nil {
		step = "07-rabbitmq" // a page for all steps: any of them has what they share
	}
	code := r.codeOf(step)
	url := regexp.MustCompile(`^(?:http://)?(?:localhost:\d+|127\.0\.0\.1:\d+|[A-Z]+)(/[^?]*)`)
	for _, word := range words {
		m := url.FindStringSubmatch(word)
		if m == nil {
			continue
		}
		for _, pattern := range route.FindAllStringSubmatch(code, -1) {
			if serves(pattern[1], m[1]) {
				return nil
			}
		}
		return fmt.Errorf("nobody serves %s", m[1])
	}
	return nil
}

func serves(pattern, path string) bool {
	a, b := strings.Split(pattern, "/"), strings.Split(path, "/")
	return slices.EqualFunc(a, b, func(a, b string) bool {
		return a == b || strings.HasPrefix(a, "{")
	})
}
